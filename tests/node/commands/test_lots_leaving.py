"""Lots of orders and transfers: what leaves a shelf for a document is picked and refused as what is sold without one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, orders, transfers
from node.commands.courses import Goods, Request
from node.commands.movements import Here
from node.commands.requests import Caller
from node.replica import lots, movements, stock
from node.replica.movements import MovementQuery
from protocol.declarations import COLLECTIONS
from protocol.declarations.reading import shown_values
from protocol.effects import Account, CounterEffect
from protocol.ids import Lot, Sku
from tests.node.chain import certificate_of
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

PILLS, RESERVED = Sku("pills"), Account.RESERVED
THERE = replace(HERE, certificate=certificate_of(writes=("S02",))._replace(name="S02"))


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
        self,
        verb: str,
        *goods: tuple[str, int],
        caller: Caller = OPERATOR,
        here: Here = HERE,
        **others: Any,
    ) -> Any:
        """What is answered; without goods, for all that is left."""
        lines = tuple(Goods(Sku("pills"), quantity, Lot(lot)) for lot, quantity in goods)
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


# --- a transfer's two ends ---------------------------------------------------------------------------------------


class Parcel(Paper):
    """A transfer of ten pills to S02; 6 expire soon, 6 later, 50 have expired."""

    def arrives(self, verb: str, *goods: tuple[str, int], **others: Any) -> Any:
        """The same at the shop that it goes to."""
        return self.does(verb, *goods, here=THERE, **others)

    def on_hand(self) -> dict[str, int]:
        """What the receiver has, by lot."""
        return {lot: n for lot, n in lots.on_hand(self.pharmacy.db, "S02", "pills").items() if n}

    def line(self) -> dict[str, int]:
        """What is shown of its one line."""
        held = documents.documents.one(self.pharmacy.db, COLLECTIONS["transfers"], self.id)
        assert held is not None
        values = shown_values(COLLECTIONS["transfers"], held.fields, None)
        ((line,), self.differences) = values["progress"], values["differences"]  # type: ignore[misc]
        return dict(line)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def parcel(pharmacy: Pharmacy) -> Iterator[Parcel]:
    """One that nobody has shipped. In the end its lines sum to zero."""
    pharmacy.has("soon", 6, SOON)
    pharmacy.has("later", 6, LATER)
    pharmacy.has("bad", 50, GONE_BY)
    made = Parcel(pharmacy, "transfers", source="S01", destination="S02")
    yield made
    query = MovementQuery(reference=made.id)
    effects = [e for one in movements.newest(pharmacy.db, query)[0] for e in one.operation.effects]
    goods = [e.delta for e in effects if isinstance(e, CounterEffect) and e.account != RESERVED]
    assert sum(goods) == 0


def test_what_is_shipped_without_a_lot_is_taken_from_lots_that_expire_first(
    parcel: Parcel,
) -> None:
    shipped = parcel.does("ship", caller=TILL)
    assert sorted(parcel.went()[0]) == [("later", -4), ("soon", -6)]
    assert sorted((one["lot"], one["quantity"]) for one in shipped["incoming"]) == [
        ("later", 4),
        ("soon", 6),
    ]
    assert [one["code"] for one in shipped["warnings"]] == []
    assert parcel.line()["shipped"] == 10
    with refused("conflict"):
        parcel.does("ship")


def test_a_receipt_by_lot_is_neither_short_nor_over(parcel: Parcel) -> None:
    parcel.does("ship")
    parcel.arrives("receive", ("soon", 6), ("later", 4), caller=TILL)
    line = parcel.line()
    assert (line["received"], line["short"], line["over"], parcel.differences) == (10, 0, 0, [])
    assert parcel.on_hand() == {"soon": 6, "later": 4}


def test_what_arrives_without_a_lot_is_of_those_on_their_way(parcel: Parcel) -> None:
    parcel.does("ship")
    parcel.arrives("receive", ("", 5), damaged=(Goods(PILLS, 1),))
    assert parcel.on_hand() == {"later": 3, "soon": 2}, "the damaged one is of the lot named first"
    again = parcel.arrives("receive")
    assert (again["stage"], again["incoming"]) == ("received", [])
    assert parcel.on_hand() == {"later": 3, "soon": 6}
    line = parcel.line()
    assert (line["received"], line["damaged"], line["over"]) == (9, 1, 0)


def test_what_arrives_before_its_news_and_without_a_lot_is_neither_short_nor_over(
    parcel: Parcel,
) -> None:
    early = parcel.arrives("receive", ("", 10))
    assert {one["matter"] for one in early["differences"]} == {"unannounced"}
    shipped = parcel.does("ship")
    assert shipped["stage"] == "received"
    line = parcel.line()
    assert (line["short"], line["over"], parcel.differences) == (0, 0, [])
    with refused("conflict"):
        parcel.arrives("receive")  # nothing is left of it, though its lots are others
    closed = parcel.arrives("close")
    assert (closed["stage"], closed["incoming"], closed["differences"]) == ("closed", [], [])
    assert parcel.line()["short"] == 0


def test_two_clerks_who_scan_one_parcel_without_lots_count_it_once(parcel: Parcel) -> None:
    parcel.does("ship", ("", 10), parcel="P-1", caller=TILL)
    again = parcel.does("ship", ("", 10), parcel="P-1")
    assert [one["code"] for one in again["warnings"]] == ["already_scanned"]
    assert parcel.went() == [[("", -10)]]
    parcel.arrives("receive", ("soon", 6), ("later", 4), parcel="P-1", caller=TILL)
    twice = parcel.arrives("receive", ("soon", 6), ("later", 4), parcel="P-1")
    assert [one["code"] for one in twice["warnings"]] == ["already_scanned"] * 2
    assert twice["stage"] == "received"
    line = parcel.line()
    assert (line["received"], line["short"], line["over"], parcel.differences) == (10, 0, 0, [])
    assert parcel.on_hand() == {"soon": 6, "later": 4}


def test_what_is_turned_back_without_a_lot_is_of_those_on_their_way(parcel: Parcel) -> None:
    parcel.does("ship")
    parcel.arrives("turn_back", ("", 10))
    parcel.does("receive_back", ("", 9), damaged=(Goods(PILLS, 1),))
    assert (parcel.pharmacy.in_lot("soon"), parcel.pharmacy.in_lot("later")) == (6, 5)
    with refused("validation_failed"):
        parcel.arrives("turn_back", ("", 1))


def test_what_no_usable_lot_covers_is_shipped_without_one_and_said(parcel: Parcel) -> None:
    shipped = parcel.does("ship", ("", 13))
    assert [one["code"] for one in shipped["warnings"]] == ["no_usable_lot"]
    assert sorted(parcel.went()[0]) == [("", -1), ("later", -6), ("soon", -6)]
    assert parcel.pharmacy.in_lot("bad") == 50
    parcel.does("reverse", event=str(shipped["events"][0]["event"]))
    parcel.pharmacy.says("locations", id="S01", name="Market Street", negative_stock="refuse")
    with refused("insufficient_stock"):
        parcel.does("ship", ("", 13))


def test_goods_that_name_a_lot_are_taken_before_those_that_leave_it_open(parcel: Parcel) -> None:
    parcel.does("ship", ("", 6), ("soon", 4))
    assert sorted(parcel.went()[0]) == [("later", -4), ("soon", -6)]
