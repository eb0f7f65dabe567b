"""The view: the hub's rows joined with the own operations that they do not include yet.

Invariant: `counter.value` = `counter.total` + Σ `pending_delta` of the row, and `document.shown` = `document.fields`
joined with the row's `pending_edit`, after every transaction. A pending effect goes exactly when the row's mark or its
scope's says that the hub's row includes it, or when the hub says that it counts nowhere.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from node.replica import changes, log, numbering, search
from node.replica.changes import Changed, GoneDocument
from protocol import merge
from protocol.codec import pack, unpack
from protocol.declarations.catalogue import SKUS
from protocol.declarations.vocabulary import OFFICE_SUFFIX
from protocol.documents import EMPTY, Document, fields_from_wire, fields_to_wire
from protocol.effects import (
    CounterEffect,
    CounterKey,
    DocumentKey,
    Effect,
    FieldEffect,
    effects_from_wire,
    effects_to_wire,
)
from protocol.ids import Scope, Seq
from protocol.operation import decode
from runtime.queries import by_place, load_queries

_SQL: Final = load_queries(__file__, "view.sql")
_ADD_TO_COUNTER: Final = by_place(_SQL["add_to_counter"], CounterEffect._fields)
_ADD_PENDING_DELTA: Final = by_place(
    _SQL["add_pending_delta"], (*CounterEffect._fields[:4], "seq", "delta")
)
_NONE: Final = pack([])
_UNKNOWN: Final[Mapping[Seq, Sequence[FieldEffect]]] = {}


def record(db: sqlite3.Connection, seq: Seq, effects: Sequence[Effect]) -> None:
    """Put an own operation's effects on top, and show them."""
    put_on_top(db, seq, effects)
    counters = [effect for effect in effects if isinstance(effect, CounterEffect)]
    db.executemany(_ADD_TO_COUNTER, counters)
    if len(counters) == len(effects):
        return  # of documents nothing is edited, as by nearly every movement
    own: dict[DocumentKey, list[FieldEffect]] = defaultdict(list)
    for effect in effects:
        if isinstance(effect, FieldEffect):
            own[effect.key].append(effect)
    for key, edits in own.items():
        show_document(db, key, {seq: edits})


def put_on_top(db: sqlite3.Connection, seq: Seq, effects: Sequence[Effect]) -> None:
    """Note that an own operation's effects are not in the hub's rows; what is shown stays as it is."""
    edits: dict[DocumentKey, list[Effect]] = defaultdict(list)
    deltas = []
    for effect in effects:
        if isinstance(effect, CounterEffect):
            deltas.append((*effect[:4], seq, effect.delta))
        else:
            edits[effect.key].append(effect)
    db.executemany(_ADD_PENDING_DELTA, deltas)
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
    _forget_edits(db, _edits_of(db, f"[{seq:d}]"))


def forget_inside(db: sqlite3.Connection, scope: Scope, own: Seq) -> None:
    """A whole scope includes our log up to `own`: what is still on top of its rows up to there goes.

    Normally each row's own mark was there first; this is for effects whose row the hub never changed.
    """
    _forget_deltas(db, scope, own)
    asked = {"own": own, "scope": scope.encode()}
    _forget_edits(db, db.execute(_SQL["edits_near"], asked).fetchall(), (scope,))


def forget_unread(
    db: sqlite3.Connection, scopes: Collection[Scope], own: Seq, held: Collection[Scope]
) -> None:
    """The hub has our log up to `own`, and `scopes` are not held: what is on top of their rows up to there goes.

    A document that is in one of those held besides is left: their pages say when its row includes the edit.
    """
    for scope in sorted(scopes):
        _forget_deltas(db, scope, own)
    _forget_edits(db, _unread(db, _edits_up_to(db, own), held), scopes)


def edited(db: sqlite3.Connection) -> dict[DocumentKey, frozenset[Scope]]:
    """The documents that have edits on top, and the scopes in which they are shown."""
    found: dict[DocumentKey, frozenset[Scope]] = {}
    for edit in db.execute(_SQL["edits"]).fetchall():
        key = DocumentKey(edit["collection"], edit["id"])
        found[key] = found.get(key, frozenset()) | _scopes_of_edit(db, edit)
    return found


def edited_in(
    db: sqlite3.Connection, wanted: Collection[Scope], held: Collection[Scope]
) -> set[Scope]:
    """Which of these scopes show a document that has edits on top and is in none of those held.

    Reads no more edits than it takes to find them: after a long absence there are as many as were made in it.
    """
    missing = {*wanted}
    edits = db.execute(_SQL["edits"])
    while missing and (edit := edits.fetchone()) is not None:
        if not missing.isdisjoint(_scopes_of_edit(db, edit)):
            named = _named(db, DocumentKey(*edit[:2]))
            missing -= named if named.isdisjoint(held) else frozenset()
    return {*wanted} - missing


