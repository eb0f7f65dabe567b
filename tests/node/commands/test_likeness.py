"""A lot that is received under a code that looks like another one's is recorded, and said."""

from typing import Any

import pytest

from node.commands.likeness import SHOWN_MAX
from node.replica import lots
from protocol.limits import LOTS_COMPARED_MAX
from protocol.movements import MoveKind
from tests.node.commands.test_picking import Pharmacy, pharmacy, shown, sold

__all__ = ["pharmacy"]


def similar(pharmacy: Pharmacy, *received: str, kind: MoveKind = MoveKind.RECEIVE) -> list[Any]:
    """What is warned of when so many lots come, one pill of each."""
    answer = pharmacy.records(kind, *(("pills", lot, 1) for lot in received))
    assert sold(answer) == [(lot or None, 1) for lot in received], "it is recorded as it was typed"
    found = [one for one in shown(answer)["warnings"] if one["code"] == "similar_lot"]
    return [(one["sku"], one["lot"], one["similar_to"]) for one in found]


@pytest.mark.parametrize("typed", ["l-2211", "L-2211 ", "L -2211", "l\u00a0-2211"])
def test_a_lot_typed_in_another_case_or_with_spaces_is_said(pharmacy: Pharmacy, typed: str) -> None:
    assert similar(pharmacy, "L-2211") == []
    assert similar(pharmacy, typed) == [("pills", typed, ["L-2211"])]
    assert similar(pharmacy, typed) == [], "it is known now"
    assert pharmacy.in_lot("L-2211") == 1


@pytest.mark.parametrize("typed", ["L2211", "L-22I1", "L-02211", ""])
def test_a_lot_that_differs_otherwise_is_another(pharmacy: Pharmacy, typed: str) -> None:
    similar(pharmacy, "L-2211")
    assert similar(pharmacy, typed) == []


def test_lots_that_are_described_and_those_of_the_same_delivery_are_compared_too(
    pharmacy: Pharmacy,
) -> None:
    pharmacy.says("lots", sku="pills", code="A/1 ~")
    pharmacy.says("lots", sku="tea", code="B 2")
    assert similar(pharmacy, "a/1~", "b2", "B2") == [
        ("pills", "a/1~", ["A/1 ~"]),
        ("pills", "b2", ["B2"]),
        ("pills", "B2", ["b2"]),
    ]


def test_only_what_comes_in_is_compared(pharmacy: Pharmacy) -> None:
    similar(pharmacy, "L1")
    assert similar(pharmacy, "l1", kind=MoveKind.CUSTOMER_RETURN) == []


def test_a_few_of_many_are_named(pharmacy: Pharmacy) -> None:
    spelt = ["ab", "aB", "Ab", "AB", "a b", "A B", "a B"]
    similar(pharmacy, *spelt)
    ((_, _, named),) = similar(pharmacy, "A b")
    assert named == sorted(spelt)[:SHOWN_MAX]


def test_no_more_lots_are_compared_than_a_till_can_wait_for(pharmacy: Pharmacy) -> None:
    place = (
        "INSERT INTO counter (location, sku, lot, account, value) VALUES ('S02', 'much', ?, 0, 1)"
    )
    pharmacy.db.executemany(place, [(f"L{number}",) for number in range(LOTS_COMPARED_MAX + 1)])
    assert len(lots.known(pharmacy.db, "much")) == LOTS_COMPARED_MAX
    pharmacy.db.execute("DELETE FROM counter WHERE sku = 'much'")


@pytest.mark.parametrize(
    "spelt",
    [
        ("33T42", "33t42"),
        ("MP42 R", "MP42R", "mp42r"),
        ("VV03 019 C", "VV03 019C", "VV03019C", "vv03019c"),
    ],
)
def test_spellings_of_real_reports_are_found_alike(
    pharmacy: Pharmacy, spelt: tuple[str, ...]
) -> None:
    """As reports about vaccines have them; `reference.json` of `lots` counts more than two hundred such pairs."""
    for place, lot in enumerate(spelt):
        before = sorted(spelt[:place])
        assert similar(pharmacy, lot) == ([("pills", lot, before)] if before else [])
