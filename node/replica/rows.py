"""Pages of the feed, taken in.

Invariant: a row is stored only when its hub_seq is larger than the one held, together with how far our own log is
inside it, its scope's digest and the view; the cursor follows with the last piece. Any page may come twice.
"""

import sqlite3
from typing import Final

from node.replica import recovery, scopes, view
from node.replica.stored import stored_counter, stored_document
from protocol import digest, merge
from protocol.codec import pack
from protocol.documents import fields_to_wire
from protocol.effects import CounterKey
from protocol.frames.feed import Page
from protocol.ids import HubSeq, ReplicaId, Scope, Seq
from protocol.rows import CounterRow, DocumentRow, Row
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "view.sql")
PIECE_ROWS: Final = 200
"""Rows taken in by one transaction: about 4 ms, so that a till's sale never waits longer."""


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
    own = page.inside.get(replica, Seq(0))
    if page.scope.startswith("stock:"):
        _take_counters(db, [row for row in rows if isinstance(row, CounterRow)], own, page.scope)
    for row in rows:
        if isinstance(row, DocumentRow):
            _take_document(db, row, own)
    if finish:
        _finish(db, page, own, first_time=not state.caught_up)


def _finish(db: sqlite3.Connection, page: Page, own: Seq, *, first_time: bool) -> None:
    if not page.more:
        if first_time:
            recovery.clear_unsent(db, page.scope)
        scopes.read_to_end(db, page.scope, own)
        view.forget_inside(db, page.scope, own)
    scopes.advance(db, page.scope, page.to, page.salt)


def _take_counters(db: sqlite3.Connection, rows: list[CounterRow], own: Seq, scope: Scope) -> None:
    state = scopes.read(db, scope)
    assert state is not None, "take_in has looked"
    location = scope.partition(":")[2]
    # Other shops' rows, which are most, never have own effects on top: one look spares them two statements each.
    has_own = bool(db.execute(_SQL["location_has_deltas"], {"location": location}).fetchone()[0])
    total, hub_seq = state.digest, state.hub_seq
    for row in rows:
        held = db.execute(_SQL["read_counter"], row.key._asdict()).fetchone()
        if held is None or held["hub_seq"] < row.hub_seq:
            _store_counter(db, row, own, _on_top(db, row.key, own) if has_own else 0)
            total = digest.replace(total, old=stored_counter(row.key, held), new=row)
            hub_seq = max(hub_seq, row.hub_seq)
    scopes.save_digest(db, scope, total, HubSeq(hub_seq))


def _on_top(db: sqlite3.Connection, key: CounterKey, own: Seq) -> int:
    """What still counts on top of a row that includes our log up to `own`."""
    db.execute(_SQL["forget_row_deltas"], {**key._asdict(), "own": own})
    pending: int = db.execute(_SQL["sum_row_deltas"], key._asdict()).fetchone()[0]
    return pending


def _store_counter(db: sqlite3.Connection, row: CounterRow, own: Seq, pending: int) -> None:
    tail = pack(list(row.tail)) if row.tail else None
    new = {
        "value": merge.counter_view(row.total, [pending]),
        "total": row.total,
        "hub_seq": row.hub_seq,
        "own": own,
        "tail": tail,
    }
    db.execute(_SQL["save_counter"], {**row.key._asdict(), **new})


def _take_document(db: sqlite3.Connection, row: DocumentRow, own: Seq) -> None:
    key = row.key._asdict()
    held = db.execute(_SQL["read_document"], key).fetchone()
    if held is not None and held["hub_seq"] >= row.hub_seq:
        return
    scopes.replace_row(db, old=stored_document(row.key, held), new=row)
    fields = pack(fields_to_wire(row.document.fields))
    db.execute(
        _SQL["save_document"],
        {
            **key,
            "shown": fields,
            "fields": fields,
            "scopes": pack(list(row.scopes)),
            "hub_seq": row.hub_seq,
            "own": own,
            "tail": pack(list(row.tail)) if row.tail else None,
        },
    )
    db.execute(_SQL["forget_row_edits"], {**key, "own": own})
    view.show_document(db, row.key)
