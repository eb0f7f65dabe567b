"""What is on the disks, read by statements of the checker's own: no query of the product is trusted here."""

import sqlite3
from functools import lru_cache
from typing import NamedTuple

from protocol.effects import CounterEffect
from protocol.ids import NodeId, OpId
from protocol.operation import Operation, decode, op_id_of

Key = tuple[str, str, str, int]
Database = sqlite3.Connection


class Held(NamedTuple):
    """An operation in the hub's ledger."""

    position: int
    node: str
    replica: bytes
    seq: int
    code: str | None
    repeats: int | None
    body: bytes | None


@lru_cache(maxsize=20_000)
def operation(body: bytes) -> Operation:
    """The operation in these bytes."""
    return decode(body)


@lru_cache(maxsize=20_000)
def identity_of(body: bytes) -> OpId | None:
    """Its id, if it has one."""
    return op_id_of(body)


def deltas(body: bytes) -> list[tuple[Key, int]]:
    """What it adds to which counters."""
    effects = operation(body).effects
    return [(tuple(e[:4]), e.delta) for e in effects if isinstance(e, CounterEffect)]  # type: ignore[misc]


def hub_ledger(db: sqlite3.Connection) -> list[Held]:
    """All of the hub's ledger, in order."""
    found = db.execute(
        "SELECT l.position, n.name, r.replica, l.seq, l.code, l.repeats, l.body FROM ledger l"
        " JOIN replica r ON r.id = l.replica JOIN node n ON n.node = r.node ORDER BY l.position"
    )
    return [Held(*row) for row in found]


def hub_ids(db: sqlite3.Connection) -> set[OpId]:
    """The ids of all operations whose bytes the hub has, counted or not."""
    found = db.execute("SELECT body FROM ledger WHERE body IS NOT NULL")
    return {id_ for (body,) in found if (id_ := identity_of(body)) is not None}


def hub_totals(db: sqlite3.Connection) -> dict[Key, int]:
    """The hub's counters."""
    found = db.execute("SELECT location, sku, lot, account, total FROM counter")
    return {(a, b, c, d): total for a, b, c, d, total in found}


def digests(db: Database, *, only_held: bool = False) -> dict[str, tuple[int, bytes]]:
    """Rows and digest of each scope that has rows, of the hub or of a node."""
    found = db.execute("SELECT * FROM scope WHERE rows > 0")
    return {
        row["scope"]: (row["rows"], bytes(row["digest"]))
        for row in found
        if not only_held or row["held"]
    }


def departures(db: Database) -> set[NodeId]:
    """Of whom a hub or a node knows that they left for good."""
    return {NodeId(node) for (node,) in db.execute("SELECT node FROM departure")}


def departure_records(db: Database) -> dict[NodeId, bytes]:
    """The same, each with what the hub signed of it."""
    return {
        NodeId(n): bytes(record) for n, record in db.execute("SELECT node, record FROM departure")
    }


def name_of(db: Database, node: NodeId) -> str | None:
    """What the hub calls a node; None for one that it has not heard of."""
    row = db.execute("SELECT name FROM node WHERE node = ?", (node,)).fetchone()
    return None if row is None else str(row[0])


def retiring(db: Database) -> set[NodeId]:
    """Whom the hub lets deliver what they recorded, and then go."""
    return {NodeId(n) for (n,) in db.execute("SELECT node FROM node WHERE retiring_at IS NOT NULL")}


def log_bodies(db: sqlite3.Connection) -> list[tuple[int, bytes, bytes]]:
    """A node's log: position, bytes, chain."""
    return [tuple(row) for row in db.execute("SELECT seq, body, chain FROM log ORDER BY seq")]


def log_ids(db: sqlite3.Connection) -> set[OpId]:
    """The ids of what a node could send again: its log, and what was cut off it and is kept elsewhere."""
    found = db.execute(
        "SELECT body FROM log UNION ALL SELECT body FROM movement WHERE body_hash IS NOT NULL"
        " UNION ALL SELECT body FROM kept_edit"
    )
    return {id_ for (body,) in found if (id_ := identity_of(body)) is not None}


def log_ids_after(db: sqlite3.Connection, seq: int) -> set[OpId]:
    """The ids of what is in a node's log behind a position."""
    found = db.execute("SELECT body FROM log WHERE seq > ?", (seq,))
    return {id_ for (body,) in found if (id_ := identity_of(body)) is not None}


def acked(hub: sqlite3.Connection, node: sqlite3.Connection) -> int:
    """How much of a node's log the hub has."""
    row = hub.execute(
        "SELECT acked FROM replica WHERE replica = ?", (bytes(position(node)["id"]),)
    ).fetchone()
    return 0 if row is None else int(row[0])


def shown(db: sqlite3.Connection) -> dict[Key, int]:
    """What a node shows."""
    found = db.execute("SELECT location, sku, lot, account, value FROM counter")
    return {(a, b, c, d): value for a, b, c, d, value in found}


def position(db: sqlite3.Connection) -> sqlite3.Row:
    """Where a node stands."""
    row: sqlite3.Row = db.execute("SELECT * FROM replica").fetchone()
    return row
