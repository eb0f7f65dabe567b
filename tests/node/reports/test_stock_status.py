"""Stock status: exact figures of a small chain, and however it is cut, the rows add up to the totals and the counters."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.requests import Refusal
from node.replica import stock
from node.reports import positions, stock_status
from node.reports.frame import Moment, Span
from node.reports.positions import Wanted
from node.reports.stock_status import By, StockStatus
from protocol.effects import Account
from tests.node.chain import certificate_of
from tests.node.reports.stocked import BY_A_SHOP, NOW_MS, SEEN, Count, Stocked, columns

FIGURES = ("on_hand", "reserved", "granted", "held", "available", "incoming")
COUNTS = ("positions", "below", "negative")
GOODS = [Account.ON_HAND, Account.RESERVED, Account.IN_TRANSIT, Account.GRANTED]


@pytest.fixture
def chain() -> Iterator[Stocked]:
    """Two shops: tea loose, pills in two lots of which one has expired, and salt that nobody has described."""
    made = Stocked("S01", "S02")
    lakeside = made.says("suppliers", name="Lakeside")
    made.says("skus", id="tea", name="Tea", category="Drinks", supplier=lakeside, minimum=20)
    made.says("skus", id="pills", name="Pills", category="Pain relief", lot_tracked=True)
    made.says("lots", sku="pills", code="L1", expiry="2026-11-21")
    made.says("lots", sku="pills", code="L2", expiry="2027-06-30")
    made.says("levels", location="S02", sku="tea", minimum=5)
    made.has("S01", "tea", 30)
    made.counts(("S01", "tea", "", Account.RESERVED, 12), ("S02", "tea", "", Account.IN_TRANSIT, 6))
    made.has("S02", "tea", 7)
    made.has("S01", "pills", 10, "L1")
    made.has("S01", "pills", 40, "L2")
    made.has("S02", "salt", -3)
    yield made
    made.db.close()


def test_each_position_is_shown_with_what_is_said_of_it(chain: Stocked) -> None:
    rows = chain.rows(StockStatus(Wanted()))
    assert columns(rows, "sku", "location", *FIGURES, "minimum", "below", "negative") == [
        ("pills", "S01", 50, 0, 0, 10, 40, 0, None, 0, 0),
        ("salt", "S02", -3, 0, 0, 0, -3, 0, None, 0, 1),
        ("tea", "S01", 30, 12, 0, 0, 18, 0, 20, 1, 0),
        ("tea", "S02", 7, 0, 0, 0, 7, 6, 5, 0, 0),
    ]
    assert (
        columns(rows, "name", "category", "supplier_name")[2:]
        == [("Tea", "Drinks", "Lakeside")] * 2
    )
    assert columns(rows, "name", "category", "supplier")[1] == (None, None, None)


def test_each_lot_is_shown_with_whether_it_may_be_used(chain: Stocked) -> None:
    rows = chain.rows(StockStatus(Wanted(sku="pills"), By.LOT))
    assert columns(rows, "lot", "expiry", "standing", "on_hand", "held", "available", "below") == [
        ("L1", "2026-11-21", "expired", 10, 10, 0, None),
        ("L2", "2027-06-30", "ok", 40, 0, 40, None),
    ]


def test_the_chain_is_added_up_by_sku_location_category_and_supplier(chain: Stocked) -> None:
    def by(what: By, *names: str) -> list[tuple[object, ...]]:
        return columns(chain.rows(StockStatus(Wanted(), what)), what.value, *names)

    assert by(By.SKU, "on_hand", "available", "incoming", "positions", "below") == [
        ("pills", 50, 40, 0, 1, 0),
        ("salt", -3, -3, 0, 1, 0),
        ("tea", 37, 25, 6, 2, 1),
    ]
    assert by(By.LOCATION, "on_hand", "available", "skus", "positions", "negative") == [
        ("S01", 80, 58, 2, 2, 0),
        ("S02", 4, 4, 2, 2, 1),
    ]
    assert by(By.CATEGORY, "on_hand", "skus", "positions") == [
        (None, -3, 1, 1),
        ("Drinks", 37, 1, 2),
        ("Pain relief", 50, 1, 1),
    ]
    assert [row[1:] for row in by(By.SUPPLIER, "supplier_name", "on_hand")] == [
        (None, 47),
        ("Lakeside", 37),
    ]


def test_the_totals_are_the_chains(chain: Stocked) -> None:
    assert chain.totals(StockStatus(Wanted())) == {
        "skus": 3,
        "positions": 4,
        "below": 1,
        "negative": 1,
        "on_hand": 84,
        "reserved": 12,
        "granted": 0,
        "held": 10,
        "available": 62,
        "incoming": 6,
    }


@pytest.mark.parametrize(
    ("wanted", "only_below", "expected"),
    [
        (Wanted(location="S02"), False, [("salt", "S02"), ("tea", "S02")]),
        (Wanted(sku="tea"), False, [("tea", "S01"), ("tea", "S02")]),
        (Wanted(location="S02", sku="tea"), False, [("tea", "S02")]),
        (Wanted(category="Pain relief"), False, [("pills", "S01")]),
        (Wanted(supplier="nobody"), False, []),
        (Wanted(), True, [("tea", "S01")]),
    ],
)
def test_rows_and_totals_are_of_what_is_asked_for(
    chain: Stocked, wanted: Wanted, only_below: bool, expected: list[tuple[str, str]]
) -> None:
    report = StockStatus(wanted, only_below=only_below)
    rows = chain.rows(report)
    assert columns(rows, "sku", "location") == expected
    assert chain.totals(report)["on_hand"] == sum(row["on_hand"] for row in rows)  # type: ignore[misc]


def test_what_this_node_does_not_read_is_said(chain: Stocked) -> None:
    assert chain.notes(StockStatus(Wanted())) == {}
    chain.says("locations", id="S03", name="S03")
    assert chain.notes(StockStatus(Wanted()))["locations_not_read"].names == ("S03",)
    assert chain.notes(StockStatus(Wanted(location="S01"))) == {}
    asked = chain.notes(StockStatus(Wanted(location="S03")))
    assert (asked["locations_not_read"].count, asked["locations_not_read"].names) == (1, ("S03",))
    of_a_shop = chain.notes(StockStatus(Wanted()), BY_A_SHOP)
    assert of_a_shop["levels_not_read"].names == ("S02",)


def test_a_location_of_which_the_hub_has_nothing_is_read_by_whoever_may_read_it() -> None:
    chain = Stocked("S01", caught_up=True)
    chain.says("locations", id="S03", name="S03")
    assert chain.notes(StockStatus(Wanted())) == {}
    store = Moment(NOW_MS, certificate_of(writes=("S01",), reads=("S02",)), is_operator=True)
    assert chain.notes(StockStatus(Wanted()), store)["locations_not_read"].names == ("S03",)
    chain.db.close()


def test_an_archived_sku_keeps_its_name_and_wants_nothing(chain: Stocked) -> None:
    chain.says("skus", id="mint", name="Mint", minimum=5, archived=True)
    chain.has("S01", "mint", 1)
    (row,) = chain.rows(StockStatus(Wanted(sku="mint")))
    assert (row["name"], row["minimum"], row["below"]) == ("Mint", None, 0)


def test_a_rare_filter_gives_short_pages_and_a_place_to_go_on_from(
    chain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_status, "REPORT_EXAMINED_MAX", 1)
    for by in (By.POSITION, By.SKU):
        pieces = list(chain.pieces(StockStatus(Wanted(category="Drinks"), by), SEEN, 100))
        assert len(pieces) > 2
        assert {row["sku"] for rows in pieces for row in rows} == {"tea"}


def test_what_is_too_much_to_add_up_is_left_out_and_said(
    chain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "REPORT_COUNTERS_MAX", 5)
    whole = StockStatus(Wanted())
    assert chain.totals(whole) is None
    assert "totals_left_out" in chain.notes(whole)
    assert len(chain.rows(whole)) == 4
    with pytest.raises(Refusal, check=lambda one: one.code == "too_large"):
        chain.rows(StockStatus(Wanted(), By.CATEGORY))
    assert chain.totals(StockStatus(Wanted(location="S01")))["on_hand"] == 80


@pytest.mark.parametrize("by", list(By))
def test_a_foreign_cursor_is_refused(chain: Stocked, by: By) -> None:
    with pytest.raises(Refusal, check=lambda one: one.code == "validation_failed"):
        StockStatus(Wanted(), by).piece(chain.db, SEEN, Span(1, "bm90aGluZw"))


COUNTED: st.SearchStrategy[Count] = st.tuples(
    st.sampled_from(["S01", "S02", "S03"]),
    st.sampled_from(["pills", "salt", "tea", "tea/2"]),
    st.sampled_from(["", "L1", "L2"]),
    st.sampled_from([*GOODS, Account.LOSS]),
    st.integers(-50, 50).filter(bool),
)
SAID = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["Drinks", "Pain relief"]),
        "minimum": st.integers(0, 30),
    },
)
LOT = st.fixed_dictionaries(
    {"status": st.sampled_from(["ok", "on_hold", "recalled"])},
    optional={"expiry": st.sampled_from(["2026-11-21", "2026-11-22", "2027-01-01"])},
)


@given(
    counts=st.lists(COUNTED, max_size=40),
    said=st.dictionaries(st.sampled_from(["pills", "tea"]), SAID, max_size=2),
    lots=st.dictionaries(st.sampled_from(["L1", "L2"]), LOT, max_size=2),
    only_below=st.booleans(),
    limit=st.integers(1, 5),
)
def test_however_it_is_cut_the_rows_are_the_totals_and_the_totals_are_the_counters(
    counts: list[Count],
    said: dict[str, Any],
    lots: dict[str, Any],
    only_below: bool,
    limit: int,
) -> None:
    chain = Stocked("S01", "S02", "S03")
    for sku, fields in said.items():
        chain.says("skus", id=sku, name=sku, **fields)
    for code, fields in lots.items():
        chain.says("lots", sku="pills", code=code, **fields)
    for one in counts:
        chain.counts(one)
    totals = chain.totals(StockStatus(Wanted(), only_below=only_below))
    if not only_below:
        names = ("on_hand", "reserved", "incoming", "granted")
        assert [totals[name] for name in names] == [chain.counted(one) for one in GOODS]
    for by in By:
        rows: list[Any] = chain.rows(StockStatus(Wanted(), by, only_below=only_below), limit=limit)
        assert rows == chain.rows(StockStatus(Wanted(), by, only_below=only_below))
        for name in FIGURES if by is By.LOT else (*FIGURES, *COUNTS):
            assert sum(row[name] for row in rows) == totals[name], (by, name)
    _agrees_with_the_list_of_stock(chain)
    chain.db.close()


def _agrees_with_the_list_of_stock(chain: Stocked) -> None:
    listed, _ = stock.page(chain.db, stock.StockQuery(limit=1_000), SEEN.now_ms)
    shown = {(row.location, row.sku): (row.available, row.held, row.minimum) for row in listed}
    rows = chain.rows(StockStatus(Wanted()))
    assert shown == {
        (row["location"], row["sku"]): (row["available"], row["held"], row["minimum"])
        for row in rows
    }


def test_of_a_large_chain_no_more_is_in_memory_than_of_a_small_one() -> None:
    def peak(skus: int) -> int:
        chain = Stocked("S01", "S02")
        for at in range(0, skus, 500):
            chain.counts(
                *(
                    (place, f"SKU{number:05}", lot, Account.ON_HAND, 1)
                    for number in range(at, at + 500)
                    for place in ("S01", "S02")
                    for lot in ("", "L1")
                )
            )
        tracemalloc.start()
        assert chain.totals(StockStatus(Wanted(), By.LOCATION))["skus"] == skus
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        chain.db.close()
        return found

    assert peak(6_000) < peak(500) + 100_000


def test_a_walk_sorts_nothing(chain: Stocked) -> None:
    for name, sql in positions._SQL.items():
        if name.startswith("walk"):
            asked = dict.fromkeys(("sku_from", "location_from", "sku", "location"))
            plan = [row[3] for row in chain.db.execute(f"EXPLAIN QUERY PLAN {sql}", asked)]
            assert len(plan) == 1, plan
            assert plan[0].startswith("SEARCH counter"), plan
