"""What a backup lacks of the hub whose place it takes, as far as that hub's folder can tell.

Invariant: it is only told and decides nothing, since the operator may have no better backup, and since nothing is
deleted. What the database that is there cannot say, the witness beside it does; silence of both stops no restore.

Nodes send again what is missing, however much of their logs they have cut. A node that was revoked or retired is let in
no more, so what it delivered after the backup comes from nowhere else: it is named.
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.store.sqlite.backups import count_operations, read_newest, read_positions
from hub.store.sqlite.feed import read_history, salt_of
from hub.witness import Witness
from protocol.ids import ReplicaId, Seq
from runtime.connection import connect_reader
from runtime.errors import StoreError
from runtime.queries import load_queries
from runtime.readers import read_snapshot

_SQL: Final = load_queries(__file__, "shortfall.sql")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What the hub that is there has, and the backup has not; all zeros and empty when that is nothing."""

    operations: int = 0
    """In the ledger of the database that is there."""
    row_changes: int = 0
    """By the witness alone, when there is no database that could say more."""
    departed: tuple[str, ...] = ()
    """Names of the nodes that left and whose operations are among them."""
    later: str | None = None
    """The newest verified backup that holds more; nobody knows whether it is still there."""


def measure(file: Path, database: Path, witness: Witness) -> Shortfall:
    """Compare the backup `file` with the `database` that it takes the place of, or else with its witness; blocks.

    A backup or a database that cannot be asked lacks nothing that is known of.
    """
    try:
        inside = _ask(file, witness)
    except _CANNOT_BE_ASKED:
        return Shortfall()
    try:
        with contextlib.closing(connect_reader(database)) as db:
            return read_snapshot(db, database, lambda each: _beyond(each, inside))
    except _CANNOT_BE_ASKED:
        return Shortfall(row_changes=inside.behind)


_CANNOT_BE_ASKED: Final = (StoreError, sqlite3.Error, OSError, TypeError, ValueError)
"""Damaged, older than this program, or not there. SQLite gives a damaged value any type."""


@dataclass(frozen=True, slots=True)
class _Inside:
    """What the backup holds."""

    operations: int
    positions: dict[ReplicaId, Seq]
    behind: int
    """Row changes that the witness knows of and the backup does not."""


def _ask(file: Path, witness: Witness) -> _Inside:
    def read(db: sqlite3.Connection) -> _Inside:
        head = read_history(db).head.hub_seq
        behind = 0
        if witness.head is not None and salt_of(db, witness.head.hub_seq) != witness.head.salt:
            behind = max(0, witness.head.hub_seq - head)
        return _Inside(count_operations(db), read_positions(db), behind)

    with contextlib.closing(connect_reader(file)) as db:
        return read_snapshot(db, file, read)


def _beyond(db: sqlite3.Connection, inside: _Inside) -> Shortfall:
    missing, departed = 0, dict[str, None]()
    for replica, acked, name, has_left in db.execute(_SQL["logs"]):
        beyond = max(0, acked - inside.positions.get(ReplicaId(replica), Seq(0)))
        missing += beyond
        if beyond and has_left:
            departed[name] = None
    if not missing:
        return Shortfall()
    later = (each.file for each in read_newest(db, 1) if each.operations > inside.operations)
    return Shortfall(missing, 0, tuple(departed), next(later, None))
