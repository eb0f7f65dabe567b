"""Orders at one node: what each act records of stock and promises, who may do it, and who is asked to answer."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements, orders
from node.commands.courses import Goods, Request
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.replica import log, verify
from node.replica import movements as listed
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.workflows.progress import LineKey
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.commands.on_shelves import shown
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
SHOP = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
OTHER = replace(SHOP, certificate=certificate_of(writes=("S02",))._replace(name="S02"))
OFFICE = replace(
    SHOP, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
TEA = Sku("tea")


class Desk:
    """Shop S01, its neighbour and the office, which share one database; one order of 10 tea at S01."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.id = ""
        self._keys = 0
        move = Movement(MoveKind.OPENING, Location("S01"), (Line(TEA, Lot(""), 30),))
        movements.record(db, SHOP, TILL, move, "opening")

    def drafts(self, kind: str, **fields: object) -> None:
        """The order that is spoken of from now on."""
        lines = [{"sku": "tea", "quantity": 10}]
        asked = {"kind": kind, "location": "S01", "lines": lines, **fields}
        self.id = documents.create(
            self.db, SHOP, OPERATOR, COLLECTIONS["orders"], asked, f"draft {kind}"
        ).id

    def does(self, verb: str, *lines: Goods, **others: Any) -> dict[str, Any]:
        """What is answered; without lines, for all that is left."""
        found: dict[str, Any] = json.loads(self.written(verb, *lines, **others).body)
        return found

    def written(
        self,
        verb: str,
        *lines: Goods,
        here: Here = SHOP,
        caller: Caller = OPERATOR,
        key: str = "",
        **others: Any,
    ) -> Written:
        """The same as bytes."""
        self._keys += 1
        request = Request(verb, lines or None, **others)
        return orders.act(self.db, here, caller, self.id, request, key or f"key {self._keys}")

    def stands(self, verb: str, *lines: Goods, **others: Any) -> tuple[str, str]:
        """The stage and the status afterwards."""
        answer = self.does(verb, *lines, **others)
        return answer["stage"], answer["status"]

    def stock(self) -> tuple[int, int]:
        """On hand and reserved at S01."""
        return shown(self.db, "tea", "S01")[:2]

    @property
    def recorded(self) -> int:
        """How many operations there are."""
        return log.head(self.db).seq


@pytest.fixture
def desk() -> Iterator[Desk]:
    """30 tea are on S01's shelf."""
    database = new_replica_database()
    yield Desk(database)
    assert verify.problems(database) == []
    database.close()


def refused(code: str, fault: str | None = None, detail: str = "") -> Any:
    """The refusal that is expected."""
    return pytest.raises(
        Refusal, match=f"{code}: .*{detail}", check=lambda told: told.fault == fault
    )


def test_a_customers_order_promises_until_the_goods_have_gone_out(desk: Desk) -> None:
    desk.drafts("customer")
    assert desk.stands("place") == ("placed", "pending")
    assert desk.stock() == (30, 10)
    assert desk.stands("fulfil", Goods(TEA, 4), caller=TILL) == ("partly_received", "pending")
    assert desk.stock() == (26, 6)
    fulfilled = desk.does("fulfil", caller=TILL)
    assert (fulfilled["status"], fulfilled["fulfilled_at"]) == (
        "fulfilled",
        "2023-11-14T22:13:20.000Z",
    )
    assert desk.stock() == (20, 0)


def test_a_part_that_is_dispensed_leaves_an_owing(desk: Desk) -> None:
    desk.drafts("customer")
    desk.does("place")
    assert desk.stands("dispense", Goods(TEA, 7), caller=TILL) == ("partly_received", "pending")
    assert desk.stock() == (23, 3)
    newest, _ = listed.newest(desk.db, listed.MovementQuery(reference=desk.id))
    assert [one.operation.kind for one in newest] == [
        "move.release",
        "move.dispense",
        "move.reserve",
    ]
    assert desk.stands("close") == ("closed", "fulfilled")
    assert desk.stock() == (23, 0)


def test_a_cancelled_order_promises_nothing_and_what_went_out_stays_out(desk: Desk) -> None:
    desk.drafts("customer")
    desk.does("place")
    assert desk.stands("cancel") == ("canceled", "canceled")
    assert desk.stock() == (30, 0)
    with refused("conflict", "wrong_stage"):
        desk.does("fulfil", Goods(TEA, 1))


def test_a_line_that_is_changed_changes_the_promise(desk: Desk) -> None:
    desk.drafts("customer")
    desk.does("place")
    desk.does("amend", plan=((LineKey(TEA, Lot("")), 3), (LineKey(Sku("rice"), Lot("")), 2)))
    assert desk.stock() == (30, 3)
    assert shown(desk.db, "rice", "S01")[1] == 2
    with refused("conflict", "unknown_line"):
        desk.does("fulfil", Goods(Sku("salt"), 1))


