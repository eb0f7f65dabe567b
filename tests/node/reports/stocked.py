"""A chain's stock in the database of its office, put there through the commands, and reports of it."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from node.commands import documents
from node.commands.entering import enter
from node.commands.movements import Here
from node.commands.requests import Authority, Caller
from node.replica import claims, scopes
from node.reports.frame import Moment, Note, Report, Row, Span
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.effects import Account, CounterEffect
from protocol.ids import Location, Lot, OpId, Scope, Sku
from protocol.operation import Operation
from tests.node.alerting.shop import mark_read
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

OPERATOR = Caller("operator", Authority.OPERATOR)
NOW_MS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)
OFFICE = Here(CHAIN, ME, certificate_of(writes=(), role=Role.OFFICE), None, NOW_MS)
STORE = certificate_of(writes=("S01",))
SEEN = Moment(NOW_MS, OFFICE.certificate, is_operator=True)
BY_A_TILL = Moment(NOW_MS, OFFICE.certificate, is_operator=False)
BY_A_SHOP = Moment(NOW_MS, STORE, is_operator=True)

Count = tuple[str, str, str, Account, int]
"""Location, SKU, lot, account, base units."""


class Stocked:
    """What there is, and who asks about it."""

    def __init__(self, *reads: str, caught_up: bool = False) -> None:
        """A database that holds the stock of these locations, and has described them.

        `caught_up`, it has spoken to the hub, and has all that was there.
        """
        self.db: sqlite3.Connection = new_replica_database()
        self._operations = 0
        scopes.begin(self.db, [Scope(f"stock:{code}") for code in reads])
        if caught_up:
            mark_read(self.db, *(f"stock:{code}" for code in reads))
            claims.end(self.db)
        for code in reads:
            self.says("locations", id=code, name=code)

    def says(self, collection: str, **fields: object) -> str:
        """The office describes something; gives its id."""
        key = json.dumps([collection, fields])
        return documents.create(self.db, OFFICE, OPERATOR, COLLECTIONS[collection], fields, key).id

    def counts(self, *counts: Count) -> None:
        """Something moved."""
        self._operations += 1
        effects = tuple(
            CounterEffect(Location(place), Sku(sku), Lot(lot), int(account), delta)
            for place, sku, lot, account, delta in counts
            if delta
        )
        id_ = OpId(self._operations.to_bytes(16))
        kind = "move.adjust"
        one = Operation(id_, NOW_MS, NOW_MS, None, "till", "till", kind, 1, effects, {})
        enter(self.db, ME, one)

    def has(self, location: str, sku: str, on_hand: int, lot: str = "") -> None:
        """So much is there."""
        self.counts((location, sku, lot, Account.ON_HAND, on_hand))

    def rows(self, report: Report, moment: Moment = SEEN, *, limit: int = 1_000) -> list[Row]:
        """All rows, read in pieces of at most `limit`."""
        return [row for piece in self.pieces(report, moment, limit) for row in piece]

    def pieces(self, report: Report, moment: Moment, limit: int) -> Iterator[Sequence[Row]]:
        """The same piece by piece."""
        cursor: str | None = None
        while True:
            piece = report.piece(self.db, moment, Span(limit, cursor))
            assert len(piece.rows) <= limit
            yield piece.rows
            cursor = piece.following
            if cursor is None:
                return

    def totals(self, report: Report, moment: Moment = SEEN) -> Any:
        """Of all that is asked for."""
        return report.totals(self.db, moment)

    def notes(self, report: Report, moment: Moment = SEEN) -> dict[str, Note]:
        """By code."""
        return {note.code: note for note in report.notes(self.db, moment)}

    def counted(self, account: Account) -> int:
        """All counters of an account, added up by the database itself."""
        sql = "SELECT coalesce(sum(value), 0) FROM counter WHERE account = ?"
        found: int = self.db.execute(sql, (int(account),)).fetchone()[0]
        return found


def columns(rows: Sequence[Row], *names: str) -> list[tuple[object, ...]]:
    """Some members of each row."""
    return [tuple(row[name] for name in names) for row in rows]
