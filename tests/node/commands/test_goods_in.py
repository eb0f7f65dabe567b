"""Goods that come in say what their lots are: the earlier last day stands, and what is not read changes nothing."""

import json
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements, orders
from node.commands.courses import Goods, Request
from node.commands.requests import Answer, Line, Movement
from node.replica import documents as held_documents
from node.replica import movements as listed
from protocol.access import DeviceRights, device_may
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.effects import FieldEffect
from protocol.ids import Location, Lot, Sku
from protocol.limits import LINES_MAX
from protocol.movements import MoveKind
from tests.node.commands.test_picking import (
    GONE_BY,
    HERE,
    LATER,
    OFFICE,
    OPERATOR,
    SOON,
    TILL,
    Pharmacy,
    pharmacy,
    refused,
    sold,
)

__all__ = ["pharmacy"]
LOTS = COLLECTIONS["lots"]


def receives(pharmacy: Pharmacy, *lots: tuple[str, str | None], key: str | None = None) -> Answer:
    """A delivery of one pill of each lot, with the last days that were read."""
    lines = tuple(
        Line(Sku("pills"), Lot(lot), delta=1, facts={} if day is None else {"expiry": day})
        for lot, day in lots
    )
    goods = Movement(MoveKind.RECEIVE, Location("S01"), lines)
    return movements.record(pharmacy.db, HERE, TILL, goods, key or pharmacy.key())


def expiry(pharmacy: Pharmacy, lot: str) -> object:
    """The last day that stands; None for a lot that nobody described."""
    held = held_documents.one(pharmacy.db, LOTS, f"pills/{lot}")
    return None if held is None else held.fields.get("expiry")


def warned(answer: Answer) -> list[tuple[str, str | None, str | None]]:
    """What is said of lots: the code, which, and the last day that stands."""
    found: list[dict[str, Any]] = json.loads(answer.body)["warnings"]
    return [(one["code"], one.get("lot"), one.get("expiry")) for one in found]


def test_a_last_day_that_is_read_at_goods_in_decides_what_is_sold_first(pharmacy: Pharmacy) -> None:
    assert warned(receives(pharmacy, ("b", LATER), ("a", None), ("c", SOON))) == []
    assert [expiry(pharmacy, lot) for lot in "abc"] == [None, LATER, SOON]
    held = held_documents.one(pharmacy.db, LOTS, "pills/c")
    assert held is not None
    names = ("created_by", "created_at", "created_at_node")
    assert [held.fields[name] for name in names] == ["till-1", HERE.now_ms, "S01"]
    assert sold(pharmacy.sells(("pills", "", -3))) == [("c", -1), ("b", -1), ("a", -1)]


def test_of_two_last_days_the_earlier_stands_and_it_is_said(pharmacy: Pharmacy) -> None:
    receives(pharmacy, ("L1", LATER))
    assert warned(receives(pharmacy, ("L1", LATER))) == []
    assert warned(receives(pharmacy, ("L1", SOON))) == [("expiry_differs", "L1", SOON)]
    assert warned(receives(pharmacy, ("L1", LATER))) == [("expiry_differs", "L1", SOON)]
    assert expiry(pharmacy, "L1") == SOON
    receives(pharmacy, ("L2", LATER), ("L2", SOON), ("L2", LATER))
    assert expiry(pharmacy, "L2") == SOON


def test_the_office_corrects_a_last_day_to_a_later_one(pharmacy: Pharmacy) -> None:
    receives(pharmacy, ("L1", GONE_BY))
    with refused("lot_not_usable"):
        pharmacy.sells(("pills", "L1", -1))
    pharmacy.changes("lots", "pills/L1", expiry=LATER)
    assert expiry(pharmacy, "L1") == LATER
    assert sold(pharmacy.sells(("pills", "L1", -1))) == [("L1", -1)]


def test_complaint_25_a_delivery_that_says_nothing_of_a_last_day_blanks_none(
    pharmacy: Pharmacy,
) -> None:
    pharmacy.says("lots", sku="pills", code="L1", expiry=LATER, note="by hand")
    receives(pharmacy, ("L1", None))
    receives(pharmacy, ("L1", LATER))
    held = held_documents.one(pharmacy.db, LOTS, "pills/L1")
    assert held is not None
    assert (held.fields["expiry"], held.fields["note"]) == (LATER, "by hand")


def test_complaint_9_goods_of_a_sku_and_lot_that_nobody_described_are_taken_in_and_sold(
    pharmacy: Pharmacy,
) -> None:
    line = Line(Sku("unheard of"), Lot("L9"), delta=5, facts={"expiry": SOON})
    goods = Movement(MoveKind.RECEIVE, Location("S01"), (line,))
    movements.record(pharmacy.db, HERE, TILL, goods, "in")
    held = held_documents.one(pharmacy.db, LOTS, "unheard of/L9")
    assert held is not None
    assert held.fields["expiry"] == SOON
    pharmacy.says("skus", id="unheard of", name="Found out", lot_tracked=True)
    assert sold(pharmacy.sells(("unheard of", "", -2))) == [("L9", -2)]


