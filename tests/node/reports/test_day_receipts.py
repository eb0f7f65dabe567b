"""What to compare with printed receipts: numbers that are missing, references used twice, what head office has not."""

from collections.abc import Iterator

import pytest

from node.replica import log, movements, view
from node.reports import day_book
from node.reports.day import Day, DayGaps, DayRepeated, DaySetAside, DayUnsent
from node.reports.day_list import DayList
from node.reports.frame import Span
from protocol.effects import CounterEffect
from protocol.frames.log import StatusEntry
from protocol.frames.repair import LedgerItem
from protocol.ids import NO_LOT, Location, OpId, ReplicaId, Seq, Sku
from protocol.limits import DAYS_COUNTED_MAX, RECEIPTS_MISSING_MAX
from protocol.movements import MoveKind
from protocol.operation import Operation, encode
from tests.node.reports.shop_days import ShopDays, column, ms, some

DATE = "2026-11-22"
OTHER = ReplicaId(b"another replica.")


@pytest.fixture
def shop() -> Iterator[ShopDays]:
    """Open it."""
    made = ShopDays()
    yield made
    made.close()


def missing(shop: ShopDays, date: str = DATE) -> list[tuple[object, ...]]:
    """Till, first, last and count of each gap."""
    rows = shop.rows(DayGaps(date), limit=1)
    return [some(row, "device", "first", "last", "missing") for row in rows]


# --- gaps --------------------------------------------------------------------------------------------------------


def test_a_receipt_that_was_printed_and_never_recorded_is_missing(shop: ShopDays) -> None:
    for reference in ("A-0017", "A-0019", "A-0020", "A-0024"):
        shop.sells("till-1", reference)
    assert missing(shop) == [("till-1", "A-0018", "A-0018", 1), ("till-1", "A-0021", "A-0023", 3)]
    (row, _) = shop.rows(DayGaps(DATE))
    assert some(row, "after", "before") == ("A-0017", "A-0019")
    whole = shop.totals(Day(DATE))
    assert whole["receipts_missing"] == shop.totals(DayGaps(DATE))["receipts_missing"] == 4
    assert [gap["first"] for gap in whole["gaps"]] == ["A-0018", "A-0021"]


def test_tills_and_series_have_numbers_of_their_own(shop: ShopDays) -> None:
    for till, reference in [
        *[("till-1", "A-1"), ("till-2", "A-7"), ("till-2", "A-8"), ("till-1", "A-2")],
        *[("till-1", "R 0009"), ("till-1", "R 0011"), ("till-1", "cash"), ("till-1", None)],
    ]:
        shop.sells(till, reference)
    assert missing(shop) == [("till-1", "R 0010", "R 0010", 1)]
    assert shop.totals(Day(DATE))["sales_without_number"] == 2


def test_a_receipt_that_another_till_recorded_is_not_missing(shop: ShopDays) -> None:
    shop.sells("till-1", "A-1")
    shop.sells("till-2", "A-2")
    shop.does("till-1", MoveKind.CUSTOMER_RETURN, ("tea", 1), reference="A-3")
    shop.sells("till-1", "A-4")
    assert missing(shop) == []


def test_a_return_under_an_old_receipt_begins_no_series(shop: ShopDays) -> None:
    shop.sells("till-1", "A-500")
    shop.does("till-1", MoveKind.CUSTOMER_RETURN, ("tea", 1), reference="A-480")
    shop.does("till-1", MoveKind.RECEIVE, ("tea", 1), reference="A-470")
    shop.reverses("till-1", shop.sells("till-1", "A-501"))
    assert missing(shop) == []
    assert shop.totals(Day(DATE))["receipts_repeated"] == 0


def test_what_is_missing_over_night_is_missing_in_the_morning(shop: ShopDays) -> None:
    shop.sells("till-1", "A-0998", occurred_at_ms=ms("2026-11-21T20:00:00+01:00"))
    shop.sells("till-1", "A-1001")
    assert missing(shop) == [("till-1", "A-0999", "A-1000", 2)]
    assert missing(shop, "2026-11-21") == []


def test_numbers_without_zeros_go_on_over_night_too(shop: ShopDays) -> None:
    shop.sells("till-1", "9", occurred_at_ms=ms("2026-11-21T20:00:00+01:00"))
    shop.sells("till-1", "11")
    assert missing(shop) == [("till-1", "10", "10", 1)]


def test_a_till_that_counts_from_one_every_day_misses_what_it_misses_today(shop: ShopDays) -> None:
    for number in (1, 2, 3):
        at_ms = ms(f"2026-11-21T1{number}:00:00+01:00")
        shop.sells("till-1", f"A-{number}", occurred_at_ms=at_ms)
    for number in (1, 3):
        shop.sells("till-1", f"A-{number}")
    assert missing(shop) == [("till-1", "A-2", "A-2", 1)]


def test_a_receipt_that_comes_in_late_closes_its_gap(shop: ShopDays) -> None:
    shop.sells("till-1", "A-1")
    shop.sells("till-1", "A-3")
    assert len(missing(shop)) == 1
    shop.at("2026-11-25T09:00:00+01:00")
    shop.sells("till-1", "A-2", occurred_at_ms=ms("2026-11-22T11:00:00+01:00"))
    assert missing(shop) == []