def keep_inside(db: sqlite3.Connection, own: Seq, held: Collection[Scope]) -> None:
    """The hub has our log up to `own` in a history of which no row came yet: edits up to there become what it said.

    So they are shown until a row comes, or the end of one of the scopes held. Where none is, neither ever does. The
    caller takes the edits off and shows the documents anew.
    """
    edits = sorted(_edits_up_to(db, own), key=itemgetter("collection", "id"))
    for name, own_edits in groupby(edits, key=itemgetter("collection", "id")):
        key = DocumentKey(*name)
        base = _hubs(db, key)
        for edit in own_edits:
            base = merge.document_view(base, _edits(edit["effects"]))
        _save_base(db, key, base if base.scopes & {*held} else EMPTY)


def clear_document(db: sqlite3.Connection, key: DocumentKey) -> None:
    """Forget what the hub said of a document; the caller shows it anew, with what is on top."""
    _save_base(db, key, EMPTY)


def _forget_deltas(db: sqlite3.Connection, scope: Scope, own: Seq) -> None:
    family, _, location = scope.partition(":")
    if family == "stock":
        asked = {"location": location, "own": own}
        rows = db.execute(_SQL["forget_location_deltas"], asked).fetchall()
        _take_back(db, [{**row, "location": location} for row in rows])


def _edits_up_to(db: sqlite3.Connection, own: Seq) -> list[sqlite3.Row]:
    return db.execute(_SQL["edits_up_to"], {"own": own}).fetchall()


def _edits_of(db: sqlite3.Connection, seqs: str) -> list[sqlite3.Row]:
    return db.execute(_SQL["edits_of"], {"seqs": seqs}).fetchall()


def _unread(
    db: sqlite3.Connection, edits: Sequence[sqlite3.Row], held: Collection[Scope]
) -> list[sqlite3.Row]:
    """Those on documents that are in no scope held."""
    keys = {DocumentKey(*edit[:2]) for edit in edits}
    elsewhere = {key for key in keys if _named(db, key).isdisjoint(held)}
    return [edit for edit in edits if DocumentKey(*edit[:2]) in elsewhere]


def _forget_edits(
    db: sqlite3.Connection,
    edits: Sequence[sqlite3.Row],
    scopes: Collection[Scope] | None = None,
) -> None:
    """Take edits off, of all those only the ones on documents of `scopes` if they are given."""
    for edit in edits:
        was_in = _scopes_of_edit(db, edit)
        if scopes is None or not was_in.isdisjoint(scopes):
            key = DocumentKey(edit["collection"], edit["id"])
            db.execute(_SQL["forget_edit"], {**key._asdict(), "seq": edit["seq"]})
            show_changed(db, key, was_in)


def forget_some(db: sqlite3.Connection, scope: Scope, seqs: str, held: Collection[Scope]) -> None:
    """The hub's rows of a scope include these operations, a JSON array of positions: what is still on top of those goes.

    Of a scope that is not held, a document in one of those that are is left, as by `forget_unread`.
    """
    family, _, location = scope.partition(":")
    if family == "stock":
        asked = {"location": location, "seqs": seqs}
        rows = db.execute(_SQL["forget_some_deltas"], asked).fetchall()
        _take_back(db, [{**row, "location": location} for row in rows])
    edits = _edits_of(db, seqs)
    _forget_edits(db, edits if scope in held else _unread(db, edits, held), (scope,))


def has_on_top(db: sqlite3.Connection, key: CounterKey | DocumentKey, seq: Seq) -> bool:
    """Whether what an own operation does to a row is on top of it."""
    name = "has_delta" if isinstance(key, CounterKey) else "has_edit"
    return bool(db.execute(_SQL[name], {**key._asdict(), "seq": seq}).fetchone()[0])


def show_document(
    db: sqlite3.Connection,
    key: DocumentKey,
    known: Mapping[Seq, Sequence[FieldEffect]] = _UNKNOWN,
) -> bool:
    """Compute a document's view afresh from the hub's fields and the pending edits; False when nothing is left of it.

    Edits that are `known`, by their place in the log, are not decoded again.
    """
    row = db.execute(_SQL["read_document"], key._asdict()).fetchone()
    packed = _NONE if row is None else row["fields"]
    shown = Document(fields_from_wire(unpack(packed)), frozenset())
    for edit in db.execute(_SQL["row_edits"], key._asdict()):
        own = known.get(edit["seq"])
        shown = merge.document_view(shown, _edits(edit["effects"]) if own is None else own)
    if not shown.fields and (row is None or not row["hub_seq"]):
        drop_document(db, key)
        return False
    values = {
        "shown": pack(fields_to_wire(shown.fields)),
        "fields": packed,
        "scopes": _NONE if row is None else row["scopes"],
        "hub_seq": 0 if row is None else row["hub_seq"],
        "own": 0 if row is None else row["own"],
        "tail": None if row is None else row["tail"],
    }
    save_document(db, key, values)
    keep_findable(db, key, shown)
    return True


