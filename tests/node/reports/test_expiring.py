"""Expiring: exact days, lots and sums of a small chain, each place by its own calendar, and nothing added up that differs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.requests import Refusal
from node.reports import expiring
from node.reports.expiring import Expiring
from node.reports.frame import Moment
from node.reports.positions import Wanted
from tests.node.reports.stocked import BY_A_TILL, OFFICE, Stocked, columns

TODAY = date(2026, 11, 22)
ALL = Wanted()


def worth(amount: int, currency: str) -> dict[str, object]:
    """Money in minor units."""
    return {"amount": amount, "currency": currency}


def risk(lots: int, quantity: int, *values: tuple[str, str, int], unpriced: int = 0) -> Any:
    """As the totals show it: (cost or price, currency, amount); of what is not priced one lot."""
    return {
        "lots": lots,
        "quantity": quantity,
        "values": [
            {"valued_at": at, "currency": currency, "amount": n} for at, currency, n in values
        ],
        "unpriced_lots": int(unpriced > 0),
        "unpriced_quantity": unpriced,
    }


def in_days(days: int) -> str:
    """The day so many days from today."""
    return (TODAY + timedelta(days=days)).isoformat()


@pytest.fixture
def chain() -> Iterator[Stocked]:
    """Pills that cost euros, syrup with a price in pounds alone, drops that nobody priced."""
    made = Stocked("S01", "S02")
    made.says("skus", id="pills", name="Pills", price=worth(9, "GBP"), cost=worth(5, "EUR"))
    made.says("skus", id="syrup", name="Syrup", category="Coughs", price=worth(700, "GBP"))
    for sku, code, days in (
        *(("pills", "P-1", -1), ("pills", "P0", 0), ("pills", "P30", 30), ("pills", "P31", 31)),
        *(("syrup", "S90", 90), ("syrup", "S91", 91), ("drops", "D-400", -400)),
    ):
        made.says("lots", sku=sku, code=code, expiry=in_days(days))
    for place, sku, lot, units in (
        *(("S01", "pills", "P-1", 10), ("S01", "pills", "P0", 20), ("S01", "pills", "P30", 30)),
        *(("S02", "pills", "P30", 3), ("S02", "pills", "P31", 4), ("S02", "syrup", "S90", 2)),
        *(("S02", "syrup", "S91", 2), ("S02", "drops", "D-400", 6), ("S02", "drops", "D?", 1)),
        *(("S01", "syrup", "S90", -5), ("S01", "pills", "", 100)),
    ):
        made.has(place, sku, units, lot)
    yield made
    made.db.close()


def test_lots_are_listed_soonest_first_with_what_is_at_risk(chain: Stocked) -> None:
    rows = chain.rows(Expiring(ALL, 30))
    names = ("lot", "location", "days_left", "expired", "standing", "on_hand")
    assert columns(rows, *names, "valued_at", "currency", "value") == [
        ("D-400", "S02", -400, True, "expired", 6, None, None, None),
        ("P-1", "S01", -1, True, "expired", 10, "cost", "EUR", 50),
        ("P0", "S01", 0, False, "ok", 20, "cost", "EUR", 100),
        ("P30", "S01", 30, False, "ok", 30, "cost", "EUR", 150),
        ("P30", "S02", 30, False, "ok", 3, "cost", "EUR", 15),
    ]
    lots = [row[0] for row in columns(chain.rows(Expiring(ALL, 90)), "lot")]
    assert lots == ["D-400", "P-1", "P0", "P30", "P30", "P31", "S90"]


def test_the_totals_add_up_nothing_that_differs(chain: Stocked) -> None:
    totals = chain.totals(Expiring(ALL, 90))
    assert totals["expired"] == risk(2, 16, ("cost", "EUR", 50), unpriced=6)
    expected = risk(5, 59, ("cost", "EUR", 285), ("price", "GBP", 1_400))
    assert totals["expiring"] == expected
    assert totals["undated_lots"] == 1
    assert [one["location"] for one in totals["locations"]] == ["S01", "S02"]
    assert totals["locations"][0]["expired"] == risk(1, 10, ("cost", "EUR", 50))
    assert totals["locations"][0]["expiring"] == risk(2, 50, ("cost", "EUR", 250))


def test_who_may_not_see_costs_is_shown_prices_and_told_so(chain: Stocked) -> None:
    report = Expiring(ALL, 30)
    assert "costs_not_shown" in chain.notes(report, BY_A_TILL)
    expected = risk(3, 53, ("price", "GBP", 53 * 9))
    assert chain.totals(report, BY_A_TILL)["expiring"] == expected
    assert "costs_not_shown" not in chain.notes(Expiring(ALL, 30))


@pytest.mark.parametrize(
    ("wanted", "lots"),
    [
        (Wanted(location="S02"), ["D-400", "P30", "P31", "S90"]),
        (Wanted(sku="pills"), ["P-1", "P0", "P30", "P30", "P31"]),
        (Wanted(location="S02", sku="pills"), ["P30", "P31"]),
        (Wanted(category="Coughs"), ["S90"]),
    ],
)
def test_only_what_is_asked_for_is_listed(chain: Stocked, wanted: Wanted, lots: list[str]) -> None:
    assert [row["lot"] for row in chain.rows(Expiring(wanted, 90))] == lots


def test_each_place_has_its_own_day(chain: Stocked) -> None:
    chain.says("locations", id="S03", name="S03", time_zone="Pacific/Auckland")
    chain.has("S03", "pills", 1, "P0")
    late = Moment(
        int(datetime(2026, 11, 22, 18, tzinfo=UTC).timestamp() * 1000),
        OFFICE.certificate,
        is_operator=True,
    )
    rows = chain.rows(Expiring(Wanted(sku="pills"), 0), late)
    assert columns(rows, "location", "lot", "days_left", "expired") == [
        ("S01", "P-1", -1, True),
        ("S01", "P0", 0, False),
        ("S03", "P0", -1, True),
    ]


def test_a_lot_that_is_held_is_told_as_such(chain: Stocked) -> None:
    chain.says("lots", sku="pills", code="PR", expiry=in_days(3), status="recalled")
    chain.has("S01", "pills", 1, "PR")
    (row,) = [one for one in chain.rows(Expiring(ALL, 5)) if one["lot"] == "PR"]
    assert row["standing"] == "recalled"


def test_too_many_lots_are_refused_and_not_cut(
    chain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "REPORT_LOTS_MAX", 4)
    with pytest.raises(Refusal, check=lambda one: one.code == "too_large"):
        chain.rows(Expiring(ALL, 30))
    assert len(chain.rows(Expiring(Wanted(location="S01"), 30))) == 3


@given(
    stock=st.dictionaries(
        st.tuples(
            st.sampled_from(["S01", "S02"]),
            st.sampled_from(["drops", "pills", "syrup"]),
            st.sampled_from(["", "A", "B", "C"]),
        ),
        st.integers(-9, 9).filter(bool),
    ),
    days=st.dictionaries(
        st.tuples(st.sampled_from(["drops", "pills", "syrup"]), st.sampled_from(["A", "B", "C"])),
        st.integers(-40, 120),
    ),
    within=st.integers(0, 100),
    limit=st.integers(1, 4),
)
def test_rows_are_the_lots_there_and_add_up_to_the_totals(
    stock: dict[tuple[str, str, str], int],
    days: dict[tuple[str, str], int],
    within: int,
    limit: int,
) -> None:
    chain = Stocked("S01", "S02")
    chain.says("skus", id="pills", name="Pills", cost=worth(5, "EUR"))
    chain.says("skus", id="syrup", name="Syrup", price=worth(7, "GBP"))
    for (sku, lot), ahead in days.items():
        chain.says("lots", sku=sku, code=lot, expiry=in_days(ahead))
    for (place, sku, lot), units in stock.items():
        chain.has(place, sku, units, lot)
    there = {key: units for key, units in stock.items() if key[2] and units > 0}
    near = {key: n for key, n in there.items() if days.get(key[1:], within + 1) <= within}
    rows: list[Any] = chain.rows(Expiring(ALL, within), limit=limit)
    assert {(row["location"], row["sku"], row["lot"]): row["on_hand"] for row in rows} == near
    assert rows == chain.rows(Expiring(ALL, within))
    totals = chain.totals(Expiring(ALL, within))
    assert totals["undated_lots"] == sum(key[1:] not in days for key in there)
    for name in ("expired", "expiring"):
        part = [row for row in rows if row["expired"] == (name == "expired")]
        assert totals[name]["quantity"] == sum(row["on_hand"] for row in part)
        assert (
            totals[name]["lots"]
            == len(part)
            == sum(one[name]["lots"] for one in totals["locations"])
        )
        values = {one["currency"]: one["amount"] for one in totals[name]["values"]}
        assert sum(values.values()) == sum(row["value"] or 0 for row in part)
        assert values.get("EUR", 0) == 5 * sum(
            row["on_hand"] for row in part if row["sku"] == "pills"
        )
    chain.db.close()
