"""Reading the rows: pages of a scope, salts, digests.

Invariant: whatever one function returns is of one snapshot, the caller's read transaction. A page holds every row of
its scope with base < hub_seq <= to, and `inside` as of the same moment, so the two never disagree.
"""

import heapq
import sqlite3
from collections.abc import Collection, Iterator
from itertools import islice
from operator import attrgetter
from typing import Final

from hub.store.interface import History, ScopeDigest
from hub.store.sqlite.fold import read_head
from hub.store.sqlite.sealed import read_recovery_key
from protocol.codec import unpack
from protocol.digest import EMPTY, Digest, from_bytes
from protocol.documents import Document, fields_from_wire
from protocol.frames.feed import Page
from protocol.ids import NO_SALT, ChainId, Epoch, HubSeq, ReplicaId, Salt, Scope, Seq
from protocol.limits import PAGE_BYTES_MAX, PAGE_ROWS_MAX
from protocol.rows import CounterRow, DocumentRow, Row, row_bytes
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "feed.sql")


def read_page(db: sqlite3.Connection, scope: Scope, base: HubSeq) -> Page:
    """The rows after `base`, as many as fit a page, in hub_seq order."""
    rows: list[Row] = []
    size = 0
    more = False
    for row in rows_after(db, scope, base, PAGE_ROWS_MAX + 1):
        size += len(row_bytes(row))
        if rows and (size > PAGE_BYTES_MAX or len(rows) == PAGE_ROWS_MAX):
            more = True
            break
        rows.append(row)
    # Without more rows the scope is known up to the head, however long ago it changed.
    head = read_head(db)
    to = rows[-1].hub_seq if more else max(base, head.hub_seq)
    salt = salt_of(db, to) or NO_SALT
    read_in = head if more else None
    return Page(scope, base, to, salt, more, inside(db, scope), tuple(rows), head=read_in)


def inside(db: sqlite3.Connection, scope: Scope) -> dict[ReplicaId, Seq]:
    """For each replica that has written in a scope, how far its log is inside its rows."""
    writers = db.execute(SQL["inside"], {"scope": scope})
    return {ReplicaId(replica): Seq(acked) for replica, acked in writers}


def rows_after(db: sqlite3.Connection, scope: Scope, base: HubSeq, limit: int) -> Iterator[Row]:
    """Counters and documents of a scope after `base` by hub_seq, at most `limit`, read one by one; all with -1."""
    family, _, location = scope.partition(":")
    found: Iterator[Row] = _documents(db, scope, base, limit)
    if family == "stock":
        counters = _counters(db, location, base, limit)
        found = heapq.merge(counters, found, key=attrgetter("hub_seq"))
    return found if limit < 0 else islice(found, limit)


def salt_of(db: sqlite3.Connection, hub_seq: HubSeq) -> Salt | None:
    """The salt of the commit that a hub_seq is in; None for one that no commit has given yet."""
    if hub_seq == 0:
        return NO_SALT
    row = db.execute(SQL["salt"], {"hub_seq": hub_seq}).fetchone()
    return None if row is None else Salt(row[0])


def read_salts(db: sqlite3.Connection, cursors: Collection[HubSeq]) -> dict[HubSeq, Salt]:
    """The salt of each of these that exists."""
    found = {hub_seq: salt_of(db, hub_seq) for hub_seq in cursors}
    return {hub_seq: salt for hub_seq, salt in found.items() if salt is not None}


def read_history(db: sqlite3.Connection) -> History:
    """Chain, epoch, head, and how far each scope has come."""
    scopes = {Scope(scope): HubSeq(hub_seq) for scope, hub_seq in db.execute(SQL["scopes"])}
    recovery = read_recovery_key(db)
    return History(read_chain(db), read_epoch(db), read_head(db), scopes, recovery)


def read_chain(db: sqlite3.Connection) -> ChainId:
    """Which chain this hub serves."""
    return ChainId(_meta(db, "chain"))


def read_epoch(db: sqlite3.Connection) -> Epoch:
    """The epoch."""
    return Epoch(_meta(db, "epoch"))


def read_digest(db: sqlite3.Connection, scope: Scope) -> ScopeDigest:
    """The digest as kept; zeros for a scope that nobody has written in."""
    row = db.execute(SQL["digest"], {"scope": scope}).fetchone()
    if row is None:
        return ScopeDigest(HubSeq(0), EMPTY)
    return ScopeDigest(HubSeq(row["hub_seq"]), Digest(row["rows"], from_bytes(row["digest"])))


def document_of(db: sqlite3.Connection, document: int, fields: bytes) -> Document:
    """A stored document's state."""
    scopes = db.execute(SQL["document_scopes"], {"document": document})
    return Document(
        fields_from_wire(unpack(fields)),
        frozenset(Scope(scope) for (scope,) in scopes),
    )


def _counters(db: sqlite3.Connection, location: str, base: HubSeq, limit: int) -> Iterator[Row]:
    values = {"location": location, "base": base, "limit": limit}
    for row in db.execute(SQL["counters"], values):
        yield CounterRow(*row)


def _documents(db: sqlite3.Connection, scope: Scope, base: HubSeq, limit: int) -> Iterator[Row]:
    values = {"scope": scope, "base": base, "limit": limit}
    for id_, collection, document_id, hub_seq, fields in db.execute(SQL["documents"], values):
        state = document_of(db, id_, fields)
        yield DocumentRow(collection, document_id, HubSeq(hub_seq), state)


def _meta(db: sqlite3.Connection, key: str) -> bytes:
    row = db.execute(SQL["meta"], {"key": key}).fetchone()
    assert row is not None, "init writes chain and epoch in the transaction that makes the database"
    return bytes(row[0])
