"""The scopes this node reads: how far, and the digest of what it holds.

Invariant: a cursor is never ahead of the rows (both move in one transaction, rows first), and a scope's digest is the
sum over exactly the rows stored from the hub. Letting a scope go never touches the log.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from node.replica import changes, view
from node.replica.changes import Changed, GoneDocument
from node.replica.stored import stored_counter, stored_document
from protocol import digest
from protocol.codec import pack, unpack
from protocol.digest import Digest
from protocol.effects import CounterKey, DocumentKey
from protocol.frames.feed import CaughtUp
from protocol.frames.handshake import Cursor
from protocol.ids import NO_SALT, HubSeq, ReplicaId, Salt, Scope, Seq
from protocol.rows import DocumentRow, Row
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "scopes.sql")
PIECE_ROWS: Final = 500
"""Rows dropped in one transaction, so that a till never waits for more than a few milliseconds."""
PIECE_DOCUMENTS: Final = 100
"""Documents looked at in one transaction, of which most may be in other scopes: 3 ms where all of them go."""
BEFORE_DOCUMENTS: Final = DocumentKey("", "")
"""Where to begin when documents are read piece by piece."""


class ScopeState(NamedTuple):
    """One scope as this node holds it."""

    cursor: HubSeq
    own: Seq
    caught_up: bool
    digest: Digest
    hub_seq: HubSeq
    """Largest of the rows held, once the scope was read to its end."""


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
    """Put `new` in the place of `old` in the digests of the scopes they are in."""
    replace_rows(db, [(old, new)])


def replace_rows(db: sqlite3.Connection, replaced: Iterable[tuple[Row | None, Row | None]]) -> None:
    """Put second rows in the places of first ones in the digests of the scopes they are in, each scope's written once.

    By the feed scopes only grow; where damage is mended a row may be in others than before, or in none.
    """
    out: dict[Scope, list[Row]] = defaultdict(list)
    put: dict[Scope, list[Row]] = defaultdict(list)
    for old, new in replaced:
        for rows, row in ((out, old), (put, new)):
            if row is not None:
                for scope in row.scopes:
                    rows[scope].append(row)
    for scope in sorted(out.keys() | put.keys()):
        db.execute(_SQL["know"], {"scope": scope})
        state = read(db, scope)
        assert state is not None, "just made known"
        newest = max((row.hub_seq for row in put[scope]), default=HubSeq(0))
        total = digest.exchange(state.digest, old=out[scope], new=put[scope])
        save_digest(db, scope, total, newest)


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


def read_to_end(
    db: sqlite3.Connection,
    scope: Scope,
    own: Seq,
    inside: Mapping[ReplicaId, Seq] | None = None,
) -> None:
    """The scope's rows include our log up to `own`, and each that is in `inside` as far as it says; None: as was known."""
    packed = None if inside is None else pack([list(one) for one in sorted(inside.items())])
    db.execute(_SQL["read_to_end"], {"scope": scope, "own": own, "inside": packed})


def advance_all(db: sqlite3.Connection, caught_up: CaughtUp) -> None:
    """Everything of every scope up to there was sent."""
    db.execute(_SQL["advance_all"], {"to": caught_up.at, "salt": caught_up.salt})


def start_over(db: sqlite3.Connection, scopes: Iterable[Scope]) -> None:
    """Read scopes again from the beginning; their rows stay until newer ones replace them."""
    db.executemany(_SQL["start_over"], [{"scope": scope} for scope in scopes])


def going(db: sqlite3.Connection) -> set[Scope]:
    """The scopes of which rows are still to be dropped."""
    return {Scope(row["scope"]) for row in db.execute(_SQL["going"])}


