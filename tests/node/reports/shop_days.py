"""A shop with tills in a time zone of its own, and what they do on its days."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from node.commands import documents, movements, orders
from node.commands.courses import Goods, Request
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.replica import log, verify
from node.reports.frame import Moment, Report, Row, Span
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, OpId, Sku
from protocol.movements import MoveKind
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

OPERATOR = Caller("operator", Authority.OPERATOR)
SHOP = Location("S01")


def ms(text: str) -> int:
    """An instant, written with its offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


class ShopDays:
    """One shop, whose clock stands at noon of 22 November 2026 unless it is set."""

    def __init__(self, time_zone: str | None = "Europe/Berlin") -> None:
        self.db = new_replica_database()
        self.here = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 0)
        self.at("2026-11-22T12:00:00+01:00")
        self._keys = 0
        if time_zone is not None:
            self.says("locations", id="S01", name="Main street", time_zone=time_zone)

    def close(self) -> None:
        """End it; what it did adds up."""
        assert verify.problems(self.db) == []
        self.db.close()

    def at(self, text: str) -> None:
        """Set the clock."""
        self.here = replace(self.here, now_ms=ms(text))

    @property
    def moment(self) -> Moment:
        """Of whoever asks now."""
        return Moment(self.here.now_ms, self.here.certificate, is_operator=True)

    def key(self) -> str:
        """One never used."""
        self._keys += 1
        return f"k{self._keys}"

    def says(self, collection: str, **fields: object) -> None:
        """The office describes something."""
        office = replace(self.here, certificate=certificate_of(writes=(), role=Role.OFFICE))
        documents.create(self.db, office, OPERATOR, COLLECTIONS[collection], fields, self.key())

    def does(
        self, till: str, kind: MoveKind, *lines: tuple[str, int], lot: str = "", **others: Any
    ) -> OpId:
        """A movement of some SKUs at a till, which happens now unless it is said when; its id."""
        amount = "counted" if kind is MoveKind.COUNT else "delta"
        asked = tuple(Line(Sku(sku), Lot(lot), **{amount: n}) for sku, n in lines)
        movement = Movement(kind, SHOP, asked, **{"reason": "why", **others})
        caller = Caller(till, Authority.TILL)
        answer = movements.record(self.db, self.here, caller, movement, self.key())
        return OpId(bytes.fromhex(answer.movement_id.replace("-", "")))

    def sells(
        self, till: str, reference: str | None, *lines: tuple[str, int], **others: Any
    ) -> OpId:
        """A sale of so many."""
        sold = [(sku, -quantity) for sku, quantity in lines or [("tea", 1)]]
        return self.does(till, MoveKind.SALE, *sold, reference=reference, **others)

    def reverses(self, till: str, id_: OpId) -> OpId:
        """Take a movement back."""
        caller = Caller(till, Authority.TILL)
        answer = movements.reverse(self.db, self.here, caller, id_, self.key())
        return OpId(bytes.fromhex(json.loads(answer.body)["id"].replace("-", "")))

    def hands_out(self, sku: str, quantity: int, lot: str = "") -> tuple[str, str]:
        """Dispense for a customer's order; the order, and the name of the event, which is the movement's id."""
        lines = [{"sku": sku, "quantity": quantity}]
        asked = {"kind": "customer", "location": "S01", "lines": lines}
        declared = COLLECTIONS["orders"]
        order = documents.create(self.db, self.here, OPERATOR, declared, asked, self.key()).id
        self._acts(order, Request("place"))
        shown = self._acts(order, Request("dispense", lines=(Goods(Sku(sku), quantity, Lot(lot)),)))
        return order, str(shown["events"][0]["event"])

    def takes_back(self, order: str, event: str) -> None:
        """Take back what was handed out."""
        self._acts(order, Request("reverse", event=event))

    def _acts(self, order: str, request: Request) -> Any:
        written = orders.act(self.db, self.here, OPERATOR, order, request, self.key())
        return json.loads(written.body)

    def hub_has(self, upto: int | None = None) -> None:
        """The hub acknowledges everything so far, or up to a position of what there is."""
        head = log.head(self.db).seq
        acked = head if upto is None else min(upto, head)
        self.db.execute("UPDATE replica SET acked = ?", (acked,))

    # --- what is reported ------------------------------------------------------------------------------------------

    def rows(self, report: Report, limit: int = 1_000) -> list[Row]:
        """All rows, read in pieces of at most `limit`."""
        found: list[Row] = []
        cursor: str | None = None
        while True:
            piece = report.piece(self.db, self.moment, Span(limit, cursor))
            assert len(piece.rows) <= limit
            found += piece.rows
            cursor = piece.following
            if cursor is None:
                return found

    def totals(self, report: Report) -> Any:
        """Of the whole day."""
        return report.totals(self.db, self.moment)

    def notes(self, report: Report) -> list[str]:
        """Their codes."""
        return [note.code for note in report.notes(self.db, self.moment)]


def some(row: Row, *names: str) -> tuple[object, ...]:
    """Some members of a row."""
    return tuple(row[name] for name in names)


def column(rows: Sequence[Row], name: str) -> list[object]:
    """One member of each row."""
    return [row[name] for row in rows]
