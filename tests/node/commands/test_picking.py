"""Selling lots: first expired, first out, in the transaction that records; and what is not sold at all."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements
from node.commands.movements import Here
from node.commands.requests import Answer, Authority, Caller, Line, Movement, Refusal
from node.replica import log, stock, verify
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, OpId, Sku
from protocol.movements import MoveKind
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
NOON_MS = 1_764_072_000_000  # 2025-11-25T12:00:00Z
DAY_MS = 24 * 3_600_000
HERE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, NOON_MS)
OFFICE = replace(
    HERE, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
GONE_BY, TODAY, SOON, LATER = "2025-11-24", "2025-11-25", "2025-12-31", "2027-06-30"
Sold = list[tuple[str | None, int]]


class Pharmacy:
    """A shop with pills whose lots are tracked, and tea whose lots are not."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._keys = 0
        self.says("skus", id="pills", name="Pills", lot_tracked=True)
        self.says("skus", id="tea", name="Tea", description="not lot_tracked")

    def key(self) -> str:
        """One never used."""
        self._keys += 1
        return f"{self._keys}"

    def says(self, collection: str, **fields: object) -> None:
        """The office describes something."""
        documents.create(self.db, OFFICE, OPERATOR, COLLECTIONS[collection], fields, self.key())

    def changes(self, collection: str, id_: str, **fields: object) -> None:
        """The office changes something."""
        declared = COLLECTIONS[collection]
        documents.change(self.db, OFFICE, OPERATOR, declared, id_, fields, self.key())

    def has(self, lot: str, quantity: int, expiry: str | None = None, status: str = "ok") -> None:
        """Pills of a lot; "" for none."""
        self.records(MoveKind.RECEIVE, ("pills", lot, quantity))
        if expiry is not None or status != "ok":
            given = {} if expiry is None else {"expiry": expiry}
            self.says("lots", sku="pills", code=lot, status=status, **given)

    def records(
        self,
        kind: MoveKind,
        *lines: tuple[str, str, int],
        key: str | None = None,
        caller: Caller = TILL,
        **others: Any,
    ) -> Answer:
        """A movement of some SKU, lot and delta; of a count, what was counted."""
        quantity = "counted" if kind is MoveKind.COUNT else "delta"
        said = tuple(Line(Sku(sku), Lot(lot), **{quantity: n}) for sku, lot, n in lines)
        asked = Movement(kind, Location("S01"), said, **others)
        return movements.record(self.db, HERE, caller, asked, key or self.key())

    def sells(self, *lines: tuple[str, str, int], **others: Any) -> Answer:
        """A sale."""
        return self.records(MoveKind.SALE, *lines, **others)

    def in_lot(self, lot: str) -> int:
        """How many pills are left of it."""
        return stock.shelf(self.db, "S01", "pills", lot).in_lot


@pytest.fixture
def pharmacy() -> Iterator[Pharmacy]:
    """Open it; what it did adds up in the end."""
    db = new_replica_database()
    yield Pharmacy(db)
    assert verify.problems(db) == []
    db.close()


def shown(answer: Answer) -> Any:
    """The answer as a caller reads it."""
    return json.loads(answer.body)


def sold(answer: Answer) -> Sold:
    """The lots and deltas of its lines."""
    return [(line["lot"], line["delta"]) for line in shown(answer)["lines"]]


def warnings(answer: Answer) -> list[str]:
    """Their codes."""
    return [one["code"] for one in shown(answer)["warnings"]]


def refused(code: str) -> AbstractContextManager[pytest.ExceptionInfo[Refusal]]:
    """What must be refused."""
    return pytest.raises(Refusal, check=lambda refusal: refusal.code == code)


@pytest.mark.parametrize("kind", [MoveKind.SALE, MoveKind.DISPENSE])
def test_what_is_sold_without_a_lot_is_taken_from_those_that_expire_first(
    pharmacy: Pharmacy, kind: MoveKind
) -> None:
    pharmacy.has("later", 10, LATER)
    pharmacy.has("no day", 10)
    pharmacy.has("today", 2, TODAY)
    pharmacy.has("soon", 3, SOON)
    pharmacy.has("gone by", 50, GONE_BY)
    answer = pharmacy.records(kind, ("pills", "", -18))
    assert sold(answer) == [("today", -2), ("soon", -3), ("later", -10), ("no day", -3)]
    assert warnings(answer) == []
    line = shown(answer)["lines"][0]
    assert (line["on_hand"], line["available"]) == (57, 7), "what is gone by is there, and not sold"
    assert [pharmacy.in_lot(lot) for lot in ("today", "soon", "later", "no day")] == [0, 0, 0, 7]


