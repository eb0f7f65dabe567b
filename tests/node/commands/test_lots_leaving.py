"""Lots of orders and transfers: what leaves a shelf for a document is picked and refused as what is sold without one."""

import json
from typing import Any

import pytest

from node.commands import documents, orders, transfers
from node.commands.courses import Goods, Request
from node.commands.movements import Here
from node.commands.requests import Caller
from node.replica import movements, stock
from node.replica.movements import MovementQuery
from protocol.declarations import COLLECTIONS
from protocol.ids import Lot, Sku
from tests.node.commands.test_picking import (
    GONE_BY,
    HERE,
    LATER,
    OPERATOR,
    SOON,
    TILL,
    Pharmacy,
    pharmacy,
    refused,
)

__all__ = ["pharmacy"]


class Paper:
    """An order or a transfer of the pharmacy's pills, in no lot unless told."""

    def __init__(self, pharmacy: Pharmacy, collection: str, **fields: object) -> None:
        self.pharmacy = pharmacy
        self._act = {"orders": orders.act, "transfers": transfers.act}[collection]
        lines = [{"sku": "pills", "quantity": 10}]
        asked = {"lines": lines, **fields}
        declared = COLLECTIONS[collection]
        written = documents.create(pharmacy.db, HERE, OPERATOR, declared, asked, pharmacy.key())
        self.id = written.id

    def does(
        self, verb: str, *goods: tuple[str, int], caller: Caller = OPERATOR, **others: Any
    ) -> Any:
        """What is answered; without goods, for all that is left."""
        lines = tuple(Goods(Sku("pills"), quantity, Lot(lot)) for lot, quantity in goods)
        here: Here = HERE
        request = Request(verb, lines or None, **others)
        key = self.pharmacy.key()
        return json.loads(self._act(self.pharmacy.db, here, caller, self.id, request, key).body)

    def went(self) -> list[list[tuple[str, int]]]:
        """The lots and deltas on hand of each movement of it, newest first."""
        query = MovementQuery(reference=self.id)
        found, _ = movements.newest(self.pharmacy.db, query)
        effects = [[e for e in one.operation.effects if hasattr(e, "account")] for one in found]
        moved = [[(e.lot, e.delta) for e in each if e.account == 0] for each in effects]
        return [each for each in moved if each]

    @property
    def reserved(self) -> int:
        """What is promised of pills."""
        return stock.totals(self.pharmacy.db, "S01", "pills", HERE.now_ms).reserved


@pytest.fixture
def order(pharmacy: Pharmacy) -> Paper:
    """A customer's order of ten pills, placed; 6 expire soon, 6 later, 50 have expired."""
    pharmacy.has("soon", 6, SOON)
    pharmacy.has("later", 6, LATER)
    pharmacy.has("bad", 50, GONE_BY)
    made = Paper(pharmacy, "orders", kind="customer", location="S01")
    made.does("place")
    return made


@pytest.fixture
def transfer(pharmacy: Pharmacy) -> Paper:
    """A transfer of ten pills to another shop; all there are have expired."""
    pharmacy.has("bad", 50, GONE_BY)
    return Paper(pharmacy, "transfers", source="S01", destination="S02")


@pytest.mark.parametrize("verb", ["fulfil", "dispense"])
def test_what_a_customer_ordered_is_taken_from_lots_that_expire_first(
    order: Paper, verb: str
) -> None:
    assert order.reserved == 10
    order.does(verb, ("", 4), caller=TILL)
    assert order.went() == [[("soon", -4)]]
    assert order.reserved == 6
    order.does(verb, caller=TILL)
    assert sorted(order.went()[0]) == [("later", -4), ("soon", -2)]
    assert order.reserved == 0


def test_a_lot_that_was_named_is_the_one_that_is_taken(order: Paper) -> None:
    order.does("dispense", ("later", 3), ("", 7))
    assert sorted(order.went()[0]) == [("later", -4), ("soon", -6)]
    assert order.reserved == 0


def test_a_parcel_without_lots_counts_once_though_lots_have_come_and_gone(order: Paper) -> None:
    order.does("fulfil", ("", 4), parcel="P1")
    order.pharmacy.has("sooner", 6, SOON)
    again = order.does("fulfil", ("", 4), parcel="P1")
    assert [one["code"] for one in again["warnings"]] == ["already_scanned"]
    assert order.went() == [[("", -4)]]
    assert order.reserved == 6


@pytest.mark.parametrize("verb", ["fulfil", "dispense"])
def test_an_expired_lot_is_not_given_to_a_customer(order: Paper, verb: str) -> None:
    before = list(order.pharmacy.db.iterdump())
    with refused("lot_not_usable") as refusal:
        order.does(verb, ("soon", 1), ("bad", 1))
    (error,) = refusal.value.errors
    assert (error["loc"], error["type"]) == (["pills", "bad"], "expired")
    assert list(order.pharmacy.db.iterdump()) == before
    with refused("forbidden"):
        order.does(verb, ("bad", 1), caller=TILL, override="the label is wrong")
    order.does(verb, ("bad", 1), override="the label is wrong")
    found, _ = movements.newest(order.pharmacy.db, MovementQuery(reference=order.id))
    details = next(one.operation.details for one in found if "reason" in one.operation.details)
    assert details["reason"] == "the label is wrong"
    assert details["lines"] == {"0": {"lot_override": "expired"}}


def test_an_expired_lot_is_not_shipped_but_for_a_reason(transfer: Paper) -> None:
    with refused("lot_not_usable"):
        transfer.does("ship", ("bad", 10))
    assert transfer.went() == []
    transfer.does("ship", ("bad", 10), override="back to the wholesaler")
    assert transfer.went() == [[("bad", -10)]]


def test_what_was_shipped_before_its_lot_was_recalled_is_taken_back_all_the_same(
    pharmacy: Pharmacy,
) -> None:
    pharmacy.has("L1", 50, LATER)
    sent = Paper(pharmacy, "transfers", source="S01", destination="S01-back")
    sent.does("ship", ("L1", 10))
    pharmacy.changes("lots", "pills/L1", status="recalled")
    listed, _ = movements.newest(pharmacy.db, MovementQuery(reference=sent.id))
    sent.does("reverse", event=listed[0].operation.op_id.hex())
    assert pharmacy.in_lot("L1") == 50