def save_document(db: sqlite3.Connection, key: DocumentKey, values: Mapping[str, object]) -> None:
    """Keep a document's row, numbered by the change that is the next to be noted; of an office's part the document too.

    No trigger does that: for each statement that may fire one SQLite begins a savepoint, at which FTS5 writes its words.
    """
    db.execute(_SQL["save_document"], {**key._asdict(), **values})
    if key.collection.endswith(OFFICE_SUFFIX):
        document = key.collection.removesuffix(OFFICE_SUFFIX)
        asked = {"collection": document, "part": key.collection, "id": key.id}
        db.execute(_SQL["note_office_part"], asked)


def keep_findable(db: sqlite3.Connection, key: DocumentKey, shown: Document) -> None:
    """Let words and barcodes, and the number that is the next, agree with what is shown of a document now."""
    _keep_found(db, key, shown)
    numbering.note(db, key, shown)


def _keep_found(db: sqlite3.Connection, key: DocumentKey, shown: Document) -> None:
    if key.collection == SKUS.name:
        search.keep(db, key.id, shown.fields)


def drop_document(db: sqlite3.Connection, key: DocumentKey) -> None:
    """Forget a document that has nothing on top, and how it is found."""
    db.execute(_SQL["drop_document"], key._asdict())
    _keep_found(db, key, EMPTY)


def show_changed(db: sqlite3.Connection, key: DocumentKey, was_in: Iterable[Scope]) -> None:
    """Show a document anew, and number that; until now it was shown in the scopes `was_in`."""
    if show_document(db, key):
        changes.note_document(db, key)
    else:
        gone = GoneDocument(key, tuple(sorted(was_in)))
        changes.note(db, Changed(gone_documents=(gone,)))


def _save_base(db: sqlite3.Connection, key: DocumentKey, base: Document) -> None:
    """Keep what is below the edits of a document that the hub has not sent; what is shown stays as it is."""
    fields, scopes = pack(fields_to_wire(base.fields)), pack(sorted(base.scopes))
    db.execute(_SQL["save_base"], {**key._asdict(), "fields": fields, "scopes": scopes})


def _edits(packed: bytes) -> list[FieldEffect]:
    effects = effects_from_wire(unpack(packed))
    return [effect for effect in effects if isinstance(effect, FieldEffect)]


def _scopes_of_edit(db: sqlite3.Connection, edit: sqlite3.Row) -> frozenset[Scope]:
    key = DocumentKey(edit["collection"], edit["id"])
    return _hubs_scopes(db, key).union(*(effect.scopes for effect in _edits(edit["effects"])))


def _named(db: sqlite3.Connection, key: DocumentKey) -> frozenset[Scope]:
    """The scopes that a document is shown in, with all that is on top of it."""
    edits = db.execute(_SQL["row_edits"], key._asdict()).fetchall()
    effects = (effect for edit in edits for effect in _edits(edit["effects"]))
    return _hubs_scopes(db, key).union(*(effect.scopes for effect in effects))


def _hubs_scopes(db: sqlite3.Connection, key: DocumentKey) -> frozenset[Scope]:
    row = db.execute(_SQL["read_document"], key._asdict()).fetchone()
    named: Iterable[str] = () if row is None else unpack(row["scopes"])  # type: ignore[assignment]
    return frozenset(map(Scope, named))


def _hubs(db: sqlite3.Connection, key: DocumentKey) -> Document:
    """A document as the hub said, without what is on top; EMPTY when it never did."""
    row = db.execute(_SQL["read_document"], key._asdict()).fetchone()
    if row is None:
        return EMPTY
    scopes = frozenset(Scope(name) for name in unpack(row["scopes"]))  # type: ignore[attr-defined]
    return Document(fields_from_wire(unpack(row["fields"])), scopes)


def _take_back(db: sqlite3.Connection, deltas: Sequence[sqlite3.Row | dict[str, object]]) -> None:
    db.executemany(_SQL["take_from_counter"], [dict(row) for row in deltas])
    changes.note_stock(db, ((row["location"], row["sku"]) for row in deltas))  # type: ignore[misc]
