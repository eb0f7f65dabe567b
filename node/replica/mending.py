"""A scope's rows as they are stored, added up again by bucket, and replaced where they differ from the hub's.

Invariant: nothing here trusts a stored sum, and nothing touches the log or what is on top. A held row is replaced only when
its hub_seq is not beyond the state that its replacement was read in: what came newer by the feed stays.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from node.replica import changes, rows, scopes, view
from node.replica.changes import Changed
from node.replica.scopes import BEFORE_DOCUMENTS
from node.replica.stored import stored_counter, stored_document
from protocol import digest
from protocol.digest import BUCKETS, Digest, bucket_of, row_hash
from protocol.effects import CounterKey, DocumentKey
from protocol.ids import HubSeq, Location, Scope, Seq, Sku
from protocol.rows import CounterRow, DocumentRow, Row
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "mending.sql")
PIECE_ROWS: Final = 100
"""Replaced in one transaction: at most 5 ms."""
ADDED_UP_ROWS_MAX: Final = 50_000
"""Half a second of a reader."""

Key = CounterKey | DocumentKey


@dataclass(frozen=True, slots=True)
class Buckets:
    """What the rows of a scope add up to."""

    digests: tuple[int, ...]
    rows: tuple[int, ...]
    """How many each bucket has."""

    @property
    def whole(self) -> Digest:
        """The digest of the scope."""
        value = sum(self.digests) % 2**128
        return Digest(sum(self.rows), value)


class Fetched(NamedTuple):
    """A row as the hub has it."""

    row: Row
    own: Seq
    """How far this replica's log is inside it."""


def read_buckets(db: sqlite3.Connection, scope: Scope) -> tuple[Buckets, HubSeq]:
    """Add up every row of a scope that the hub sent; also the hub_seq of the newest."""
    sums, counts, newest = [0] * BUCKETS, [0] * BUCKETS, HubSeq(0)
    for row in _rows(db, scope):
        bucket = bucket_of(row.key)
        sums[bucket] += row_hash(row)
        counts[bucket] += 1
        newest = max(newest, row.hub_seq)
    return Buckets(tuple(value % 2**128 for value in sums), tuple(counts)), newest


def adds_up(db: sqlite3.Connection, scope: Scope) -> bool:
    """Whether a scope's rows come to the digest that is kept of them; of a very large one only a verification says so."""
    state = scopes.read(db, scope)
    if state is None or state.digest.rows > ADDED_UP_ROWS_MAX:
        return True
    return read_buckets(db, scope)[0].whole == state.digest


def save_sum(db: sqlite3.Connection, scope: Scope, value: Digest, newest: HubSeq) -> None:
    """Keep what a scope's rows add up to, as read since they last changed."""
    scopes.set_digest(db, scope, value, newest)


def strays(
    db: sqlite3.Connection, scope: Scope, buckets: bytes, known: Mapping[Key, Fetched], upto: HubSeq
) -> list[Key]:
    """The rows held in these buckets that the hub, as read up to `upto`, does not have."""
    return [
        row.key
        for row in _rows(db, scope)
        if row.hub_seq <= upto and row.key not in known and bucket_of(row.key) in buckets
    ]


def replace_piece(db: sqlite3.Connection, fetched: Sequence[Fetched], upto: HubSeq) -> None:
    """Put rows in the place of those held, unless these are newer than `upto` or the same."""
    stock: dict[tuple[Location, Sku], None] = {}
    for row, own in fetched:
        held = _held(db, row.key)
        if held is not None and (held.hub_seq > upto or held == row):
            continue
        scopes.replace_row(db, old=held, new=row)
        if isinstance(row, CounterRow):
            rows.store_counter(db, row, own)
            stock[row.location, row.sku] = None
        else:
            rows.store_document(db, row, own)
            changes.note_document(db, row.key)
    changes.note(db, Changed(stock=tuple(stock)))


def clear_piece(db: sqlite3.Connection, keys: Sequence[Key]) -> None:
    """Take rows that the hub does not have back to the own operations on top."""
    stock: dict[tuple[Location, Sku], None] = {}
    for key in keys:
        held = _held(db, key)
        if held is None:
            continue
        scopes.replace_row(db, old=held, new=None)
        if isinstance(key, CounterKey):
            db.execute(_SQL["clear_counter"], key._asdict())
            stock[key.location, key.sku] = None
        else:
            view.clear_document(db, key)
            view.show_changed(db, key, held.scopes)
    changes.note(db, Changed(stock=tuple(stock)))


def forget_piece(db: sqlite3.Connection, scope: Scope, after: DocumentKey) -> DocumentKey | None:
    """Forget when the hub sent some of a scope's rows, so that whatever it sends replaces them.

    What is shown stays. The caller has put the scope's cursor back before the first piece.

    Args:
        db: an open transaction.
        scope: whose rows.
        after: BEFORE_DOCUMENTS, and then what the piece before returned: most documents may be in other scopes, and no
            piece looks at all of them.

    Returns: where to go on; None after the last piece.
    """
    if after == BEFORE_DOCUMENTS and not _forget_counters(db, scope):
        return after
    documents, last = scopes.sent_documents_piece(db, after, PIECE_ROWS)
    for document in documents:
        if scope in document.document.scopes:
            scopes.replace_row(db, old=document, new=None)
            db.execute(_SQL["forget_document"], document.key._asdict())
    if last is None:
        scopes.set_digest(db, scope, digest.EMPTY, HubSeq(0))
    return last


def _forget_counters(db: sqlite3.Connection, scope: Scope) -> bool:
    """Forget when the hub sent some of them; whether none is left."""
    family, _, location = scope.partition(":")
    if family != "stock":
        return True
    found = db.execute(_SQL["sent_at"], {"location": location, "limit": PIECE_ROWS}).fetchall()
    for row in found:
        key = CounterKey(Location(location), row["sku"], row["lot"], row["account"])
        scopes.replace_row(db, old=stored_counter(key, row), new=None)
        db.execute(_SQL["forget_counter"], key._asdict())
    return len(found) < PIECE_ROWS


def began_at_ms(db: sqlite3.Connection, scope: Scope) -> int | None:
    """When a scope was last mended; None for never."""
    row = db.execute(_SQL["read_repair"], {"scope": scope}).fetchone()
    return None if row is None else row["began_at"]


def note_begun(db: sqlite3.Connection, scope: Scope, now_ms: int) -> None:
    """A scope is being mended."""
    db.execute(_SQL["save_repair"], {"scope": scope, "now": now_ms})


def _held(db: sqlite3.Connection, key: Key) -> Row | None:
    if isinstance(key, CounterKey):
        return stored_counter(key, db.execute(_SQL["counter"], key._asdict()).fetchone())
    return stored_document(key, db.execute(_SQL["document"], key._asdict()).fetchone())


def _rows(db: sqlite3.Connection, scope: Scope) -> Iterator[Row]:
    family, _, location = scope.partition(":")
    if family == "stock":
        for held in db.execute(_SQL["counters"], {"location": location}):
            key = CounterKey(Location(location), held["sku"], held["lot"], held["account"])
            counter = stored_counter(key, held)
            assert counter is not None, "only rows that the hub sent are read"
            yield counter
    yield from _documents(db, scope)


def _documents(db: sqlite3.Connection, scope: Scope) -> Iterator[DocumentRow]:
    for document in scopes.sent_documents(db):
        if scope in document.document.scopes:
            yield document