def test_lines_of_one_movement_take_what_those_before_have_left(pharmacy: Pharmacy) -> None:
    pharmacy.has("soon", 3, SOON)
    pharmacy.has("later", 3, LATER)
    answer = pharmacy.sells(("pills", "", -2), ("pills", "later", -2), ("pills", "", -2))
    assert sold(answer) == [("soon", -2), ("later", -2), ("soon", -1), ("later", -1)]


def test_a_repeat_is_answered_the_same_when_other_lots_have_come(pharmacy: Pharmacy) -> None:
    pharmacy.has("later", 10, LATER)
    first = pharmacy.sells(("pills", "", -4), key="receipt 1")
    pharmacy.has("soon", 10, SOON)
    again = pharmacy.sells(("pills", "", -4), key="receipt 1")
    assert again == replace(first, replayed=True)
    assert (pharmacy.in_lot("later"), pharmacy.in_lot("soon")) == (6, 10)


def test_movements_of_a_batch_take_one_after_the_other(pharmacy: Pharmacy) -> None:
    pharmacy.has("soon", 3, SOON)
    pharmacy.has("later", 3, LATER)
    line = Line(Sku("pills"), Lot(""), delta=-2)
    sale = Movement(MoveKind.SALE, Location("S01"), (line,))
    results = movements.record_batch(pharmacy.db, HERE, TILL, [("a", sale), ("b", sale)])
    assert [sold(one) for one in results if isinstance(one, Answer)] == [
        [("soon", -2)],
        [("soon", -1), ("later", -1)],
    ]


def test_what_no_usable_lot_covers_is_sold_without_a_lot_and_said(pharmacy: Pharmacy) -> None:
    pharmacy.has("back", 50, LATER, "recalled")
    pharmacy.has("soon", 3, SOON)
    answer = pharmacy.sells(("pills", "", -5))
    assert sold(answer) == [("soon", -3), (None, -2)]
    assert warnings(answer) == ["no_usable_lot"]
    assert pharmacy.in_lot("back") == 50


def test_stock_without_a_lot_is_sold_last_and_without_a_warning(pharmacy: Pharmacy) -> None:
    pharmacy.has("", 5)
    pharmacy.has("soon", 3, SOON)
    answer = pharmacy.sells(("pills", "", -8))
    assert (sold(answer), warnings(answer)) == ([("soon", -3), (None, -5)], [])
    assert warnings(pharmacy.sells(("pills", "", -1))) == ["negative_stock", "no_usable_lot"][1:]


def test_a_location_that_refuses_to_go_below_zero_does_not_sell_held_goods_instead(
    pharmacy: Pharmacy,
) -> None:
    pharmacy.says("locations", id="S01", name="Market Street", negative_stock="warn")
    pharmacy.has("back", 50, LATER, "recalled")
    assert warnings(pharmacy.sells(("pills", "", -1))) == ["negative_stock", "no_usable_lot"]
    pharmacy.changes("locations", "S01", negative_stock="refuse")
    with refused("insufficient_stock"):
        pharmacy.sells(("pills", "", -1))
    pharmacy.has("soon", 3, SOON)
    assert sold(pharmacy.sells(("pills", "", -3))) == [("soon", -3)]


def test_a_line_of_nothing_stays_a_line(pharmacy: Pharmacy) -> None:
    pharmacy.has("soon", 3, SOON)
    assert sold(pharmacy.sells(("pills", "", 0))) == [(None, 0)]


def test_only_lots_that_are_tracked_are_picked(pharmacy: Pharmacy) -> None:
    pharmacy.records(MoveKind.RECEIVE, ("tea", "L1", 5), ("unknown", "L1", 5))
    answer = pharmacy.sells(("tea", "", -1), ("unknown", "", -1))
    assert sold(answer) == [(None, -1), (None, -1)]
    pharmacy.changes("skus", "pills", lot_tracked=False)
    pharmacy.has("soon", 3, SOON)
    assert sold(pharmacy.sells(("pills", "", -1))) == [(None, -1)]


def test_a_sale_of_what_has_no_lots_asks_nothing_about_lots(pharmacy: Pharmacy) -> None:
    pharmacy.records(MoveKind.RECEIVE, ("tea", "", 5))
    asked: list[str] = []
    pharmacy.db.set_trace_callback(asked.append)
    pharmacy.sells(("tea", "", -1))
    pharmacy.db.set_trace_callback(None)
    read = [one for one in asked if re.sub(r"--.*", "", one).split()[0] == "SELECT"]
    # The answer to the key, the shelf, the end of the log: nothing else is looked at.
    assert len(read) == 3, read
    assert "lot_tracked" in read[1]


UNUSABLE = {
    "expired": {"expiry": GONE_BY},
    "on_hold": {"status": "on_hold"},
    "quarantined": {"status": "quarantined"},
    "recalled": {"status": "recalled", "expiry": GONE_BY},
}
NAMED = pytest.mark.parametrize("why", UNUSABLE)