def test_goods_of_a_supplier_are_received_with_what_they_cost(desk: Desk) -> None:
    desk.drafts("purchase")
    assert desk.stands("submit") == ("approval", "pending")
    with refused("forbidden", "wrong_party"):
        desk.does("approve")
    assert desk.stands("approve", here=OFFICE) == ("approved", "pending")
    desk.does("place")
    cost = {"unit_cost": {"amount": 255, "currency": "GBP"}, "expiry": "2027-06-30"}
    desk.does("fulfil", Goods(TEA, 12, Lot("L1"), None, cost), caller=TILL)
    assert desk.stock() == (42, 0)
    (receipt,), _ = listed.newest(desk.db, listed.MovementQuery(kind="move.receive"))
    (line,) = movements.answering.movement_json(receipt)["lines"]  # type: ignore[misc]
    assert line == {"sku": "tea", "lot": "L1", "delta": 12, **cost}


def test_an_order_that_was_rejected_is_canceled_outside(desk: Desk) -> None:
    desk.drafts("internal", from_location="S02")
    desk.does("submit")
    with refused("forbidden", "wrong_party"):
        desk.does("reject")
    assert desk.stands("reject", here=OTHER) == ("rejected", "canceled")


def test_an_internal_order_moves_no_goods_and_counts_a_transfer_once(desk: Desk) -> None:
    desk.drafts("internal", from_location="S02")
    desk.does("submit")
    desk.does("approve", here=OTHER)
    desk.does("place", here=OTHER)
    transfer = "0f0e0d0c-0b0a-0908-0706-050403020100"
    desk.does("fulfil", Goods(TEA, 6), event=transfer, here=OTHER)
    assert desk.stands("fulfil", Goods(TEA, 6), event=transfer) == ("partly_received", "pending")
    assert desk.stands("fulfil", Goods(TEA, 4)) == ("received", "fulfilled")
    assert desk.stock() == (30, 0)
    desk.drafts("purchase")
    desk.does("place")
    with refused("conflict", None, "by a transfer"):
        desk.does("fulfil", Goods(TEA, 6), event=transfer)


def test_an_event_typed_wrongly_is_taken_back_and_promised_again(desk: Desk) -> None:
    desk.drafts("customer")
    desk.does("place")
    desk.does("fulfil", Goods(TEA, 10))
    sale = listed.newest(desk.db, listed.MovementQuery(kind="move.sale"))[0][0].operation.op_id
    assert desk.stands("reverse", event=sale.hex(), caller=TILL) == ("placed", "pending")
    assert desk.stock() == (30, 10)


def test_a_parcel_of_a_supplier_counts_once(desk: Desk) -> None:
    desk.drafts("purchase")
    desk.does("place")
    desk.does("fulfil", Goods(TEA, 10), parcel="P-7", caller=TILL)
    before = desk.recorded
    again = desk.does("fulfil", Goods(TEA, 10), parcel="P-7", caller=OPERATOR)
    assert [one["code"] for one in again["warnings"]] == ["already_scanned"]
    assert (desk.recorded, desk.stock()) == (before, (40, 0))


def test_who_is_asked_is_said_with_the_act_and_whoever_answers_is_not_asked_again(
    desk: Desk,
) -> None:
    desk.drafts("purchase")
    before = desk.recorded
    desk.does("place", until_ms=1_700_086_400_000)
    assert desk.recorded == before + 1
    desk.does("acknowledge")
    held = documents.documents.one(desk.db, COLLECTIONS["orders"], desk.id)
    assert held is not None
    assert held.fields["asked/supplier"] == {"until": 1_700_086_400_000}
    assert held.fields["acknowledged/supplier"] == {"by": "operator", "at": SHOP.now_ms}
    with refused("forbidden", None, "a till"):
        desk.does("acknowledge", caller=TILL)


def test_a_repeated_key_answers_the_same_bytes_and_records_nothing(desk: Desk) -> None:
    desk.drafts("customer")
    first = desk.written("place", key="once")
    desk.does("fulfil")
    before = desk.recorded
    assert desk.written("place", key="once") == replace(first, replayed=True)
    assert desk.recorded == before
    with refused("idempotency_key_reused"):
        desk.written("place", key="once", until_ms=1)


def test_what_the_stage_or_the_party_does_not_allow_is_recorded_nowhere(desk: Desk) -> None:
    desk.drafts("customer")
    before = desk.recorded
    for verb in ("approve", "submit", "reject", "fulfil", "dispense", "close"):
        with refused("conflict", "wrong_stage"):
            desk.does(verb, Goods(TEA, 1))
    for verb in ("place", "cancel"):
        with refused("forbidden", "wrong_party"):
            desk.does(verb, here=OTHER)
        with refused("forbidden", None, "a till"):
            desk.does(verb, caller=TILL)
    assert desk.recorded == before
