"""Stocktakes at several nodes of one shop and the office: who is who, whose clock counts, what a count is frozen against."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements, stocktakes, variance
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.commands.stocktakes import Wish
from node.replica import log, verify
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.operation import decode
from protocol.workflows.progress import LineKey
from protocol.workflows.stocktakes import Verb
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.commands.on_shelves import shown
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
SHOP = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
OFFICE = replace(
    SHOP, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
TEA = LineKey(Sku("TEA"), Lot(""))


class Shelves:
    """Shop S01 and the office, which share one database: 100 of TEA are shown, and a stocktake is open."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._keys = 0
        self.moves(MoveKind.OPENING, 100)
        stocktakes_ = COLLECTIONS["stocktakes"]
        self.id = documents.create(db, SHOP, OPERATOR, stocktakes_, {"location": "S01"}, "s").id

    def moves(self, kind: MoveKind, delta: int) -> None:
        """Goods come or go with no document."""
        self._keys += 1
        move = Movement(kind, Location("S01"), (Line(TEA.sku, TEA.planned, delta),))
        movements.record(self.db, SHOP, TILL, move, f"move {self._keys}")

    def does(
        self, verb: str, counted: int = 0, *, here: Here = SHOP, caller: Caller = OPERATOR
    ) -> dict[str, Any]:
        """What is answered."""
        self._keys += 1
        wish = Wish(Verb(verb), TEA, counted, "RECOUNTED")
        key = f"act {self._keys}"
        written = stocktakes.act(self.db, here, caller, self.id, wish, key)
        found: dict[str, Any] = json.loads(written.body)
        return found

    def line(self) -> Any:
        """The only line, as an operator is shown it."""
        report: dict[str, Any] = variance.report(self.db, OPERATOR, self.id)
        (line,) = report["lines"]
        return line

    @property
    def on_hand(self) -> int:
        """What is shown."""
        return shown(self.db, "TEA", "S01")[0]


@pytest.fixture
def shelves() -> Iterator[Shelves]:
    """See `Shelves`."""
    database = new_replica_database()
    yield Shelves(database)
    assert verify.problems(database) == []
    database.close()


def test_the_offices_operator_stands_for_what_the_shops_operator_counted(shelves: Shelves) -> None:
    """Every node has its own `operator`: one name, and two people."""
    shelves.does("count", 95)
    shelves.does("submit")
    with pytest.raises(Refusal, match="counted"):
        shelves.does("verify")
    shelves.does("verify", here=OFFICE)
    line = shelves.line()
    assert (line["counted_by"], line["verified_by"]) == ("operator@S01", "operator@office")


def test_complaint_27_a_clock_that_is_wrong_decides_nothing_of_a_count(shelves: Shelves) -> None:
    """The later count of a round stands, though the clock of whoever took it was put back a year."""
    shelves.does("count", 95)
    slow = replace(SHOP, now_ms=SHOP.now_ms - 365 * 86_400_000)
    shelves.does("count", 93, here=slow)
    shelves.does("submit", here=slow)
    assert shelves.line()["counted"] == 93
    shelves.does("finalise", here=slow)
    assert shelves.on_hand == 93


def test_complaint_1_a_correction_is_a_movement_and_stock_the_sum_of_them(shelves: Shelves) -> None:
    """Nobody sets a quantity: what a count changes is the difference that it found."""
    shelves.does("count", 95)
    before = log.head(shelves.db).seq
    assert shelves.on_hand == 100
    shelves.does("submit")
    shelves.does("finalise")
    recorded = range(before + 1, log.head(shelves.db).seq + 1)
    bodies = [log.body_at(shelves.db, seq) for seq in recorded]  # type: ignore[arg-type]
    kinds = [decode(body).kind for body in bodies if body is not None]
    assert kinds == ["edit", "edit", "move.count"]
    assert shelves.on_hand == 95


def test_goods_that_come_in_after_the_scan_are_not_corrected_away(shelves: Shelves) -> None:
    shelves.does("count", 98, caller=TILL)
    shelves.moves(MoveKind.RECEIVE, 40)
    shelves.moves(MoveKind.SALE, -15)
    shelves.does("submit")
    shelves.does("finalise")
    assert shelves.on_hand == 123
    assert (shelves.line()["expected"], shelves.line()["difference"]) == (100, -2)


def test_what_is_counted_as_shown_corrects_nothing_and_needs_no_reason(shelves: Shelves) -> None:
    shelves.does("count", 100)
    shelves.does("submit")
    before = log.head(shelves.db).seq
    wish = Wish(Verb.FINALISE)
    stocktakes.act(shelves.db, SHOP, OPERATOR, shelves.id, wish, "end")
    assert log.head(shelves.db).seq == before + 1, "the decision alone"
    assert shelves.on_hand == 100


def later(minutes: int) -> Here:
    """The shop so many minutes later."""
    return replace(SHOP, now_ms=SHOP.now_ms + minutes * 60_000)


def test_what_another_count_has_corrected_since_is_counted_again_and_not_corrected_twice(
    shelves: Shelves,
) -> None:
    """A sheet that was forgotten in review, and a new one that found the same five missing."""
    forgotten = shelves.id
    shelves.does("count", 95, here=later(1))
    shelves.does("submit")
    asked = {"location": "S01"}
    declared = COLLECTIONS["stocktakes"]
    shelves.id = documents.create(shelves.db, SHOP, OPERATOR, declared, asked, "new").id
    shelves.does("count", 95, here=later(2))
    shelves.does("submit")
    shelves.does("finalise", here=later(3))
    assert shelves.on_hand == 95
    shelves.id = forgotten
    with pytest.raises(Refusal, match="another count") as refused:
        shelves.does("finalise", here=later(4))
    assert (refused.value.code, refused.value.fault) == ("conflict", "corrected_since")
    shelves.does("recount")
    shelves.does("count", 94, here=later(5))
    shelves.does("finalise", here=later(6))
    assert shelves.on_hand == 94


def test_a_count_of_another_lot_or_before_the_scan_is_in_nobodys_way(shelves: Shelves) -> None:
    for minutes, lot in ((1, ""), (3, "L7")):
        line = Line(TEA.sku, Lot(lot), counted=97)
        move = Movement(MoveKind.COUNT, Location("S01"), (line,))
        movements.record(shelves.db, later(minutes), TILL, move, f"count {minutes}")
        if minutes == 1:
            shelves.does("count", 95, here=later(2))
    shelves.does("submit")
    shelves.does("finalise", here=later(4))
    assert shelves.on_hand == 95 + 97


def test_a_refused_act_leaves_nothing_behind(shelves: Shelves) -> None:
    shelves.does("count", 95)
    before = list(shelves.db.iterdump())
    for verb in ("verify", "finalise", "start"):
        with pytest.raises(Refusal):
            shelves.does(verb)
    with pytest.raises(Refusal, match="forbidden"):
        shelves.does("cancel", caller=TILL)
    assert list(shelves.db.iterdump()) == before
