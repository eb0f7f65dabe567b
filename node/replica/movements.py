"""The list of movements that people search, newest first.

Invariant: a movement is listed exactly when its operation is in the log (or was pulled from the ledger), since both
are written in one transaction; it is never changed or removed.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from node.replica import late
from node.replica.cursors import read_position, write_cursor
from protocol.effects import CounterEffect
from protocol.errors import ProtocolError
from protocol.frames.repair import LedgerItem
from protocol.ids import Location, OpId, ReplicaId, Seq
from protocol.movements import MOVE_PREFIX
from protocol.operation import Operation, decode
from runtime.queries import by_place, load_queries

_SQL: Final = load_queries(__file__, "movements.sql")
NEWEST: Final = 2**62
"""A position beyond every movement's."""


class Recorded(NamedTuple):
    """One movement as it is listed."""

    position: int
    replica: ReplicaId
    seq: Seq
    operation: Operation


@dataclass(frozen=True, slots=True)
class MovementQuery:
    """What to list; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    location: str | None = None
    sku: str | None = None
    lot: str | None = None
    """"" for lines without a lot; only together with `sku`."""
    kind: str | None = None
    """The operation's kind: `move.sale`."""
    reference: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 100
    cursor: str | None = None
    """Where the page before ended."""


class _Row(NamedTuple):
    """A line of the list, as `_ADD` takes it."""

    op_id: OpId
    replica: ReplicaId
    seq: Seq
    kind: str
    location: Location
    reference: str | None
    occurred_at: int
    reverses: OpId | None
    body: bytes | None


_ADD: Final = by_place(_SQL["add"], _Row._fields)
_ADD_SKU: Final = by_place(_SQL["add_sku"], ("sku", "position", "lot"))


def add(
    db: sqlite3.Connection,
    seq: Seq,
    replica: ReplicaId,
    operation: Operation,
    reverses: OpId | None,
) -> bool:
    """List an own movement to be appended at `seq`; False, and nothing is written, when its op_id is an own one's already.

    One that another replica recorded, pulled from the ledger, becomes this one: a till that sends its receipts once more,
    to a spare, gets them recorded there; the hub counts them once.
    """
    counters = [effect for effect in operation.effects if isinstance(effect, CounterEffect)]
    row = _Row(
        operation.op_id,
        replica,
        seq,
        operation.kind,
        counters[0].location,
        _text(operation.details.get("reference")),
        operation.occurred_at,
        reverses,
        None,
    )
    if _list(db, counters, row):
        return True
    return _unlist_pulled(db, operation.op_id) and _list(db, counters, row)


def pull(
    db: sqlite3.Connection, location: Location, items: Sequence[LedgerItem], upto: int
) -> None:
    """List what other replicas recorded at a location; up to `upto` its ledger has been read then."""
    for item in items:
        try:
            operation = decode(item.body)
        except ProtocolError:
            continue  # of a later form, which the hub can read
        counters = [effect for effect in operation.effects if isinstance(effect, CounterEffect)]
        if not counters or not operation.kind.startswith(MOVE_PREFIX):
            continue
        reverses = operation.details.get("reverses")
        row = _Row(
            operation.op_id,
            item.replica,
            item.seq,
            operation.kind,
            counters[0].location,
            _text(operation.details.get("reference")),
            operation.occurred_at,
            OpId(reverses) if isinstance(reverses, bytes) else None,
            item.body,
        )
        if _list(db, counters, row):
            late.judge(db, item, operation)
    db.execute(_SQL["save_pulled"], {"location": location, "upto": upto})


def note_whole(db: sqlite3.Connection, location: Location) -> None:
    """All that others recorded at a location, up to where its ledger was read, is listed: that was its end."""
    db.execute(_SQL["note_whole"], {"location": location})


def pulled_upto(db: sqlite3.Connection, location: Location) -> int:
    """How far the hub's ledger was read for a location; 0 for not at all."""
    row = db.execute(_SQL["read_pulled"], {"location": location}).fetchone()
    return 0 if row is None else row["position"]


def _unlist_pulled(db: sqlite3.Connection, op_id: OpId) -> bool:
    """Take a movement that another replica recorded off the list; whether it was one."""
    row = db.execute(_SQL["unlist_pulled"], {"op_id": op_id}).fetchone()
    if row is None:
        return False
    effects = decode(row["body"]).effects
    db.executemany(
        _SQL["unlist_sku"],
        [
            {"sku": effect.sku, "position": row["position"], "lot": effect.lot}
            for effect in effects
            if isinstance(effect, CounterEffect)
        ],
    )
    return True


def _list(db: sqlite3.Connection, counters: Sequence[CounterEffect], row: _Row) -> bool:
    added = db.execute(_ADD, row)
    if not added.rowcount:
        return False
    position = added.lastrowid
    db.executemany(_ADD_SKU, [(effect.sku, position, effect.lot) for effect in counters])
    return True


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def one(db: sqlite3.Connection, op_id: OpId) -> Recorded | None:
    """A movement by its id."""
    row = db.execute(_SQL["one"], {"op_id": op_id}).fetchone()
    return None if row is None else recorded(row)


def reversal_of(db: sqlite3.Connection, op_id: OpId) -> OpId | None:
    """The movement that took this one back."""
    row = db.execute(_SQL["reversal_of"], {"op_id": op_id}).fetchone()
    return None if row is None else OpId(row["op_id"])


def newest(db: sqlite3.Connection, query: MovementQuery) -> tuple[list[Recorded], str | None]:
    """The movements that fit, newest first, at most `limit`, and the cursor of the next page if there may be one.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    asked = {
        "before": NEWEST if query.cursor is None else read_position(query.cursor),
        "location": query.location,
        "sku": query.sku,
        "lot": query.lot,
        "kind": query.kind,
        "reference": query.reference,
        "since": query.since_ms,
        "until": query.until_ms,
        "limit": query.limit,
    }
    found = [recorded(row) for row in db.execute(_SQL[_best_index(query)], asked)]
    return found, write_cursor([found[-1].position]) if len(found) == query.limit else None


def own_locations(db: sqlite3.Connection) -> list[str]:
    """Every location that this node has recorded at, by code."""
    return [location for (location,) in db.execute(_SQL["own_locations"])]


def _best_index(query: MovementQuery) -> str:
    # SQLite plans before it sees the parameters, so the choice that depends on them is made here.
    if query.sku is not None:
        return "newest_of_sku"
    if query.reference is not None:
        return "newest_with_reference"
    return "newest" if query.location is None else "newest_at_location"


def recorded(row: sqlite3.Row) -> Recorded:
    """A movement from the columns `position, replica, seq, body`."""
    return Recorded(
        row["position"], ReplicaId(row["replica"]), Seq(row["seq"]), decode(row["body"])
    )
