"""A shop's day: who sold what at which till, to the last unit, and of which day a movement is."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.commands.requests import Refusal
from node.reports import day_book
from node.reports.day import Day
from node.reports.tallies import COUNTS, VALUES
from protocol.limits import DAY_MOVEMENTS_MAX
from protocol.movements import MoveKind
from protocol.operation import decode
from tests.node.chain import certificate_of
from tests.node.reports.shop_days import ShopDays, ms, some

DATE = "2026-11-22"
GBP = {"amount": 250, "currency": "GBP"}


@pytest.fixture
def shop() -> Iterator[ShopDays]:
    """Open it, with tea that has a price and salt that has none."""
    made = ShopDays()
    made.says("skus", id="tea", name="Tea", price=GBP)
    yield made
    made.close()


def of_day(shop: ShopDays, date: str = DATE) -> Any:
    """The totals of a day."""
    return shop.totals(Day(date))


def test_a_day_is_told_by_till_and_person_and_as_a_whole(shop: ShopDays) -> None:
    shop.does("office", MoveKind.RECEIVE, ("tea", 100))
    first = shop.sells("till-1", "A-1", ("tea", 2), ("salt", 1))
    shop.sells("till-1", "A-2", ("tea", 3))
    shop.does("till-1", MoveKind.DISPENSE, ("tea", -4), reference="A-3")
    shop.sells("till-2", "B-1", ("tea", 10))
    shop.does("till-2", MoveKind.CUSTOMER_RETURN, ("tea", 1), ("salt", 2), reference="A-2")
    shop.does("till-2", MoveKind.WASTE, ("tea", -5))
    shop.reverses("till-2", first)
    one, office, two = (shop.rows(Day(DATE))[at] for at in (1, 0, 2))
    names = ("device", "actor", "baskets", "sales", "lines", "units", "value", "unpriced_lines")
    assert some(office, *names[:6]) == ("office", "office", 0, 0, 0, 0)
    assert some(office, "others", "value") == (1, None)
    worth = {"amount": 9 * 250, "currency": "GBP"}
    assert some(one, *names) == ("till-1", "till-1", 3, 3, 4, 10, worth, 1)
    worth = {"amount": 10 * 250, "currency": "GBP"}
    assert some(two, *names) == ("till-2", "till-2", 1, 1, 1, 10, worth, 2)
    assert some(two, "returns", "return_units", "return_value") == (1, 3, GBP)
    back = {"amount": 500, "currency": "GBP"}
    assert some(two, "reversals", "reversed_units", "reversed_value") == (1, 3, back)
    thrown = {"amount": 1_250, "currency": "GBP"}
    assert some(two, "waste", "waste_units", "waste_value") == (1, 5, thrown)
    whole = of_day(shop)
    assert some(whole, "baskets", "sales", "lines", "units", "unpriced_lines") == (4, 4, 5, 20, 3)
    assert whole["value"] == [{"amount": 19 * 250, "currency": "GBP"}]
    assert some(whole, "date", "location", "time_zone") == (DATE, "S01", "Europe/Berlin")


def test_several_sales_under_one_reference_are_one_basket(shop: ShopDays) -> None:
    for till, reference in (("a", "1"), ("a", "1"), ("a", None), ("a", None), ("b", "1")):
        shop.sells(till, reference)
    assert [some(row, "baskets", "sales") for row in shop.rows(Day(DATE))] == [(3, 4), (1, 1)]
    assert of_day(shop)["baskets"] == 4


def test_what_takes_back_no_sale_is_counted_and_worth_nothing(shop: ShopDays) -> None:
    shop.reverses("till-1", shop.does("till-1", MoveKind.RECEIVE, ("tea", 10)))
    assert some(of_day(shop), "reversals", "reversed_units", "reversed_value") == (1, 0, [])


def test_what_an_order_takes_back_is_worth_what_was_handed_out(shop: ShopDays) -> None:
    shop.takes_back(*shop.hands_out("tea", 3))
    back = [{"amount": 750, "currency": "GBP"}]
    whole = of_day(shop)
    assert some(whole, "sales", "units", "value") == (1, 3, back)
    assert some(whole, "reversals", "reversed_units", "reversed_value") == (1, 3, back)


def test_a_sale_is_taken_back_on_the_day_of_its_reversal(shop: ShopDays) -> None:
    sold = shop.sells("till-1", "A-1", ("tea", 2))
    shop.at("2026-11-23T09:00:00+01:00")
    shop.reverses("till-1", sold)
    assert some(of_day(shop), "units", "reversals") == (2, 0)
    assert some(of_day(shop, "2026-11-23"), "units", "reversals", "reversed_units") == (0, 1, 2)


def test_money_of_two_currencies_is_not_added_up(shop: ShopDays) -> None:
    shop.says("skus", id="rum", name="Rum", price={"amount": 9, "currency": "EUR"})
    shop.sells("till-1", "A-1", ("tea", 1), ("rum", 1))
    shop.sells("till-2", "B-1", ("rum", 1))
    assert [row["value"] for row in shop.rows(Day(DATE))] == [
        None,
        {"amount": 9, "currency": "EUR"},
    ]
    assert of_day(shop)["value"] == [{"amount": 18, "currency": "EUR"}, GBP]
    assert "several_currencies" in shop.notes(Day(DATE))


# --- which day ---------------------------------------------------------------------------------------------------


def test_the_last_millisecond_is_of_the_day_and_midnight_is_of_the_next(shop: ShopDays) -> None:
    shop.at("2026-11-24T12:00:00+01:00")
    for at in ("2026-11-21T23:59:59.999+01:00", "2026-11-22T00:00:00+01:00"):
        shop.sells("till-1", None, occurred_at_ms=ms(at))
    for at in ("2026-11-22T23:59:59.999+01:00", "2026-11-23T00:00:00+01:00"):
        shop.sells("till-1", None, occurred_at_ms=ms(at))
    dates = ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]
    assert [of_day(shop, date)["sales"] for date in dates] == [1, 2, 1, 0]
    (row,) = shop.rows(Day(DATE))
    assert some(row, "first_at", "last_at") == (
        "2026-11-21T23:00:00.000Z",
        "2026-11-22T22:59:59.999Z",
    )


@pytest.mark.parametrize(("date", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_on_which_clocks_change_has_all_its_hours(date: str, hours: int) -> None:
    shop = ShopDays()
    shop.at("2026-12-01T00:00:00+01:00")
    begins = datetime.fromisoformat(of_day(shop, date)["begins_at"])
    for hour in range(-1, hours + 1):  # one before it and one after it
        at_ms = int((begins + timedelta(hours=hour, minutes=30)).timestamp() * 1000)
        shop.sells("till-1", None, occurred_at_ms=at_ms)
    whole = of_day(shop, date)
    assert whole["sales"] == hours
    ends = datetime.fromisoformat(whole["ends_at"])
    assert ends - begins == timedelta(hours=hours)
    shop.close()


def test_without_a_time_zone_the_day_is_that_of_utc() -> None:
    shop = ShopDays(time_zone=None)
    shop.sells("till-1", None, occurred_at_ms=ms("2026-11-22T00:30:00+01:00"))
    assert (of_day(shop)["sales"], of_day(shop, "2026-11-21")["sales"]) == (0, 1)
    assert of_day(shop)["time_zone"] == "UTC"
    shop.close()


def test_what_comes_after_its_day_is_over_is_of_its_day_and_said(shop: ShopDays) -> None:
    shop.sells("till-1", "A-1")
    assert shop.notes(Day(DATE)) == ["day_not_over"]
    shop.at("2026-11-23T08:00:00+01:00")
    shop.sells("till-1", "A-2", occurred_at_ms=ms("2026-11-22T18:00:00+01:00"))
    assert some(of_day(shop), "sales", "recorded_later") == (2, 1)
    assert shop.notes(Day(DATE)) == []


# --- whose day ---------------------------------------------------------------------------------------------------


def refusal(shop: ShopDays, report: Day, *writes: str) -> str:
    """Why a node that writes there does not show it."""
    moment = replace(shop.moment, certificate=certificate_of(writes=writes))
    with pytest.raises(Refusal) as refused:
        report.totals(shop.db, moment)
    return refused.value.code


def test_a_node_shows_no_empty_day_of_a_shop_whose_movements_it_does_not_keep(
    shop: ShopDays,
) -> None:
    assert refusal(shop, Day(DATE, "S02"), "S01") == "movements_not_held"
    assert refusal(shop, Day(DATE), *()) == "movements_not_held"
    assert refusal(shop, Day(DATE), "S01", "S02") == "validation_failed"
    assert of_day(shop)["location"] == "S01"


def test_what_others_recorded_there_and_was_not_read_is_said(shop: ShopDays) -> None:
    shop.at("2026-11-23T08:00:00+01:00")
    shop.sells("till-1", "A-1", occurred_at_ms=ms("2026-11-22T18:00:00+01:00"))
    shop.db.execute("UPDATE counter SET hub_seq = 7")
    assert shop.notes(Day(DATE)) == ["movements_not_fetched"]
    shop.db.execute("UPDATE counter SET hub_seq = 0")


def test_a_day_with_more_than_is_looked_at_says_so(
    shop: ShopDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DAY_MOVEMENTS_MAX >= 10_000
    for _ in range(4):
        shop.sells("till-1", None)
    assert of_day(shop)["sales"] == 4
    monkeypatch.setattr(day_book, "DAY_MOVEMENTS_MAX", 3)
    assert of_day(shop)["sales"] == 3
    assert "day_cut" in shop.notes(Day(DATE))


# --- everything at once ------------------------------------------------------------------------------------------

KINDS = (MoveKind.SALE, MoveKind.DISPENSE, MoveKind.WASTE, MoveKind.CUSTOMER_RETURN)
MOVES = st.tuples(
    st.sampled_from(["till-1", "till-2", "till-3"]),
    st.sampled_from([*KINDS, MoveKind.RECEIVE, MoveKind.COUNT, MoveKind.REVERSAL]),
    st.sampled_from(["tea", "rum", "salt"]),
    st.integers(0, 9),
    st.sampled_from([None, "A-1", "A-2", "B-7"]),
    st.integers(-30, 30),
)


@settings(max_examples=40)
@given(st.lists(MOVES, max_size=12), st.integers(0, 12))
def test_what_tills_did_adds_up_to_the_day_and_days_to_everything(
    moves: list[tuple[str, MoveKind, str, int, str | None, int]], acked: int
) -> None:
    shop = ShopDays()
    shop.says("skus", id="tea", name="Tea", price=GBP)
    shop.says("skus", id="rum", name="Rum", price={"amount": 9, "currency": "EUR"})
    done = []
    for till, kind, sku, quantity, reference, hours in moves:
        at_ms = shop.here.now_ms + hours * 3_600_000
        if kind is MoveKind.REVERSAL:
            if done:
                shop.reverses(till, done.pop())
            continue
        sign = -1 if kind in KINDS[:3] else 1
        more = {"reference": reference, "occurred_at_ms": at_ms}
        done.append(shop.does(till, kind, (sku, sign * quantity), **more))
    shop.hub_has(acked)
    recorded = sold = 0
    for date in ("2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"):
        whole, rows = of_day(shop, date), shop.rows(Day(date), limit=2)
        for name in ("baskets", *COUNTS):
            assert whole[name] == sum(int(str(row[name])) for row in rows), name
        for name in VALUES:
            if all(row[name] is not None for row in rows):
                told = sum(one["amount"] for one in whole[name])
                assert told == sum(row[name]["amount"] for row in rows), name
        kinds = ("sales", "returns", "reversals", "waste", "others")
        recorded += sum(whole[name] for name in kinds)
        sold += whole["units"]
    assert recorded == _count(shop.db)
    assert sold == _sold(shop.db)
    shop.close()


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM movement").fetchone()[0])


def _sold(db: sqlite3.Connection) -> int:
    """What sales and dispenses took, added up from the log by another way."""
    bodies = (decode(body) for (body,) in db.execute("SELECT body FROM log"))
    return -sum(
        effect.delta
        for operation in bodies
        if operation.kind in {"move.sale", "move.dispense"}
        for effect in operation.effects
    )
