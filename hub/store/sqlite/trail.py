"""Reading the ledger and the notes for an audit.

Invariant: a page reads at most AUDIT_EXAMINED_MAX rows, in the order of an index.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from hub.store.sqlite.witness import read_note
from hub.store.trail import Found, Place, TrailPage
from protocol.audit import Wanted, record_of, record_of_note
from protocol.ids import NodeId, ReplicaId, Seq
from protocol.limits import AUDIT_EXAMINED_MAX, INT_MAX
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "trail.sql")
_AT_ONCE: Final = 100
_NEWEST: Final = Place(INT_MAX, INT_MAX)
HUB: Final = "hub"


def read_operations(
    db: sqlite3.Connection, wanted: Wanted, node: NodeId | None, place: Place | None, limit: int
) -> TrailPage:
    """Operations, newest first; see `HubStore.operations_trail`."""
    start = place or _NEWEST
    found = _all(db, start) if node is None else _of_node(db, node, start)
    return _page(found, wanted, limit)


def read_notes(
    db: sqlite3.Connection, wanted: Wanted, place: Place | None, limit: int
) -> TrailPage:
    """The hub's notes, newest first."""
    return _page(_notes(db, place or _NEWEST), wanted, limit)


def _page(found: Iterator[tuple[Found, Place]], wanted: Wanted, limit: int) -> TrailPage:
    items: list[Found] = []
    for looked_at, (each, place) in enumerate(found, start=1):
        if wanted.takes(each.record):
            items.append(each)
        if len(items) == limit or looked_at == AUDIT_EXAMINED_MAX:
            return TrailPage(items, place)
    return TrailPage(items, None)


def _all(db: sqlite3.Connection, start: Place) -> Iterator[tuple[Found, Place]]:
    before = start.before
    while rows := db.execute(SQL["newest"], {"before": before, "limit": _AT_ONCE}).fetchall():
        for row in rows:
            before = row["position"]
            yield _found(row), Place(0, before)


def _of_node(db: sqlite3.Connection, node: NodeId, start: Place) -> Iterator[tuple[Found, Place]]:
    asked = {"node": node, "from_log": start.log}
    for (log,) in db.execute(SQL["logs_of"], asked).fetchall():
        before = start.before if log == start.log else INT_MAX
        while rows := db.execute(
            SQL["newest_of_log"], {"log": log, "before": before, "limit": _AT_ONCE}
        ).fetchall():
            for row in rows:
                before = row["seq"]
                yield _found(row), Place(log, before)


def _notes(db: sqlite3.Connection, start: Place) -> Iterator[tuple[Found, Place]]:
    before = start.before
    while rows := db.execute(SQL["notes"], {"before": before, "limit": _AT_ONCE}).fetchall():
        for position, body in rows:
            before = position
            told = read_note(bytes(body))
            record = record_of_note(position, told.at_ms, told.actor, told.note)
            yield Found(record, HUB, told.at_ms, None), Place(0, before)


def _found(row: sqlite3.Row) -> Found:
    record = record_of(ReplicaId(bytes(row["replica"])), Seq(row["seq"]), bytes(row["body"]))
    return Found(record, row["name"], row["accepted_at"], row["code"])
