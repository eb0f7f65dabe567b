"""Answers to nodes' questions: what is inside, how scopes and their buckets add up, and history by location.

Invariant: whatever one function returns is of the caller's read transaction. No function looks at more than its cap, but
for `read_buckets`, which has to look at every row of a scope.
"""

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from hub.store.sqlite import sessions
from hub.store.sqlite.feed import inside, read_digest, rows_after, salt_of
from hub.store.sqlite.fold import read_head
from protocol.digest import BUCKETS, bucket_of, row_hash
from protocol.frames.feed import Page
from protocol.frames.repair import Buckets, Claimed, DigestEntry, Digests, Ledger, LedgerItem
from protocol.ids import NO_SALT, HubSeq, Location, NodeId, OpId, ReplicaId, Scope, Seq, stock_scope
from protocol.limits import LEDGER_EXAMINED_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX
from protocol.operation import decode, home_of
from protocol.rows import Row, row_bytes
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "questions.sql")
BUCKET_ROWS_EXAMINED: Final = 5_000
"""For one page of buckets: 15 ms of a reader, however few rows are in them."""
_ALL: Final = -1
_MODULUS: Final = 2**128


def read_claim(db: sqlite3.Connection, node: NodeId, op_ids: Sequence[OpId]) -> Claimed:
    """See `HubStore.claim`."""
    return Claimed.of(read_head(db).hub_seq, sessions.read_claim(db, node, op_ids))


def read_digests(db: sqlite3.Connection, scopes: Sequence[Scope]) -> Digests:
    """See `HubStore.digests`."""
    held = ((scope, read_digest(db, scope)) for scope in scopes)
    return Digests(tuple(DigestEntry(scope, each.hub_seq, each.digest) for scope, each in held))


def read_buckets(db: sqlite3.Connection, scope: Scope) -> Buckets:
    """See `HubStore.buckets`."""
    sums = [0] * BUCKETS
    for row in rows_after(db, scope, HubSeq(0), _ALL):
        sums[bucket_of(row.key)] += row_hash(row)
    digests = b"".join((value % _MODULUS).to_bytes(16) for value in sums)
    return Buckets(scope, read_head(db).hub_seq, digests)


def read_bucket_rows(db: sqlite3.Connection, scope: Scope, buckets: bytes, base: HubSeq) -> Page:
    """See `HubStore.bucket_rows`."""
    wanted = frozenset(buckets)
    rows: list[Row] = []
    size, last, more = 0, base, False
    for examined, row in enumerate(rows_after(db, scope, base, BUCKET_ROWS_EXAMINED + 1)):
        if examined == BUCKET_ROWS_EXAMINED:
            more = True
            break
        if bucket_of(row.key) in wanted:
            size += len(row_bytes(row))
            if rows and (size > PAGE_BYTES_MAX or len(rows) == PAGE_ROWS_MAX):
                more = True
                break
            rows.append(row)
        last = row.hub_seq
    head = read_head(db)
    to = last if more else max(base, head.hub_seq)
    salt = salt_of(db, to) or NO_SALT
    read_in = head if more else None
    found = tuple(rows)
    return Page(scope, base, to, salt, more, inside(db, scope), found, buckets, read_in)


class _Entry(NamedTuple):
    position: int
    replica: ReplicaId
    seq: Seq
    accepted_at_ms: int
    counts: bool
    body: bytes | None


def read_ledger(
    db: sqlite3.Connection, location: Location, but: ReplicaId, after: int, limit: int
) -> Ledger:
    """See `HubStore.ledger`.

    There is no index by location: it would cost every sale of the chain, and almost all of what it names is the asking
    node's own. The replicas that have written at the location are known, and each one's operations lie in the order of
    their positions.
    """
    items: list[LedgerItem] = []
    upto, size = after, 0
    for examined, entry in enumerate(_of_others(db, location, but, after)):
        if examined == LEDGER_EXAMINED_MAX:
            return Ledger(location, upto, more=True, items=tuple(items))
        if entry.counts and entry.body is not None and home_of(decode(entry.body)) == location:
            size += len(entry.body) + 64
            if items and (size > PAGE_BYTES_MAX or len(items) == limit):
                return Ledger(location, upto, more=True, items=tuple(items))
            items.append(LedgerItem(*entry[:4], entry.body))
        upto = entry.position
    newest = db.execute(SQL["last_position"]).fetchone()[0]
    return Ledger(location, max(after, newest), more=False, items=tuple(items))


def _of_others(
    db: sqlite3.Connection, location: Location, but: ReplicaId, after: int
) -> Iterator[_Entry]:
    """What the other writers at a location have in the ledger after a position, in its order."""
    writers = db.execute(SQL["writers"], {"scope": stock_scope(location)}).fetchall()
    others = (_of_one(db, writer, after) for writer in writers if writer["replica"] != but)
    return heapq.merge(*others, key=itemgetter(0))


def _of_one(db: sqlite3.Connection, writer: sqlite3.Row, after: int) -> Iterator[_Entry]:
    first = _first_after(db, writer["id"], writer["acked"], after)
    for row in db.execute(SQL["entries"], {"replica": writer["id"], "first": first}):
        position, seq, accepted_at_ms, counts, body = row
        replica = ReplicaId(writer["replica"])
        yield _Entry(position, replica, Seq(seq), accepted_at_ms, bool(counts), body)


def _first_after(db: sqlite3.Connection, replica: int, acked: int, after: int) -> int:
    """The smallest seq of a replica whose ledger position is after this one: both rise together."""
    low, high = 1, acked + 1
    while low < high:
        middle = (low + high) // 2
        position = db.execute(SQL["position_of"], {"replica": replica, "seq": middle}).fetchone()[0]
        low, high = (middle + 1, high) if position <= after else (low, middle)
    return low