def with_unusable(pharmacy: Pharmacy, why: str) -> None:
    """Ten pills of a lot that may not be used."""
    pharmacy.has("bad", 10)
    pharmacy.says("lots", sku="pills", code="bad", **UNUSABLE[why])


@NAMED
@pytest.mark.parametrize("kind", [MoveKind.SALE, MoveKind.DISPENSE])
def test_a_lot_that_may_not_be_used_is_not_sold(
    pharmacy: Pharmacy, kind: MoveKind, why: str
) -> None:
    with_unusable(pharmacy, why)
    before = list(pharmacy.db.iterdump())
    with refused("lot_not_usable") as refusal:
        pharmacy.records(kind, ("tea", "", -1), ("pills", "bad", -1), ("pills", "other", -1))
    (error,) = refusal.value.errors
    assert (error["loc"], error["type"]) == (["lines", 1, "lot"], why)
    assert list(pharmacy.db.iterdump()) == before


@NAMED
def test_whatever_else_happens_to_such_a_lot_is_recorded(pharmacy: Pharmacy, why: str) -> None:
    with_unusable(pharmacy, why)
    for kind in (MoveKind.WASTE, MoveKind.SUPPLIER_RETURN, MoveKind.ADJUST):
        pharmacy.records(kind, ("pills", "bad", -1), reason="not to be sold")
    for kind in (MoveKind.OPENING, MoveKind.RECEIVE, MoveKind.CUSTOMER_RETURN):
        pharmacy.records(kind, ("pills", "bad", 1))
    counted = pharmacy.records(MoveKind.COUNT, ("pills", "bad", 7))
    id_ = OpId(bytes.fromhex(shown(counted)["id"].replace("-", "")))
    movements.reverse(pharmacy.db, HERE, TILL, id_, "reverse")
    assert pharmacy.in_lot("bad") == 10


@NAMED
def test_the_operator_may_sell_it_for_a_reason_that_is_kept(pharmacy: Pharmacy, why: str) -> None:
    with_unusable(pharmacy, why)
    asked: dict[str, Any] = {"override_lot": True, "reason": "the manufacturer took it back"}
    seq = log.head(pharmacy.db).seq
    with refused("forbidden"):
        pharmacy.sells(("pills", "bad", -1), **asked)
    assert log.head(pharmacy.db).seq == seq
    answer = pharmacy.sells(("pills", "bad", -1), ("pills", "other", -1), caller=OPERATOR, **asked)
    lines = shown(answer)["lines"]
    assert [line.get("lot_override") for line in lines] == [why, None]
    assert shown(answer)["reason"] == asked["reason"]


def test_an_override_is_another_request_than_a_sale_without(pharmacy: Pharmacy) -> None:
    asked: dict[str, Any] = {"caller": OPERATOR, "key": "k", "reason": "r"}
    pharmacy.sells(("pills", "good", -1), **asked)
    with refused("idempotency_key_reused"):
        pharmacy.sells(("pills", "good", -1), override_lot=True, **asked)


def test_what_was_sold_while_it_was_good_may_be_told_later(pharmacy: Pharmacy) -> None:
    pharmacy.has("L1", 10, GONE_BY)
    assert sold(pharmacy.sells(("pills", "L1", -1), occurred_at_ms=NOON_MS - DAY_MS)) == [
        ("L1", -1)
    ]
    assert sold(pharmacy.sells(("pills", "", -1), occurred_at_ms=NOON_MS - DAY_MS)) == [("L1", -1)]
    with refused("lot_not_usable"):
        pharmacy.sells(("pills", "L1", -1))


def test_a_clock_that_is_ahead_does_not_make_lots_expire(pharmacy: Pharmacy) -> None:
    pharmacy.has("L1", 10, TODAY)
    assert sold(pharmacy.sells(("pills", "", -1), occurred_at_ms=NOON_MS + DAY_MS)) == [("L1", -1)]


def test_a_recall_counts_for_what_was_sold_before_it_and_is_told_after(pharmacy: Pharmacy) -> None:
    pharmacy.has("L1", 10, LATER, "recalled")
    with refused("lot_not_usable"):
        pharmacy.sells(("pills", "L1", -1), occurred_at_ms=NOON_MS - DAY_MS)


def test_goods_received_into_a_held_lot_are_not_available(pharmacy: Pharmacy) -> None:
    pharmacy.says("lots", sku="pills", code="bad", status="quarantined")
    (line,) = shown(pharmacy.records(MoveKind.RECEIVE, ("pills", "bad", 10)))["lines"]
    assert (line["on_hand"], line["available"]) == (10, 0)
