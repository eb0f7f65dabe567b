"""The audit of a node: everything that is recorded here, newest first, movements, edits and notes alike.

Rule: a piece looks at no more than AUDIT_EXAMINED_MAX records; where few of them are wanted it is short, and its cursor
goes on. What is told of a record is what its operation says.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

import orjson

from node.commands.answering import id_to_text, time_to_text
from node.replica import audited, identity
from node.replica.audited import Walk
from node.reports.frame import Moment, Note, Piece, Row, Span
from protocol.audit import Record, Wanted
from protocol.limits import AUDIT_EXAMINED_MAX, AUDIT_PAYLOAD_BYTES_MAX

_ONLY_HERE: Final = Note(
    "recorded_here",
    "This is what was recorded at this node, and others' movements at its locations; the hub has the audit of the chain.",
)


class Audit:
    """What was recorded here, as far as it is wanted."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """See `Report`."""
        del db, moment
        return (_ONLY_HERE,)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object] | None:
        """None: to count what is wanted would be to read all of it."""
        del db, moment
        return None

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """See `Report`."""
        del moment
        walk = Walk() if span.cursor is None else Walk.of_cursor(span.cursor)
        me = identity.read_position(db).replica
        rows: list[Row] = []
        looked_at = 0
        for record, after in audited.newest(db, me, walk):
            looked_at, walk = looked_at + 1, after
            if self._wanted.takes(record):
                rows.append(row_of(record))
            if len(rows) == span.limit or looked_at == AUDIT_EXAMINED_MAX:
                return Piece(rows, walk.to_cursor())
        return Piece(rows, None)


def row_of(record: Record) -> Row:
    """A record as JSON shows it."""
    return {
        "recorded_at": time_to_text(record.recorded_at_ms),
        "occurred_at": time_to_text(record.occurred_at_ms),
        "actor": record.actor,
        "device": record.device,
        "action": record.action,
        "entity_type": None if record.entity is None else record.entity.type,
        "entity_id": None if record.entity is None else record.entity.id,
        "location": record.location,
        "payload": payload_text(record.payload),
        "replica": None if record.replica is None else record.replica.hex(),
        "seq": record.seq or None,
        "id": None if record.op_id is None else id_to_text(record.op_id),
    }


def payload_text(payload: Mapping[str, object]) -> str:
    """A payload as JSON in one line, bytes in hexadecimal; of one too large only how large it is."""
    text = orjson.dumps(payload, default=_shown, option=orjson.OPT_SORT_KEYS)
    if len(text) > AUDIT_PAYLOAD_BYTES_MAX:
        text = orjson.dumps({"left_out_bytes": len(text)})
    return text.decode()


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no plain value")