def test_a_held_lot_stays_held_when_more_of_it_comes(pharmacy: Pharmacy) -> None:
    pharmacy.says("lots", sku="pills", code="L1", status="recalled")
    receives(pharmacy, ("L1", LATER))
    assert expiry(pharmacy, "L1") == LATER
    with refused("lot_not_usable"):
        pharmacy.sells(("pills", "L1", -1))


def test_a_repeated_delivery_is_answered_the_same_whatever_was_corrected(
    pharmacy: Pharmacy,
) -> None:
    first = receives(pharmacy, ("L1", SOON), key="parcel")
    pharmacy.changes("lots", "pills/L1", expiry=LATER)
    assert receives(pharmacy, ("L1", SOON), key="parcel") == replace(first, replayed=True)
    assert expiry(pharmacy, "L1") == LATER


def test_a_delivery_taken_back_leaves_what_was_read_of_its_lots(pharmacy: Pharmacy) -> None:
    delivered = receives(pharmacy, ("L1", SOON))
    id_ = movements.OpId(bytes.fromhex(delivered.movement_id.replace("-", "")))
    movements.reverse(pharmacy.db, HERE, TILL, id_, "back")
    assert (pharmacy.in_lot("L1"), expiry(pharmacy, "L1")) == (0, SOON)


@pytest.mark.parametrize(("lots", "is_described"), [(100, True), (LINES_MAX, False)])
def test_as_many_new_lots_are_taken_in_as_a_delivery_has(
    pharmacy: Pharmacy, lots: int, is_described: bool
) -> None:
    named = [(f"L{number:04}", SOON) for number in range(lots)]
    answer = receives(pharmacy, *named)
    codes = [code for code, _, _ in warned(answer)]
    assert codes == ([] if is_described else ["lots_not_described"])
    assert pharmacy.in_lot(f"L{lots - 1:04}") == 1
    assert expiry(pharmacy, "L0000") == (SOON if is_described else None)


def test_what_a_shop_says_of_a_lot_at_goods_in_is_what_its_device_may_write(
    pharmacy: Pharmacy,
) -> None:
    answer = receives(pharmacy, ("L1", SOON))
    id_ = movements.OpId(bytes.fromhex(answer.movement_id.replace("-", "")))
    found = movements.movements.one(pharmacy.db, id_)
    assert found is not None
    edits = [one for one in found.operation.effects if isinstance(one, FieldEffect)]
    assert {one.field for one in edits} >= {"expiry"}
    assert device_may(DeviceRights(Role.STORE, ("S01",)), found.operation)
    documents.change(
        pharmacy.db, OFFICE, OPERATOR, LOTS, "pills/L1", {"expiry": LATER}, "correct it"
    )


def ordered(pharmacy: Pharmacy, parcel: str, *lots: tuple[str, str]) -> list[str]:
    """What is warned of when a purchase of pills is received, in those lots with those last days."""
    asked = {"kind": "purchase", "location": "S01", "lines": [{"sku": "pills", "quantity": 9}]}
    declared = COLLECTIONS["orders"]
    made = documents.create(pharmacy.db, HERE, OPERATOR, declared, asked, pharmacy.key()).id
    lines = tuple(Goods(Sku("pills"), 1, Lot(lot), None, {"expiry": day}) for lot, day in lots)
    for request in (Request("place"), Request("fulfil", lines, parcel=parcel)):
        body = orders.act(pharmacy.db, HERE, OPERATOR, made, request, pharmacy.key()).body
    return [one["code"] for one in json.loads(body)["warnings"]]


@pytest.mark.parametrize("parcel", ["", "SSCC-1"])
def test_a_last_day_that_is_read_of_what_was_ordered_decides_what_is_sold_first_too(
    pharmacy: Pharmacy, parcel: str
) -> None:
    assert ordered(pharmacy, parcel, ("b", LATER), ("c", SOON)) == []
    assert [expiry(pharmacy, lot) for lot in "bc"] == [LATER, SOON]
    assert sold(pharmacy.sells(("pills", "", -2))) == [("c", -1), ("b", -1)]
    assert ordered(pharmacy, parcel, ("c", LATER)) == ["expiry_differs"]
    assert expiry(pharmacy, "c") == SOON


def test_two_who_read_one_parcel_of_a_supplier_record_the_same_goods(pharmacy: Pharmacy) -> None:
    """Its lots are described by an operation beside, since that says who read them, and when."""
    ordered(pharmacy, "SSCC-1", ("c", SOON))
    (goods,), _ = listed.newest(pharmacy.db, listed.MovementQuery(kind="move.receive"))
    assert {one.collection for one in goods.operation.effects if isinstance(one, FieldEffect)} == {
        "orders"
    }
