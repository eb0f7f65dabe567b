"""Valuation: quantity times what a unit costs, by currency, with what nobody priced counted and what is owed apart."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.requests import Refusal
from node.reports import positions, valuation
from node.reports.positions import Wanted
from node.reports.valuation import At, By, Valuation
from protocol.effects import Account
from tests.node.reports.stocked import BY_A_SHOP, BY_A_TILL, SEEN, Stocked, columns

ROW = ("currency", "skus", "quantity", "value", "below_zero", "below_zero_value")


def worth(amount: int, currency: str) -> dict[str, object]:
    """Money in minor units."""
    return {"amount": amount, "currency": currency}


@pytest.fixture
def chain() -> Iterator[Stocked]:
    """Tea and mint bought in euros, rice in pounds; salt and pepper that nobody priced; and nothing of mace."""
    made = Stocked("S01", "S02")
    for sku, category, cost in (
        ("mace", "Spices", worth(900, "EUR")),
        ("mint", "Drinks", worth(40, "EUR")),
        ("pepper", "Spices", None),
        ("rice", "Drinks", worth(110, "GBP")),
        ("tea", "Drinks", worth(120, "EUR")),
    ):
        said = {} if cost is None else {"cost": cost}
        made.says(
            "skus", id=sku, name=sku.title(), category=category, price=worth(500, "GBP"), **said
        )
    made.has("S01", "tea", 10)
    made.has("S02", "tea", -4)
    made.has("S01", "mint", 3)
    made.has("S01", "rice", 2, "L1")
    made.has("S01", "rice", -1)
    made.has("S02", "rice", 1)
    made.has("S02", "pepper", 7)
    made.has("S01", "salt", -2)
    made.counts(("S01", "mace", "", Account.IN_TRANSIT, 5))
    yield made
    made.db.close()


def test_each_sku_is_worth_what_is_there_of_it_times_its_cost(chain: Stocked) -> None:
    rows = chain.rows(Valuation(Wanted()))
    assert columns(rows, "sku", "unit_value", *ROW) == [
        ("mint", 40, "EUR", 1, 3, 120, 0, 0),
        ("pepper", None, None, 1, 7, None, 0, None),
        ("rice", 110, "GBP", 1, 2, 220, 0, 0),
        ("salt", None, None, 1, 0, None, -2, None),
        ("tea", 120, "EUR", 1, 10, 1_200, -4, -480),
    ]
    assert columns(rows, "name", "category")[0] == ("Mint", "Drinks")


def test_a_group_has_a_row_for_each_currency_and_one_for_what_nobody_priced(chain: Stocked) -> None:
    assert columns(chain.rows(Valuation(Wanted(), By.CATEGORY)), "category", *ROW) == [
        (None, None, 1, 0, None, -2, None),
        ("Drinks", "EUR", 2, 13, 1_320, -4, -480),
        ("Drinks", "GBP", 1, 2, 220, 0, 0),
        ("Spices", None, 1, 7, None, 0, None),
    ]
    assert columns(chain.rows(Valuation(Wanted(), By.LOCATION)), "location", *ROW) == [
        ("S01", None, 1, 0, None, -2, None),
        ("S01", "EUR", 2, 13, 1_320, 0, 0),
        ("S01", "GBP", 1, 1, 110, 0, 0),
        ("S02", None, 1, 7, None, 0, None),
        ("S02", "EUR", 1, 0, 0, -4, -480),
        ("S02", "GBP", 1, 1, 110, 0, 0),
    ]


def test_the_totals_add_up_each_currency_by_itself_and_name_what_nobody_priced(
    chain: Stocked,
) -> None:
    assert chain.totals(Valuation(Wanted())) == {
        "at": "cost",
        "skus": 5,
        "quantity": 22,
        "below_zero": -6,
        "values": [worth(1_320, "EUR"), worth(220, "GBP")],
        "below_zero_values": [worth(-480, "EUR"), worth(0, "GBP")],
        "unpriced": {"skus": 2, "quantity": 7, "below_zero": -2, "names": ["pepper", "salt"]},
    }


def test_what_nobody_priced_can_be_listed_alone(chain: Stocked) -> None:
    report = Valuation(Wanted(), only_unpriced=True)
    assert columns(chain.rows(report), "sku") == [("pepper",), ("salt",)]
    assert chain.totals(report)["skus"] == 2


def test_stock_is_worth_what_it_sells_for_if_that_is_asked_for(chain: Stocked) -> None:
    totals = chain.totals(Valuation(Wanted(location="S01"), at=At.PRICE))
    assert totals["values"] == [worth((10 + 3 + 1) * 500, "GBP")]
    assert totals["unpriced"]["names"] == ["salt"]


@pytest.mark.parametrize("moment", [BY_A_TILL, BY_A_SHOP])
def test_who_may_not_see_costs_is_told_so_and_sees_none(chain: Stocked, moment: Any) -> None:
    report = Valuation(Wanted())
    assert "costs_not_shown" not in chain.notes(report)
    assert "costs_not_shown" in chain.notes(Valuation(Wanted()), moment)
    assert "costs_not_shown" not in chain.notes(Valuation(Wanted(), at=At.PRICE), moment)
    assert set(columns(chain.rows(Valuation(Wanted()), moment), "value")) == {(None,)}
    totals = chain.totals(Valuation(Wanted()), moment)
    assert (totals["values"], totals["unpriced"]["skus"]) == ([], 5)


def test_what_is_too_much_to_add_up_is_left_out_and_said(
    chain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "REPORT_COUNTERS_MAX", 3)
    assert chain.totals(Valuation(Wanted())) is None
    assert "totals_left_out" in chain.notes(Valuation(Wanted()))
    assert len(chain.rows(Valuation(Wanted()))) == 5
    with pytest.raises(Refusal, check=lambda one: one.code == "too_large"):
        chain.rows(Valuation(Wanted(), By.LOCATION))


def test_only_so_many_positions_are_looked_at_for_a_page(
    chain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valuation, "REPORT_EXAMINED_MAX", 1)
    pieces = list(chain.pieces(Valuation(Wanted(category="Spices")), SEEN, 100))
    assert len(pieces) > 2
    assert [row["sku"] for rows in pieces for row in rows] == ["pepper"]


@given(
    stock=st.lists(
        st.tuples(
            st.sampled_from(["S01", "S02"]),
            st.sampled_from(["mint", "salt", "tea"]),
            st.sampled_from(["", "L1"]),
            st.integers(-20, 20).filter(bool),
        ),
        max_size=15,
    ),
    said=st.dictionaries(
        st.sampled_from(["mint", "salt", "tea"]),
        st.tuples(
            st.sampled_from([None, "Drinks"]),
            st.none() | st.tuples(st.integers(0, 10**9), st.sampled_from(["EUR", "GBP"])),
        ),
    ),
    limit=st.integers(1, 4),
)
def test_however_it_is_cut_each_currency_adds_up_and_the_units_are_the_counters(
    stock: list[tuple[str, str, str, int]], said: dict[str, Any], limit: int
) -> None:
    chain = Stocked("S01", "S02")
    for sku, (category, cost) in said.items():
        fields: dict[str, object] = {} if category is None else {"category": category}
        if cost is not None:
            fields["cost"] = worth(*cost)
        chain.says("skus", id=sku, name=sku, **fields)
    for place, sku, lot, units in stock:
        chain.has(place, sku, units, lot)
    totals = chain.totals(Valuation(Wanted()))
    assert totals["quantity"] + totals["below_zero"] == chain.counted(Account.ON_HAND)
    for by in By:
        rows: list[Any] = chain.rows(Valuation(Wanted(), by), limit=limit)
        assert rows == chain.rows(Valuation(Wanted(), by))
        for name in ("quantity", "below_zero"):
            assert sum(row[name] for row in rows) == totals[name]
        for name, sums in (("value", "values"), ("below_zero_value", "below_zero_values")):
            found: dict[str, int] = {}
            for row in rows:
                if row["currency"] is not None:
                    found[row["currency"]] = found.get(row["currency"], 0) + row[name]
            assert [worth(found[one], one) for one in sorted(found)] == totals[sums]
    chain.db.close()
