"""The node's reports, as surfaces ask for them: one piece as it is, or all rows as a table.

Invariants: an answer is of one snapshot. One report reads at a time, on a reader of its own, so a table of a hundred
thousand rows leaves a reader to the tills, and the writer is never asked. A table that would be larger than
`REPORT_TABLE_BYTES_MAX` is refused, not cut.
"""

import asyncio
import io
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from node.commands.answering import time_to_text
from node.commands.depicting import sees_office_part
from node.commands.requests import Caller, Refusal
from node.exchange.tables import Table
from node.local import Local
from node.replica import identity
from node.reports.coverage import freshness
from node.reports.frame import Moment, Note, Piece, Report, Row, Span, note_json
from protocol.limits import (
    LIST_LIMIT_MAX,
    REPORT_TABLE_BYTES_MAX,
    REPORT_TABLE_ROWS_MAX,
    REPORTS_WAITING_MAX,
)
from runtime.store import Store
from runtime.world import World

T = TypeVar("T")


class TableMade(NamedTuple):
    """A report as CSV, and what its lines do not say."""

    content: bytes
    as_of: str
    caught_up: bool
    notes: tuple[Note, ...]
    following: str | None
    """Where to go on after a table of one piece; None after the last row."""


class Reports:
    """Those of one node."""

    def __init__(self, store: Store, world: World, local: Local) -> None:
        self._store = store
        self._world = world
        self._local = local
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def page(self, caller: Caller, report: Report, span: Span) -> dict[str, object]:
        """One piece as JSON shows it, with the totals if it is the first.

        Raises:
            Refusal: `validation_failed` for a cursor that no piece gave; `unavailable` when too many wait.
        """
        return await self._read(caller, lambda db, moment: _page(db, moment, report, span))

    async def table(
        self, caller: Caller, report: Report, columns: Sequence[str], span: Span | None
    ) -> TableMade:
        """The rows as CSV in UTF-8: of one piece, or with None all of them, of one moment.

        Raises:
            Refusal: as for a page; `too_large` for more than `REPORT_TABLE_ROWS_MAX` rows.
        """
        return await self._read(
            caller, lambda db, moment: _table(db, moment, report, columns, span)
        )

    async def _read(self, caller: Caller, query: Callable[[sqlite3.Connection, Moment], T]) -> T:
        if self._waiting >= REPORTS_WAITING_MAX:
            raise Refusal("unavailable", "too many reports are waiting; ask again in a moment")

        def run(db: sqlite3.Connection) -> T:
            certificate = identity.read_identity(db).certificate
            shown_to = sees_office_part(caller)
            return query(db, Moment(self._world.now_ms(), certificate, shown_to, self._local.kept))

        self._waiting += 1
        try:
            async with self._turn:
                return await self._store.read(run)
        finally:
            self._waiting -= 1


def _page(db: sqlite3.Connection, moment: Moment, report: Report, span: Span) -> dict[str, object]:
    piece = report.piece(db, moment, span)
    notes = (*report.notes(db, moment), *piece.notes)
    return {
        "as_of": time_to_text(moment.now_ms),
        "node": freshness(db, moment),
        "notes": [note_json(note) for note in notes],
        "totals": report.totals(db, moment) if span.cursor is None else None,
        "items": piece.rows,
        "next": piece.following,
    }


def _table(
    db: sqlite3.Connection,
    moment: Moment,
    report: Report,
    columns: Sequence[str],
    span: Span | None,
) -> TableMade:
    notes, rows, following = [*report.notes(db, moment)], 0, None
    out = io.BytesIO()
    with io.TextIOWrapper(out, encoding="utf-8", newline="") as text:
        table = Table(text, columns)
        for piece in _pieces(db, moment, report, span):
            table.writerows(_flat(row) for row in piece.rows)
            text.flush()
            rows += len(piece.rows)
            if rows > REPORT_TABLE_ROWS_MAX or out.tell() > REPORT_TABLE_BYTES_MAX:
                raise _too_large()
            notes.extend(piece.notes)
            following = piece.following
        content = out.getvalue()
    caught_up = freshness(db, moment)["caught_up"] is True
    return TableMade(content, time_to_text(moment.now_ms), caught_up, tuple(notes), following)


def _pieces(
    db: sqlite3.Connection, moment: Moment, report: Report, span: Span | None
) -> Iterator[Piece]:
    """The one that is asked for, or every one."""
    if span is not None:
        yield report.piece(db, moment, span)
        return
    cursor: str | None = None
    while True:
        piece = report.piece(db, moment, Span(LIST_LIMIT_MAX, cursor))
        yield piece
        cursor = piece.following
        if cursor is None:
            return


def _too_large() -> Refusal:
    told = f"a table has at most {REPORT_TABLE_ROWS_MAX} rows; ask for one location, or for pages with limit"
    return Refusal("too_large", told)


def _flat(row: Row) -> dict[str, object]:
    """Money in two columns: `value` and `value_currency`."""
    flat: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat[name], flat[f"{name}_currency"] = value["amount"], value["currency"]
        else:
            flat[name] = value
    return flat