def test_references_that_count_no_receipts_are_not_looked_at_for_ever(
    shop: ShopDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RECEIPTS_MISSING_MAX >= 1_000
    monkeypatch.setattr(day_book, "RECEIPTS_MISSING_MAX", 10)
    for reference in ("A-1", "A-3", "B-100", "B-200"):
        shop.sells("till-1", reference)
    assert missing(shop) == [("till-1", "A-2", "A-2", 1)]
    assert "gaps_cut" in shop.notes(DayGaps(DATE))


# --- twice -------------------------------------------------------------------------------------------------------


def test_a_reference_of_several_sales_is_repeated(shop: ShopDays) -> None:
    shop.sells("till-1", "A-1")
    first = shop.sells("till-1", "A-2")
    shop.sells("till-2", "A-1")
    last = shop.sells("till-1", "A-2")
    shop.sells("till-1", None)
    shop.sells("till-1", None)
    (row,) = shop.rows(DayRepeated(DATE))
    assert some(row, "device", "reference", "sales") == ("till-1", "A-2", 2)
    ids = [str(row[name]).replace("-", "") for name in ("first_id", "last_id")]
    assert ids == [first.hex(), last.hex()]
    assert shop.totals(Day(DATE))["receipts_repeated"] == 1


# --- what the hub has --------------------------------------------------------------------------------------------


def test_what_the_hub_has_not_acknowledged_is_unsent(shop: ShopDays) -> None:
    shop.sells("till-1", "A-1", ("tea", 3))
    shop.hub_has()
    shop.at("2026-11-22T12:05:00+01:00")
    second = shop.sells("till-1", "A-2", ("tea", 2), ("salt", 2))
    shop.at("2026-11-22T12:09:00+01:00")
    shop.sells("till-2", "B-1")
    rows = shop.rows(DayUnsent(DATE), limit=1)
    assert column(rows, "reference") == ["A-2", "B-1"]
    assert str(rows[0]["id"]).replace("-", "") == second.hex()
    assert some(rows[0], "device", "kind", "lines", "units") == ("till-1", "sale", 2, -4)
    whole = shop.totals(Day(DATE))
    assert some(whole, "unsent", "oldest_unsent_at") == (2, "2026-11-22T11:05:00.000Z")
    assert [row["unsent"] for row in shop.rows(Day(DATE))] == [1, 1]
    assert shop.totals(DayUnsent("2026-11-21"))["unsent"] == 0
    shop.hub_has()
    assert some(shop.totals(Day(DATE)), "unsent", "oldest_unsent_at") == (0, None)


def test_what_another_node_recorded_is_the_hubs_already(shop: ShopDays) -> None:
    effects = (CounterEffect(Location("S01"), Sku("tea"), NO_LOT, 0, -2),)
    details = {"reference": "C-1"}
    at_ms, name = shop.here.now_ms, "till-9"
    operation = Operation(
        OpId(bytes(16)), at_ms, at_ms, None, name, name, "move.sale", 1, effects, details
    )
    item = LedgerItem(1, OTHER, Seq(1), at_ms, encode(operation))
    movements.pull(shop.db, Location("S01"), [item], 1)
    (row,) = shop.rows(Day(DATE))
    assert some(row, "device", "units", "unsent", "set_aside") == ("till-9", 2, 0, 0)


def test_what_the_hub_could_not_take_is_named_with_its_receipt(shop: ShopDays) -> None:
    shop.sells("till-1", "A-1")
    shop.sells("till-1", "A-2")
    shop.hub_has()
    seq = log.head(shop.db).seq
    log.quarantine(shop.db, [StatusEntry(seq, "forbidden", "no such right")], 0)
    view.forget_quarantined(shop.db, seq)
    (row,) = shop.rows(DaySetAside(DATE))
    assert some(row, "reference", "code", "detail") == ("A-2", "forbidden", "no such right")
    whole = shop.totals(Day(DATE))
    assert some(whole, "sales", "unsent", "set_aside") == (2, 0, 1)
    assert [one["reference"] for one in whole["not_taken"]] == ["A-2"]


# --- the days ----------------------------------------------------------------------------------------------------


def test_days_are_listed_newest_first_and_empty_ones_are_left_out(shop: ShopDays) -> None:
    for at in (
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-26T00:00:00+01:00",
    ):
        shop.sells("till-1", None, occurred_at_ms=ms(at))
    shop.hub_has()
    sold = shop.sells("till-1", "A-1")
    shop.does("till-1", MoveKind.RECEIVE, ("tea", 3))
    shop.reverses("till-1", sold)
    shop.does("till-1", MoveKind.WASTE, ("tea", -1))
    shop.does("till-1", MoveKind.CUSTOMER_RETURN, ("tea", 1))
    rows = shop.rows(DayList(), limit=1)
    assert column(rows, "date") == [DATE, "2026-10-26", "2026-10-25"]
    names = ("movements", "sales", "returns", "reversals", "waste", "unsent")
    assert [some(row, *names) for row in rows] == [
        (5, 1, 1, 1, 1, 5),
        (1, 1, 0, 0, 0, 0),
        (2, 2, 0, 0, 0, 0),
    ]
    assert some(rows[2], "begins_at", "ends_at") == (
        "2026-10-24T22:00:00.000Z",
        "2026-10-25T23:00:00.000Z",
    )
    assert rows == shop.rows(DayList("S01"))


def test_a_page_of_days_counts_no_more_than_a_month(shop: ShopDays) -> None:
    for day in range(40):
        shop.sells("till-1", None, occurred_at_ms=shop.here.now_ms - day * 86_400_000)
    assert len(shop.rows(DayList())) == 40
    piece = DayList().piece(shop.db, shop.moment, Span(1_000))
    assert len(piece.rows) == DAYS_COUNTED_MAX
    assert piece.following is not None
