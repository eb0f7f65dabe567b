"""The scopes this node reads: how far, and the digest of what it holds.

Invariant: a cursor is never ahead of the rows (both move in one transaction, rows first), and a scope's digest is the
sum over exactly the rows stored from the hub. Letting a scope go never touches the log.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from node.replica import changes
from node.replica.changes import GoneDocument
from node.replica.stored import stored_counter, stored_document
from protocol import digest
from protocol.digest import Digest
from protocol.effects import CounterKey, DocumentKey
from protocol.frames.feed import CaughtUp
from protocol.frames.handshake import Cursor
from protocol.ids import NO_SALT, HubSeq, Location, Salt, Scope, Seq, Sku
from protocol.rows import DocumentRow, Row
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "scopes.sql")
PIECE_ROWS: Final = 500
"""Rows dropped in one transaction, so that a till never waits for more than a few milliseconds."""
BEFORE_DOCUMENTS: Final = DocumentKey("", "")
"""Where to begin when documents are read piece by piece."""


class ScopeState(NamedTuple):
    """One scope as this node holds it."""

    cursor: HubSeq
    own: Seq
    caught_up: bool
    digest: Digest
    hub_seq: HubSeq
    """Largest of the rows held."""


def begin(db: sqlite3.Connection, scopes: Iterable[Scope]) -> None:
    """Start to read scopes, from the beginning those that are new."""
    db.executemany(_SQL["begin"], [{"scope": scope} for scope in scopes])


def held(db: sqlite3.Connection) -> dict[Scope, Cursor]:
    """The scopes read, and how far."""
    rows = db.execute(_SQL["all_held"])
    return {Scope(row["scope"]): (HubSeq(row["cursor"]), Salt(row["salt"])) for row in rows}


def cursors(db: sqlite3.Connection) -> tuple[Cursor, Mapping[Scope, Cursor]]:
    """What HELLO says: 0 for every scope this node does not know yet, and each known scope's own cursor.

    A shared cursor for all would be shorter. But the hub may have scopes that came into being or into reach since, and
    rows of theirs can be older than any cursor held here: they would never be sent.
    """
    return (HubSeq(0), NO_SALT), held(db)


def all_caught_up(db: sqlite3.Connection) -> bool:
    """Whether every scope was once read to its end since it began or was reset."""
    return all(row["caught_up"] for row in db.execute(_SQL["all_held"]))


def read(db: sqlite3.Connection, scope: Scope) -> ScopeState | None:
    """One scope; None when nothing was ever heard of it."""
    row = db.execute(_SQL["read"], {"scope": scope}).fetchone()
    if row is None:
        return None
    held_digest = Digest(row["rows"], digest.from_bytes(row["digest"]))
    return ScopeState(
        HubSeq(row["cursor"]),
        Seq(row["own"]),
        bool(row["caught_up"]),
        held_digest,
        HubSeq(row["hub_seq"]),
    )


def replace_row(db: sqlite3.Connection, *, old: Row | None, new: Row | None) -> None:
    """Put `new` in the place of `old` in the digests of the scopes they are in.

    By the feed scopes only grow; where damage is mended a row may be in others than before, or in none.
    """
    concerned = {*(() if old is None else old.scopes), *(() if new is None else new.scopes)}
    for scope in sorted(concerned):
        db.execute(_SQL["know"], {"scope": scope})
        state = read(db, scope)
        assert state is not None, "just made known"
        out = old if old is not None and scope in old.scopes else None
        put = new if new is not None and scope in new.scopes else None
        newest = HubSeq(0) if put is None else put.hub_seq
        save_digest(db, scope, digest.replace(state.digest, old=out, new=put), newest)


def save_digest(db: sqlite3.Connection, scope: Scope, value: Digest, hub_seq: HubSeq) -> None:
    """Keep a scope's digest; `hub_seq` is the largest that went in."""
    packed = digest.to_bytes(value.value)
    db.execute(
        _SQL["save_digest"],
        {"scope": scope, "rows": value.rows, "digest": packed, "hub_seq": hub_seq},
    )


def set_digest(db: sqlite3.Connection, scope: Scope, value: Digest, hub_seq: HubSeq) -> None:
    """Put a scope's digest to what was computed afresh over its rows, the newest of which has `hub_seq`."""
    values = {"scope": scope, "rows": value.rows, "digest": digest.to_bytes(value.value)}
    db.execute(_SQL["set_digest"], {**values, "hub_seq": hub_seq})


