"""What a trace says of the locations whose movements it does not have: that it does not know."""

import pytest

from node.reports.frame import Span
from node.reports.lot_trace import LotTrace
from node.reports.movement_history import MovementHistory
from protocol.movements import MoveKind
from tests.node.reports.past import DAY_MS, NOW_MS, Past
from tests.node.reports.shop_days import ShopDays


@pytest.fixture
def past() -> Past:
    """One in which nothing has happened."""
    return Past()


def test_what_a_neighbours_customers_have_is_not_known_and_not_nothing(past: Past) -> None:
    past.neighbour("pills", 5, "A1")
    report = LotTrace("pills", "A1")
    (row,) = report.piece(past.db, past.moment, Span(10)).rows
    assert (row["location"], row["on_hand"], row["taken"]) == ("S02", 5, None)
    totals = report.totals(past.db, past.moment)
    assert (totals["on_hand"], totals["sold"]) == (5, None)
    assert [note.code for note in report.notes(past.db, past.moment)] == ["movements_not_held"]


def test_what_came_back_is_not_with_customers(past: Past) -> None:
    day = NOW_MS - DAY_MS
    past.records(MoveKind.RECEIVE, day, ("pills", "A1", 20), ("pills", "B1", 20))
    past.records(MoveKind.DISPENSE, day, ("pills", "A1", -6), ("pills", "B1", -9))
    past.records(MoveKind.CUSTOMER_RETURN, day, ("pills", "A1", 2))
    past.is_set_aside(past.records(MoveKind.SALE, day, ("pills", "A1", -3)))
    past.neighbour("pills", 1, "A1")
    report = LotTrace("pills", "A1")
    rows = report.piece(past.db, past.moment, Span(100)).rows
    assert [(row["location"], row["taken"], row["delta"]) for row in rows] == [
        ("S01", 4, None),
        ("S02", None, None),
        ("S01", None, 20),
        ("S01", None, -6),
        ("S01", None, 2),
    ]
    totals = report.totals(past.db, past.moment)
    assert (totals["dispensed"], totals["returned"], totals["sold"]) == (6, 2, 0)


@pytest.mark.parametrize("report", [LotTrace("pills", "A1"), MovementHistory("pills")])
def test_what_takes_back_goods_of_an_order_names_them(
    report: LotTrace | MovementHistory,
) -> None:
    shop = ShopDays()
    shop.does("office", MoveKind.RECEIVE, ("pills", 20), lot="A1")
    shop.takes_back(*shop.hands_out("pills", 6, lot="A1"))
    _, out, back = [row for row in shop.rows(report) if row["row"] == "movement"]
    assert (out["delta"], back["delta"]) == (-6, 6)
    assert (out["reverses"], back["reverses"]) == (None, out["movement"])
    if "reversed_by" in out:
        assert (out["reversed_by"], back["reversed_by"]) == (back["movement"], None)
    shop.close()


def test_of_very_many_movements_the_newest_are_told_and_that_there_are_more(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.replica.history.USED_MOVEMENTS_MAX", 2)
    for days_ago in (3, 2, 1):
        past.records(MoveKind.RECEIVE, NOW_MS - days_ago * DAY_MS, ("pills", "A1", days_ago))
    report = LotTrace("pills", "A1")
    rows = report.piece(past.db, past.moment, Span(100)).rows
    assert [row["delta"] for row in rows] == [None, 2, 1]
    assert [note.code for note in report.notes(past.db, past.moment)] == ["movements_cut"]
