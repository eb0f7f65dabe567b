"""Below minimum: exact lines of a small shop, and to order exactly what suggested orders say."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands import suggesting
from node.commands.suggesting import Wanted as Order
from node.reports.below_minimum import BelowMinimum
from protocol.effects import Account
from tests.node.reports.stocked import BY_A_SHOP, NOW_MS, Stocked, columns

ORDER = Order("S01", 7, 28)


@pytest.fixture
def chain() -> Iterator[Stocked]:
    """Tea in boxes and mint of Lakeside, salt of nobody; rice has enough; mace is below the catalogue's minimum alone."""
    made = Stocked("S01", "S02")
    lakeside = made.says("suppliers", name="Lakeside")
    packs = {"box": {"multiple": 12}}
    made.says("skus", id="tea", name="Tea", category="Drinks", supplier=lakeside, packs=packs)
    made.says("skus", id="mint", name="Mint", category="Drinks", supplier=lakeside)
    made.says("skus", id="salt", name="Salt", minimum=3)
    made.says("skus", id="rice", name="Rice", minimum=3)
    made.says("skus", id="mace", name="Mace", minimum=4)
    made.says("skus", id="gone", name="Gone", archived=True)
    for sku, level in (
        ("tea", {"minimum": 20}),
        ("mint", {"minimum": 6}),
        ("salt", {"reorder_quantity": 50}),
        ("rice", {}),
        ("gone", {"minimum": 9}),
    ):
        made.says("levels", location="S01", sku=sku, **level)
    made.has("S01", "tea", 5)
    made.has("S01", "mint", 2)
    made.counts(("S01", "mint", "", Account.IN_TRANSIT, 4))
    made.has("S01", "rice", 3)
    made.has("S01", "mace", 1)
    made.has("S01", "gone", 1)
    made.has("S02", "mace", 1)
    yield made
    made.db.close()


def test_what_is_below_is_listed_by_supplier_with_what_to_order(chain: Stocked) -> None:
    rows = chain.rows(BelowMinimum(ORDER))
    names = ("supplier_name", "sku", "minimum", "available", "missing", "incoming")
    assert columns(rows, *names, "order_quantity", "pack", "packs") == [
        (None, "mace", 4, 1, 3, None, None, None, None),
        (None, "salt", 3, 0, 3, 0, 50, None, 50),
        ("Lakeside", "mint", 6, 2, 4, 4, None, None, None),
        ("Lakeside", "tea", 20, 5, 15, 0, 24, "box", 2),
    ]
    assert {row["below"] for row in rows} == {True}
    assert chain.totals(BelowMinimum(ORDER)) == {"below": 4, "to_order": 2, "suppliers": 2}


def test_a_category_or_a_supplier_restricts_what_is_shown(chain: Stocked) -> None:
    drinks = BelowMinimum(ORDER, category="Drinks")
    rows = chain.rows(drinks, limit=1)
    assert columns(rows, "sku") == [("mint",), ("tea",)]
    assert chain.totals(drinks) == {"below": 2, "to_order": 1, "suppliers": 1}
    supplier = rows[0]["supplier"]
    assert isinstance(supplier, str)
    assert chain.rows(BelowMinimum(ORDER, supplier=supplier)) == rows


def test_of_a_location_whose_levels_are_not_read_this_is_said(chain: Stocked) -> None:
    there = BelowMinimum(Order("S02", 7, 28))
    assert columns(chain.rows(there, BY_A_SHOP), "sku", "order_quantity") == [("mace", None)]
    assert set(chain.notes(there, BY_A_SHOP)) == {"levels_not_read"}
    assert set(chain.notes(BelowMinimum(Order("S09", 7, 28)))) == {"locations_not_read"}


def test_levels_that_were_not_looked_at_are_said(
    chain: Stocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chain.notes(BelowMinimum(ORDER)) == {}
    monkeypatch.setattr(suggesting, "SUGGESTED_SKUS_MAX", 1)
    assert set(chain.notes(BelowMinimum(ORDER))) == {"levels_left_out"}


@given(
    shelves=st.dictionaries(
        st.sampled_from(["mint", "rice", "salt", "tea"]),
        st.fixed_dictionaries(
            {
                "on_hand": st.integers(-5, 30),
                "incoming": st.integers(0, 20),
                "catalogue": st.none() | st.integers(0, 25),
                "level": st.none()
                | st.fixed_dictionaries(
                    {},
                    optional={
                        "minimum": st.integers(0, 25),
                        "reorder_quantity": st.integers(0, 40),
                    },
                ),
                "pack": st.integers(1, 12),
            }
        ),
    ),
    limit=st.integers(1, 3),
)
def test_what_is_to_order_is_what_is_suggested(shelves: dict[str, Any], limit: int) -> None:
    chain = Stocked("S01")
    for sku, one in shelves.items():
        said = {} if one["catalogue"] is None else {"minimum": one["catalogue"]}
        chain.says("skus", id=sku, name=sku, packs={"box": {"multiple": one["pack"]}}, **said)
        if one["level"] is not None:
            chain.says("levels", location="S01", sku=sku, **one["level"])
        if one["on_hand"] or one["incoming"]:
            chain.counts(
                ("S01", sku, "", Account.ON_HAND, one["on_hand"]),
                ("S01", sku, "", Account.IN_TRANSIT, one["incoming"]),
            )
    rows: list[Any] = chain.rows(BelowMinimum(ORDER), limit=limit)
    assert len({row["sku"] for row in rows}) == len(rows)
    to_order = {
        row["sku"]: (row["packs"], row["order_quantity"]) for row in rows if row["order_quantity"]
    }
    assert to_order == {
        line.sku: (line.packs, line.quantity)
        for one in suggesting.suggested(chain.db, ORDER, NOW_MS)
        for line in one.lines
    }
    totals = chain.totals(BelowMinimum(ORDER))
    assert totals["to_order"] == len(to_order)
    assert totals["below"] == sum(row["below"] for row in rows) == len(_below(shelves))
    chain.db.close()


def _below(shelves: dict[str, Any]) -> list[str]:
    """The SKUs of which less is there than the minimum, where anybody ever counted some or keeps some."""
    found = []
    for sku, one in shelves.items():
        level = (one["level"] or {}).get("minimum")
        minimum = one["catalogue"] if level is None else level
        is_there = one["on_hand"] or one["incoming"] or one["level"] is not None
        if minimum is not None and one["on_hand"] < minimum and is_there:
            found.append(sku)
    return found