def advance(db: sqlite3.Connection, scope: Scope, to: HubSeq, salt: Salt) -> None:
    """Everything up to `to` is stored; a late repeat does not move a cursor back."""
    db.execute(_SQL["advance"], {"scope": scope, "to": to, "salt": salt})


def read_to_end(db: sqlite3.Connection, scope: Scope, own: Seq) -> None:
    """The scope's rows include our log up to `own`."""
    db.execute(_SQL["read_to_end"], {"scope": scope, "own": own})


def advance_all(db: sqlite3.Connection, caught_up: CaughtUp) -> None:
    """Everything of every scope up to there was sent."""
    db.execute(_SQL["advance_all"], {"to": caught_up.at, "salt": caught_up.salt})


def start_over(db: sqlite3.Connection, scopes: Iterable[Scope]) -> None:
    """Read scopes again from the beginning; their rows stay until newer ones replace them."""
    db.executemany(_SQL["start_over"], [{"scope": scope} for scope in scopes])


def let_go_piece(db: sqlite3.Connection, scope: Scope) -> bool:
    """Drop some of a scope's rows; True when the last are gone.

    After every piece the scope reads as never begun, and its digest is that of the rows left: cut off in between, it
    can be begun again at once. A document stays while another held scope contains it.
    """
    state = read(db, scope)
    if state is None:
        return True
    family, _, location = scope.partition(":")
    left, newest, is_done = state.digest, state.hub_seq, True
    if family == "stock":
        left, is_done = _drop_counters(db, Location(location), left)
        newest = HubSeq(0) if is_done else newest
    values = {"scope": scope, "rows": left.rows, "digest": digest.to_bytes(left.value)}
    db.execute(_SQL["let_go"], {**values, "hub_seq": newest})
    if is_done:
        changes.note_gone(db, scope, _drop_documents(db, scope))
    return is_done


def _drop_counters(db: sqlite3.Connection, location: Location, left: Digest) -> tuple[Digest, bool]:
    asked = {"location": location, "limit": PIECE_ROWS}
    dropped = db.execute(_SQL["drop_counters"], asked).fetchall()
    is_done = len(dropped) < PIECE_ROWS
    if is_done:
        dropped += db.execute(_SQL["sent_counters"], asked).fetchall()
        db.execute(_SQL["forget_totals"], asked)
    for row in dropped:
        key = CounterKey(row["location"], row["sku"], row["lot"], row["account"])
        left = digest.replace(left, old=stored_counter(key, row), new=None)
    changes.note_stock(db, ((location, Sku(row["sku"])) for row in dropped))
    return left, is_done


def _drop_documents(db: sqlite3.Connection, scope: Scope) -> list[GoneDocument]:
    others = held(db).keys() - {scope}
    touched: set[Scope] = set()
    gone = []
    for document in sent_documents(db):
        in_scopes = document.document.scopes
        if scope in in_scopes and not in_scopes & others:
            db.execute(_SQL["drop_document"], document.key._asdict())
            touched |= in_scopes
            gone.append(GoneDocument(document.key, document.scopes))
    _digest_afresh(db, touched)
    return gone


def _digest_afresh(db: sqlite3.Connection, touched: Collection[Scope]) -> None:
    """Compute the digests of scopes of documents again, over those that are left."""
    sums = dict.fromkeys(touched, (digest.EMPTY, HubSeq(0)))
    if sums:
        for document in sent_documents(db):
            for scope in sums.keys() & document.document.scopes:
                held_digest, newest = sums[scope]
                added = digest.replace(held_digest, old=None, new=document)
                sums[scope] = (added, max(newest, document.hub_seq))
    for scope, (value, newest) in sums.items():
        set_digest(db, scope, value, newest)


def sent_documents(db: sqlite3.Connection) -> Iterator[DocumentRow]:
    """Every document that the hub sent, by its key, read in pieces."""
    after: DocumentKey | None = BEFORE_DOCUMENTS
    while after is not None:
        documents, after = sent_documents_piece(db, after, PIECE_ROWS)
        yield from documents


def sent_documents_piece(
    db: sqlite3.Connection, after: DocumentKey, limit: int
) -> tuple[list[DocumentRow], DocumentKey | None]:
    """Look at some documents behind a key: those that the hub sent, and where to go on; None after the last."""
    asked = {**after._asdict(), "limit": limit}
    documents, last = [], None
    for row in db.execute(_SQL["documents_after"], asked).fetchall():
        last = DocumentKey(row["collection"], row["id"])
        document = stored_document(last, row)
        if document is not None:
            documents.append(document)
    return documents, last
