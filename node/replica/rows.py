"""Pages of the feed, taken in.

Invariant: a row is stored only when its hub_seq is larger than the one held, together with how far our own log is
inside it, its scope's digest, the view, and which state of the hub it was read in; the cursor follows with the last
piece. Any page may come twice.
"""

import sqlite3
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import orjson

from node.replica import changes, identity, recovery, scopes, view
from node.replica.changes import Changed
from node.replica.scopes import ScopeState
from node.replica.stored import stored_counter, stored_document
from protocol import digest
from protocol.codec import pack
from protocol.documents import fields_to_wire
from protocol.effects import CounterKey, DocumentKey
from protocol.frames.feed import Page
from protocol.ids import ReplicaId, Scope, Seq
from protocol.rows import CounterRow, DocumentRow, Row
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "rows.sql")
_VIEW: Final = load_queries(__file__, "view.sql")
PIECE_ROWS: Final = 200
"""Rows that a till's sale may have to wait for, with the commit they are in: 5 ms in the middle on two busy cores, where
400 take 7 and 1,000 take 9. A download where nobody sells is no slower for it; see intake.QUIET_S."""


class FeedGap(Exception):
    """A page begins beyond the scope's cursor: something between was never received."""


def pieces(page: Page) -> list[tuple[Row, ...]]:
    """The page's rows in transactions of bounded length; one empty piece for a page without rows."""
    return [page.rows[at : at + PIECE_ROWS] for at in range(0, len(page.rows), PIECE_ROWS)] or [()]


def take_in(
    db: sqlite3.Connection, page: Page, rows: tuple[Row, ...], replica: ReplicaId, *, finish: bool
) -> None:
    """Store some of a page's rows; with `finish` they are the last, and the cursor moves.

    Raises:
        FeedGap: nothing is stored; the session must start again from the cursors.
    """
    state = scopes.read(db, page.scope)
    if state is None or page.base > state.cursor:
        raise FeedGap(f"a page of {page.scope} begins at {page.base}")
    identity.note_head_seen(db, page.read_in)
    own = page.inside.get(replica, Seq(0))
    counters: list[CounterRow] = []
    if page.scope.startswith("stock:"):
        counters = [row for row in rows if isinstance(row, CounterRow)]
        counters = _take_counters(db, counters, own, state, page.scope)
    documents = _take_documents(db, [row for row in rows if isinstance(row, DocumentRow)], own)
    stock = dict.fromkeys((row.location, row.sku) for row in counters)
    changes.note(db, Changed(stock=tuple(stock), documents=tuple(documents)))
    if finish:
        _finish(db, page, own, first_time=not state.caught_up)


def _finish(db: sqlite3.Connection, page: Page, own: Seq, *, first_time: bool) -> None:
    if not page.more:
        if first_time:
            recovery.clear_unsent(db, page.scope)
        scopes.read_to_end(db, page.scope, own, page.inside)
        view.forget_inside(db, page.scope, own)
    scopes.advance(db, page.scope, page.to, page.salt)


def _take_counters(
    db: sqlite3.Connection, rows: Sequence[CounterRow], own: Seq, state: ScopeState, scope: Scope
) -> list[CounterRow]:
    """Store those that are newer, all in the same few statements, and return them."""
    # Of a counter named twice the last is the newest: a page is in the order of hub_seq. Then in the order of the
    # key, in which neighbours go to the same page of the table and of its index.
    rows = sorted({row[:4]: row for row in rows}.values(), key=itemgetter(0, 1, 2, 3))
    asked = _as_json(rows)
    held = _held_counters(db, asked)
    newer = [row for row in rows if (old := held.get(row[:4])) is None or old.hub_seq < row.hub_seq]
    if newer:
        sent = asked if len(newer) == len(rows) else _as_json(newer)
        _store_counters(db, sent, own, scope.partition(":")[2])
        _save_tails(db, newer)
        replaced = [old for row in newer if (old := held.get(row[:4])) is not None]
        total = digest.exchange(state.digest, old=replaced, new=newer)
        scopes.save_digest(db, scope, total, max(row.hub_seq for row in newer))
    return newer


def _held_counters(
    db: sqlite3.Connection, asked: str
) -> dict[tuple[str, str, str, int], CounterRow]:
    """What the hub said before of the counters of these rows."""
    held: dict[tuple[str, str, str, int], CounterRow] = {}
    for found in db.execute(_SQL["held_counters"], {"rows": asked}):
        row = stored_counter(CounterKey(*found[:4]), found)
        assert row is not None, "only those are read that the hub has sent"
        held[row[:4]] = row
    return held


def _store_counters(db: sqlite3.Connection, sent: str, own: Seq, location: str) -> None:
    """Store rows that include our log up to `own`, and show them with what is still on top.

    A statement for all of them and not for each: the thread that stores then needs the interpreter once and not once a
    row, and the event loop, which serves the tills, goes on meanwhile.
    """
    values = {"rows": sent, "own": own}
    # Other shops' rows, which are most, never have own effects on top.
    if db.execute(_SQL["location_has_deltas"], {"location": location}).fetchone()[0]:
        db.execute(_SQL["forget_deltas_inside"], values)
        db.execute(_SQL["save_counters_below_deltas"], values)
    else:
        db.execute(_SQL["save_counters"], values)


def _save_tails(db: sqlite3.Connection, rows: Sequence[CounterRow]) -> None:
    """What a newer hub adds to rows: bytes, which JSON cannot hold, so a statement for each."""
    for row in rows:
        if row.tail:
            db.execute(_SQL["save_tail"], {**row.key._asdict(), "tail": pack(list(row.tail))})


def _as_json(rows: Sequence[CounterRow]) -> str:
    """The rows without their tails, as a statement takes them."""
    return orjson.dumps([row[:6] for row in rows]).decode()


def _take_documents(
    db: sqlite3.Connection, rows: Sequence[DocumentRow], own: Seq
) -> list[DocumentKey]:
    """Store those that are newer, and return which they are."""
    replaced: list[tuple[DocumentRow | None, DocumentRow]] = []
    for row in rows:
        held = db.execute(_VIEW["read_document"], row.key._asdict()).fetchone()
        if held is None or held["hub_seq"] < row.hub_seq:
            replaced.append((stored_document(row.key, held), row))
            store_document(db, row, own)
    scopes.replace_rows(db, replaced)
    return [row.key for _, row in replaced]


def store_counter(db: sqlite3.Connection, row: CounterRow, own: Seq) -> None:
    """Store a row that includes our log up to `own`, and show it with what is still on top; not its digest."""
    _store_counters(db, _as_json([row]), own, row.location)
    _save_tails(db, [row])


def store_document(db: sqlite3.Connection, row: DocumentRow, own: Seq) -> None:
    """The same of a document.

    An own edit that comes back as it was shown has nothing new for the index of words, which was written when it was made.
    """
    key = row.key._asdict()
    fields = pack(fields_to_wire(row.document.fields))
    values = {
        "shown": fields,
        "fields": fields,
        "scopes": pack(list(row.scopes)),
        "hub_seq": row.hub_seq,
        "own": own,
        "tail": pack(list(row.tail)) if row.tail else None,
    }
    comes_back = db.execute(_VIEW["forget_row_edits"], {**key, "own": own}).rowcount > 0
    was = db.execute(_VIEW["read_document"], key).fetchone() if comes_back else None
    view.save_document(db, row.key, values)
    if db.execute(_VIEW["row_edits"], key).fetchone() is not None:
        view.show_document(db, row.key)
    elif was is None or was["shown"] != fields:
        view.keep_findable(db, row.key, row.document)
