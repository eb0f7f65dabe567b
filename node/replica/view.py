"""The view: the hub's rows joined with the own operations that they do not include yet.

Invariant: `counter.value` = `counter.total` + Σ `pending_delta` of the row, and `document.shown` = `document.fields`
joined with the row's `pending_edit`, after every transaction. A pending effect goes exactly when the row's mark or its
scope's says that the hub's row includes it, or when the hub says that it counts nowhere.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from node.replica import changes, log
from protocol import merge
from protocol.codec import pack, unpack
from protocol.documents import Document, fields_from_wire, fields_to_wire
from protocol.effects import (
    CounterEffect,
    DocumentKey,
    Effect,
    FieldEffect,
    effects_from_wire,
    effects_to_wire,
)
from protocol.ids import Scope, Seq
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "view.sql")
_NO_FIELDS: Final = pack([])


def record(db: sqlite3.Connection, seq: Seq, effects: Sequence[Effect]) -> None:
    """Put an own operation's effects on top, and show them."""
    put_on_top(db, seq, effects)
    counters = [effect for effect in effects if isinstance(effect, CounterEffect)]
    db.executemany(_SQL["add_to_counter"], [effect._asdict() for effect in counters])
    for key in dict.fromkeys(effect.key for effect in effects if isinstance(effect, FieldEffect)):
        show_document(db, key)


def put_on_top(db: sqlite3.Connection, seq: Seq, effects: Sequence[Effect]) -> None:
    """Note that an own operation's effects are not in the hub's rows; what is shown stays as it is."""
    edits: dict[DocumentKey, list[Effect]] = defaultdict(list)
    deltas = []
    for effect in effects:
        if isinstance(effect, CounterEffect):
            deltas.append({**effect._asdict(), "seq": seq})
        else:
            edits[effect.key].append(effect)
    db.executemany(_SQL["add_pending_delta"], deltas)
    for key, own in edits.items():
        packed = pack(effects_to_wire(tuple(own)))
        db.execute(_SQL["add_pending_edit"], {**key._asdict(), "seq": seq, "effects": packed})


def forget_quarantined(db: sqlite3.Connection, seq: Seq) -> None:
    """Take an own operation out of the view: the hub has it without effect."""
    body = log.body_at(db, seq)
    effects = () if body is None else decode(body).effects
    # By location, since that is how the index begins: without it every operation would cost a scan of what is on top.
    for location in {effect.location for effect in effects if isinstance(effect, CounterEffect)}:
        at = {"location": location, "seq": seq}
        _take_back(db, db.execute(_SQL["forget_operation_deltas"], at).fetchall())
    edited = db.execute(_SQL["edited_by"], {"seq": seq}).fetchall()
    db.execute(_SQL["forget_operation_edits"], {"seq": seq})
    for row in edited:
        key = DocumentKey(row["collection"], row["id"])
        show_document(db, key)
        changes.note_document(db, key)


def forget_inside(db: sqlite3.Connection, scope: Scope, own: Seq) -> None:
    """A whole scope includes our log up to `own`: what is still on top of its rows up to there goes.

    Normally each row's own mark was there first; this is for effects whose row the hub never changed.
    """
    family, _, location = scope.partition(":")
    if family == "stock":
        rows = db.execute(
            _SQL["forget_location_deltas"], {"location": location, "own": own}
        ).fetchall()
        _take_back(db, [{**row, "location": location} for row in rows])
    _forget_edits(db, scope, db.execute(_SQL["edits_up_to"], {"own": own}).fetchall())


def _forget_edits(db: sqlite3.Connection, scope: Scope, edits: Sequence[sqlite3.Row]) -> None:
    for edit in edits:
        if scope in _scopes_of_edit(db, edit):
            key = DocumentKey(edit["collection"], edit["id"])
            db.execute(_SQL["forget_edit"], {**key._asdict(), "seq": edit["seq"]})
            show_document(db, key)
            changes.note_document(db, key)


def forget_some(db: sqlite3.Connection, scope: Scope, seqs: str) -> None:
    """A scope's rows include these operations, given as a JSON array: what is still on top of them of those goes."""
    family, _, location = scope.partition(":")
    if family == "stock":
        asked = {"location": location, "seqs": seqs}
        rows = db.execute(_SQL["forget_some_deltas"], asked).fetchall()
        _take_back(db, [{**row, "location": location} for row in rows])
    _forget_edits(db, scope, db.execute(_SQL["edits_of"], {"seqs": seqs}).fetchall())


def has_on_top(db: sqlite3.Connection, scope: Scope, seq: Seq) -> bool:
    """Whether an own operation, or a part of it, is on top of a scope's rows."""
    family, _, location = scope.partition(":")
    at = {"location": location, "seq": seq}
    if family == "stock" and db.execute(_SQL["has_deltas"], at).fetchone()[0]:
        return True
    edits = db.execute(_SQL["edits_of"], {"seqs": f"[{seq:d}]"}).fetchall()
    return any(scope in _scopes_of_edit(db, edit) for edit in edits)


def show_document(db: sqlite3.Connection, key: DocumentKey) -> None:
    """Compute a document's view afresh from the hub's fields and the pending edits."""
    row = db.execute(_SQL["read_document"], key._asdict()).fetchone()
    packed = _NO_FIELDS if row is None else row["fields"]
    scopes = [] if row is None else unpack(row["scopes"])
    shown = Document(fields_from_wire(unpack(packed)), frozenset())
    for edit in db.execute(_SQL["row_edits"], key._asdict()):
        shown = merge.document_view(shown, _edits(edit["effects"]))
    db.execute(
        _SQL["save_document"],
        {
            **key._asdict(),
            "shown": pack(fields_to_wire(shown.fields)),
            "fields": packed,
            "scopes": pack(scopes),
            "hub_seq": 0 if row is None else row["hub_seq"],
            "own": 0 if row is None else row["own"],
            "tail": None if row is None else row["tail"],
        },
    )


def _edits(packed: bytes) -> list[FieldEffect]:
    effects = effects_from_wire(unpack(packed))
    return [effect for effect in effects if isinstance(effect, FieldEffect)]


def _scopes_of_edit(db: sqlite3.Connection, edit: sqlite3.Row) -> set[Scope]:
    named = {name for effect in _edits(edit["effects"]) for name in effect.scopes}
    return named | _scopes_of_row(db, DocumentKey(edit["collection"], edit["id"]))


def _scopes_of_row(db: sqlite3.Connection, key: DocumentKey) -> set[Scope]:
    row = db.execute(_SQL["read_document"], key._asdict()).fetchone()
    return set() if row is None else {Scope(name) for name in unpack(row["scopes"])}  # type: ignore[attr-defined]


def _take_back(db: sqlite3.Connection, deltas: Sequence[sqlite3.Row | dict[str, object]]) -> None:
    db.executemany(_SQL["take_from_counter"], [dict(row) for row in deltas])
    changes.note_stock(db, ((row["location"], row["sku"]) for row in deltas))  # type: ignore[misc]
