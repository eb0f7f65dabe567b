"""The history of a SKU ends in what is on hand, and each balance in it is what the movements up to there come to."""

import random
from typing import Any

import pytest

from node.commands.requests import Refusal
from node.reports.frame import Row, Span
from node.reports.movement_history import MovementHistory
from protocol.movements import MoveKind
from tests.node.reports.past import DAY_MS, NOW_MS, Past

RECEIVE, SALE, WASTE = MoveKind.RECEIVE, MoveKind.SALE, MoveKind.WASTE


@pytest.fixture
def past() -> Past:
    """One in which nothing has happened."""
    return Past()


def history(past: Past, limit: int = 1_000, **asked: Any) -> list[Row]:
    """Its rows, in pages of `limit`."""
    report = MovementHistory(**{"sku": "tea", **asked})
    found, cursor = [], None
    while True:
        piece = report.piece(past.db, past.moment, Span(limit, cursor))
        found += piece.rows
        if (cursor := piece.following) is None:
            return found


def told(past: Past, **asked: Any) -> list[tuple[object, ...]]:
    """What each row is, how much it changed, and the balance after it."""
    rows = history(past, **asked)
    return [(row["kind"] or row["row"], row["delta"], row["balance"]) for row in rows]


def notes(past: Past, **asked: Any) -> list[tuple[str, tuple[str, ...]]]:
    """What it says is missing, and where."""
    report = MovementHistory(**{"sku": "tea", **asked})
    return [(note.code, note.names) for note in report.notes(past.db, past.moment)]


def test_a_card_opens_with_nothing_and_closes_with_what_is_on_hand(past: Past) -> None:
    past.records(RECEIVE, NOW_MS - 3 * DAY_MS, ("tea", "", 10), ("tea", "L1", 5), ("rice", "", 9))
    past.records(SALE, NOW_MS - 2 * DAY_MS, ("tea", "", -4))
    past.elsewhere(NOW_MS - DAY_MS, ("tea", "L1", -2))
    past.hears()
    past.fetches()
    assert told(past) == [
        ("opening", None, 0),
        ("receive", 10, 10),
        ("receive", 5, 15),
        ("sale", -4, 11),
        ("sale", -2, 9),
        ("closing", None, 9),
    ]
    assert notes(past) == []
    assert [row[2] for row in told(past, lot="L1")] == [0, 5, 3, 3]
    assert [row[2] for row in told(past, lot="")] == [0, 10, 6, 6]


def test_a_period_opens_and_closes_with_what_was_there_then(past: Past) -> None:
    for days_ago, delta in ((9, 10), (6, -1), (5, -2), (1, -3)):
        kind = RECEIVE if delta > 0 else SALE
        past.records(kind, NOW_MS - days_ago * DAY_MS, ("tea", "", delta))
    period = {"since_ms": NOW_MS - 6 * DAY_MS, "until_ms": NOW_MS - DAY_MS}
    expected = [("opening", None, 10), ("sale", -1, 9), ("sale", -2, 7), ("closing", None, 7)]
    assert told(past, **period) == expected
    report = MovementHistory("tea", **period)
    assert report.totals(past.db, past.moment) == {
        "opening": 10,
        "added": 0,
        "taken": 3,
        "closing": 7,
        "on_hand": 4,
    }
    assert notes(past, **period) == []


def test_a_kind_restricts_what_is_shown_and_no_balance(past: Past) -> None:
    past.records(RECEIVE, NOW_MS - 3 * DAY_MS, ("tea", "", 10))
    past.records(WASTE, NOW_MS - 2 * DAY_MS, ("tea", "", -1))
    past.records(SALE, NOW_MS - DAY_MS, ("tea", "", -2))
    expected = [("opening", None, 0), ("waste", -1, 9), ("closing", None, 7)]
    assert told(past, kind="move.waste") == expected


def test_what_is_entered_late_stands_where_it_belongs(past: Past) -> None:
    past.records(RECEIVE, NOW_MS - 3 * DAY_MS, ("tea", "", 10))
    past.records(SALE, NOW_MS - DAY_MS, ("tea", "", -1))
    past.records(SALE, NOW_MS - 2 * DAY_MS, ("tea", "", -4))
    assert [(row["delta"], row["balance"]) for row in history(past)[1:-1]] == [
        (10, 10),
        (-4, 6),
        (-1, 5),
    ]


def test_what_the_hub_set_aside_is_in_no_history(past: Past) -> None:
    past.records(RECEIVE, NOW_MS - 3 * DAY_MS, ("tea", "", 10))
    past.is_set_aside(past.records(SALE, NOW_MS - DAY_MS, ("tea", "", -1)))
    assert told(past) == [("opening", None, 0), ("receive", 10, 10), ("closing", None, 10)]


def test_where_movements_are_not_held_the_opening_row_says_how_much_they_came_to(
    past: Past,
) -> None:
    past.records(RECEIVE, NOW_MS - 3 * DAY_MS, ("tea", "", 10))
    past.elsewhere(NOW_MS - DAY_MS, ("tea", "", -4))
    past.hears()
    past.neighbour("tea", 7)
    assert told(past) == [
        ("opening", None, -4),
        ("receive", 10, 6),
        ("closing", None, 6),
        ("opening", None, 7),
        ("closing", None, 7),
    ]
    assert notes(past) == [
        ("movements_not_held", ("S01", "S02")),
        ("opening_not_explained", ("S01", "S02")),
    ]
    past.fetches()
    assert told(past, location="S01")[-1] == ("closing", None, 6)
    assert notes(past, location="S01") == []


def test_of_more_movements_than_are_looked_at_the_earliest_are_in_the_opening_row(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.replica.history.USED_MOVEMENTS_MAX", 2)
    for days_ago in (1, 3, 2):
        past.records(RECEIVE, NOW_MS - days_ago * DAY_MS, ("tea", "", days_ago))
    assert [row[2] for row in told(past)] == [3, 5, 6, 6]
    assert notes(past) == [("movements_cut", ())]


def test_pages_of_any_size_are_the_same_rows(past: Past) -> None:
    for number in range(6):
        past.records(RECEIVE, NOW_MS - number % 2, ("tea", "", 1), ("tea", "L1", 1))
    past.neighbour("tea", 7)
    whole = history(past)
    assert len(whole) == 12 + 4
    for limit in (1, 3, 5):
        assert history(past, limit) == whole
    with pytest.raises(Refusal):
        MovementHistory("tea").piece(past.db, past.moment, Span(1, "gqFhoWI"))


@pytest.mark.parametrize("seed", range(20))
def test_each_balance_is_what_the_movements_up_to_there_come_to(past: Past, seed: int) -> None:
    chance = random.Random(seed)
    times = chance.sample(range(NOW_MS - 10 * DAY_MS, NOW_MS), 25)
    for at_ms in times:
        line = ("tea", chance.choice(("", "L1")), chance.randint(-5, 5))
        if chance.random() < 0.3:
            past.elsewhere(at_ms, line)
        else:
            past.records(MoveKind.ADJUST, at_ms, line)
    past.hears()
    past.fetches()
    rows = history(past)
    shown = sorted(zip(sorted(times), rows[1:-1], strict=True), key=lambda pair: pair[0])
    for at_ms, row in shown:
        assert row["balance"] == sum(past.lay(at_ms).values())
    assert rows[-1]["balance"] == sum(past.lay(NOW_MS).values())
