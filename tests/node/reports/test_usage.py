"""What customers took: net of what came back, in its period, and how long there was nothing to take."""

import random
from typing import Any

import pytest

from node.commands.requests import Refusal
from node.replica import usage as replica_usage
from node.reports import usage
from node.reports.frame import Row, Span
from node.reports.usage import Usage
from protocol.movements import MoveKind
from tests.node.reports.past import DAY_MS, NOW_MS, SHOP, Past

RECEIVE, SALE = MoveKind.RECEIVE, MoveKind.SALE
DISPENSE, RETURN = MoveKind.DISPENSE, MoveKind.CUSTOMER_RETURN


@pytest.fixture
def past() -> Past:
    """One in which nothing has happened."""
    return Past()


def used(past: Past, **asked: Any) -> list[Row]:
    """The rows."""
    return Usage(**asked).piece(past.db, past.moment, Span(1_000)).rows


def figures(row: Row, *names: str) -> tuple[object, ...]:
    """Some members of a row."""
    return tuple(row[name] for name in names)


def test_used_is_what_was_sold_and_dispensed_less_what_came_back(past: Past) -> None:
    day = NOW_MS - 2 * DAY_MS
    past.records(RECEIVE, day, ("tea", "", 100), ("rice", "", 5))
    past.records(SALE, day, ("tea", "", -10), ("tea", "L1", -2))
    past.records(DISPENSE, day, ("tea", "", -5))
    past.records(RETURN, day, ("tea", "", 3))
    past.reverses(past.records(SALE, day, ("tea", "", -20)))
    past.reverses(past.records(RETURN, day, ("tea", "", 4)))
    past.reverses(past.records(RECEIVE, day, ("tea", "", 9)))
    past.is_set_aside(past.records(SALE, day, ("tea", "", -30)))
    past.elsewhere(day, ("tea", "", -1))
    past.hears()
    past.fetches()
    (row,) = used(past)
    names = ("sku", "sold", "dispensed", "returned", "reversed", "used", "on_hand")
    assert figures(row, *names) == ("tea", 33, 5, 7, 16, 15, 85)
    assert row["per_day"] == "0.54"
    assert replica_usage.used(past.db, SHOP, day) == {"tea": 15}


def test_a_period_has_what_happened_in_it_and_its_end_is_not_included(past: Past) -> None:
    for days_ago in (1, 2, 3, 4):
        past.records(SALE, NOW_MS - days_ago * DAY_MS, ("tea", "", -(10**days_ago)))
    asked = {"since_ms": NOW_MS - 3 * DAY_MS, "until_ms": NOW_MS - DAY_MS}
    (row,) = used(past, **asked)
    assert figures(row, "used", "per_day") == (1_100, "550.00")
    totals = Usage(**asked).totals(past.db, past.moment)
    assert (totals["days"], totals["used"], totals["skus"]) == ("2.0", 1_100, 1)
    assert [row["used"] for row in used(past, sku="rice")] == []


def test_days_without_any_are_walked_back_from_what_is_on_hand(past: Past) -> None:
    past.records(RECEIVE, NOW_MS - 20 * DAY_MS, ("tea", "", 4))
    past.records(SALE, NOW_MS - 9 * DAY_MS, ("tea", "", -4))
    past.records(RECEIVE, NOW_MS - 4 * DAY_MS, ("tea", "L1", 7))
    past.records(SALE, NOW_MS - 1 * DAY_MS, ("tea", "L1", -1))
    (row,) = used(past, since_ms=NOW_MS - 10 * DAY_MS)
    names = ("used", "per_day", "days_out_of_stock", "per_day_in_stock")
    assert figures(row, *names) == (5, "0.50", "5.0", "1.00")
    (row,) = used(past, since_ms=NOW_MS - 10 * DAY_MS, until_ms=NOW_MS - 6 * DAY_MS)
    assert figures(row, *names) == (4, "1.00", "3.0", "4.00")


@pytest.mark.parametrize("seed", range(20))
def test_each_day_has_what_happened_in_it_as_if_it_had_been_asked_for_alone(
    past: Past, seed: int
) -> None:
    chance = random.Random(seed)
    since_ms = NOW_MS - NOW_MS % DAY_MS - 5 * DAY_MS
    for _ in range(25):
        at_ms = since_ms + chance.randrange(-DAY_MS, 5 * DAY_MS)
        sku = chance.choice(("tea", "rice"))
        if chance.random() < 0.3:
            past.records(RECEIVE, at_ms, (sku, "", chance.randint(1, 5)))
        else:
            past.records(SALE, at_ms, (sku, "", -chance.randint(1, 3)))
    alone = [
        row
        for day in range(5)
        for row in used(
            past, since_ms=since_ms + day * DAY_MS, until_ms=since_ms + (day + 1) * DAY_MS
        )
    ]
    asked = {"since_ms": since_ms, "until_ms": since_ms + 5 * DAY_MS}
    found = used(past, each="day", **asked)
    assert found == sorted(alone, key=lambda row: (str(row["sku"]), str(row["since"])))
    for sku in ("tea", "rice"):
        whole = sum(int(str(row["used"])) for row in used(past, sku=sku, **asked))
        assert whole == sum(int(str(row["used"])) for row in found if row["sku"] == sku)


def test_a_neighbours_usage_is_not_nothing_but_named_as_not_held(past: Past) -> None:
    past.neighbour("tea", -5)
    asked = Usage(location="S02")
    assert asked.piece(past.db, past.moment, Span(10)).rows == []
    (note,) = asked.notes(past.db, past.moment)
    assert (note.code, note.names) == ("movements_not_held", ("S02",))


def test_more_movements_than_are_walked_back_over_are_refused(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "REPORT_MOVEMENTS_MAX", 2)
    for number in range(3):
        past.records(SALE, NOW_MS - number, ("tea", "", -1))
    with pytest.raises(Refusal) as refused:
        used(past)
    assert refused.value.code == "too_large"
    assert [row["used"] for row in used(past, since_ms=NOW_MS - 1)] == [2]