def let_go_piece(db: sqlite3.Connection, scope: Scope) -> bool:
    """Drop some of a scope's rows; True when the last are gone.

    After every piece the scope reads as never begun, and its digest is that of the rows left: cut off in between, it
    can be begun again at once, or be let go on from where that stopped. A document stays while another held scope contains
    it, and what own operations are on top of stays with nothing below them.
    """
    row = db.execute(_SQL["read"], {"scope": scope}).fetchone()
    if row is None:
        return True
    db.execute(_SQL["let_go"], {"scope": scope})
    after = BEFORE_DOCUMENTS
    if row["going"] is not None:
        after = DocumentKey(*unpack(row["going"]))  # type: ignore[misc]
    following: DocumentKey | None = after
    if after != BEFORE_DOCUMENTS or drop_counters_piece(db, scope):
        following = _drop_documents(db, scope, after)
    going = None if following is None else pack(list(following))
    db.execute(_SQL["save_going"], {"scope": scope, "going": going})
    if following is None:
        _forget_empty_sum(db, scope)
        changes.note_gone(db, scope, ())
    return following is None


def _forget_empty_sum(db: sqlite3.Connection, scope: Scope) -> None:
    """Over no rows the digest is that of none, also where it was damaged: nobody compares, and mends, a scope not held."""
    state = read(db, scope)
    if state is not None and not state.digest.rows:
        set_digest(db, scope, digest.EMPTY, HubSeq(0))


def drop_counters_piece(db: sqlite3.Connection, scope: Scope) -> bool:
    """Drop some counters of a scope that is not held, but those that own operations are on top of; True after the last."""
    family, _, location = scope.partition(":")
    if family != "stock":
        return True
    asked = {"location": location, "limit": PIECE_ROWS}
    dropped = db.execute(_SQL["drop_counters"], asked).fetchall()
    is_last = len(dropped) < PIECE_ROWS
    if is_last:
        dropped += db.execute(_SQL["totals"], asked).fetchall()
        db.execute(_SQL["forget_totals"], asked)
    keys = [CounterKey(*row[:4]) for row in dropped]
    sent = [stored_counter(key, row) for key, row in zip(keys, dropped, strict=True)]
    _take_from_digest(db, scope, [row for row in sent if row is not None])
    changes.note_stock(db, ((key.location, key.sku) for key in keys))
    return is_last


def _drop_documents(db: sqlite3.Connection, scope: Scope, after: DocumentKey) -> DocumentKey | None:
    """Look at some documents behind a key, and drop those that no held scope contains; where to go on, None at the end."""
    others = held(db).keys() - {scope}
    sent: dict[Scope, list[DocumentRow]] = defaultdict(list)
    gone: list[GoneDocument] = []
    asked = {**after._asdict(), "limit": PIECE_DOCUMENTS}
    found = db.execute(_SQL["documents_to_drop"], asked).fetchall()
    for row in found:
        key, named = DocumentKey(row["collection"], row["id"]), _scopes_of(row)
        if scope not in named or others & {*named}:
            continue
        document = stored_document(key, row)
        if document is not None:
            for each in named:
                sent[each].append(document)
        if row["is_edited"]:
            view.clear_document(db, key)
            view.show_changed(db, key, named)
        else:
            view.drop_document(db, key)
            gone.append(GoneDocument(key, named))
    for each, documents in sorted(sent.items()):
        _take_from_digest(db, each, documents)
    changes.note(db, Changed(gone_documents=tuple(gone)))
    is_last = len(found) < PIECE_DOCUMENTS
    return None if is_last else DocumentKey(found[-1]["collection"], found[-1]["id"])


def _scopes_of(row: sqlite3.Row) -> tuple[Scope, ...]:
    return tuple(Scope(name) for name in unpack(row["scopes"]))  # type: ignore[attr-defined]


def _take_from_digest(db: sqlite3.Connection, scope: Scope, dropped: Sequence[Row]) -> None:
    if dropped:
        state = read(db, scope)
        assert state is not None, "a scope is known from the first row that is in it"
        left = digest.exchange(state.digest, old=dropped, new=())
        save_digest(db, scope, left, state.hub_seq)


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
