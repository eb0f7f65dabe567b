"""Reading documents: one, or lists by id or by what changed since.

Invariants:
- A document is there when it has fields; one whose only edit was set aside by the hub is not.
- `changed` of a document is larger than every number of a change that was told before it was saved, so whoever has read
  a list and asks for what changed since its number misses nothing; some may be told twice.
- A list examines at most `DOCUMENTS_EXAMINED_MAX` documents for a page, so a rare filter gives short pages, not slow ones.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from node.replica import changes, identity
from node.replica.cursors import number_of, read_texts, write_cursor
from protocol.codec import unpack
from protocol.declarations.naming import codes_of, id_of
from protocol.declarations.reading import Values, shown_value
from protocol.declarations.vocabulary import ARCHIVED, NUMBER, Collection
from protocol.documents import Document, fields_from_wire
from protocol.effects import DocumentKey, FieldEffect, effects_from_wire
from protocol.ids import Scope
from protocol.limits import DOCUMENTS_EXAMINED_MAX, LIST_LIMIT_DEFAULT
from protocol.numbering import ids_with
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "documents.sql")


class Held(NamedTuple):
    """A document as it is shown."""

    id: str
    fields: Values
    office_fields: Values | None
    """Of the office's part; None where this node has none."""
    updated_ms: int
    """The newest stamp, UTC milliseconds."""


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """What to list."""

    collection: Collection
    matching: Mapping[str, object] = field(default_factory=dict)
    """Fields and the values that they must show; a number, and the first field of an id of two codes, need no search."""
    archived: bool | None = None
    """None: both."""
    since: tuple[bytes, int] | None = None
    """Only what changed after this number of this life, oldest change first; another life's number is before all."""
    limit: int = LIST_LIMIT_DEFAULT
    cursor: str | None = None


class Page(NamedTuple):
    """Some documents of a list."""

    items: list[Held]
    following: str | None
    life: bytes
    head: int
    """The newest change when the first page of this list was read: ask for what changed since this."""


class _Start(NamedTuple):
    head: int
    changed: int
    after: str


def one(db: sqlite3.Connection, collection: Collection, id_: str) -> Held | None:
    """One document; None when there is none."""
    asked = {"collection": collection.name, "office_part": collection.office_part, "id": id_}
    row = db.execute(_SQL["one"], asked).fetchone()
    return None if row is None else _held(id_, row)


def page(db: sqlite3.Connection, query: DocumentQuery) -> Page:
    """Documents by id, or with `since` by their last change.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    life = changes.life_of(identity.read_position(db).replica)
    start = _start(db, query, life)
    items: list[Held] = []
    examined, last = 0, None
    for row in db.execute(*_statement(query, start)):
        examined, last = examined + 1, row
        held = _held(row["id"], row)
        if held is not None and _is_asked_for(query, held):
            items.append(held)
            if len(items) == query.limit:
                break
    is_whole = len(items) < query.limit and examined < DOCUMENTS_EXAMINED_MAX
    if is_whole or last is None:
        return Page(items, None, life, start.head)
    following = write_cursor([str(start.head), str(last["changed"]), last["id"]])
    return Page(items, following, life, start.head)


def has_any(db: sqlite3.Connection, collection: Collection, first_code: str) -> bool:
    """Whether there is any document, archived or not, whose id of two codes begins with this one."""
    first, beyond = _range(first_code)
    asked = {"collection": collection.name, "first": first, "beyond": beyond}
    return bool(db.execute(_SQL["has_first_code"], asked).fetchone()[0])


def states(db: sqlite3.Connection, key: DocumentKey) -> Document:
    """A document's fields with what it takes to beat them, and every scope that it is in or will be."""
    row = db.execute(_SQL["states"], key._asdict()).fetchone()
    if row is None:
        return Document({}, frozenset())
    scopes = {Scope(name) for name in unpack(row["scopes"])}  # type: ignore[attr-defined]
    for edit in db.execute(_SQL["edits"], key._asdict()):
        effects = effects_from_wire(unpack(edit["effects"]))
        scopes.update(*(one.scopes for one in effects if isinstance(one, FieldEffect)))
    return Document(fields_from_wire(unpack(row["shown"])), frozenset(scopes))


def _start(db: sqlite3.Connection, query: DocumentQuery, life: bytes) -> _Start:
    _, newest = changes.bounds(db)
    if query.cursor is not None:
        head, changed, after = read_texts(query.cursor, 3)
        return _Start(number_of(head), number_of(changed), after)
    if query.since is None:
        return _Start(newest, -1, "")
    since_life, n = query.since
    # Also what was saved before documents were numbered: those have 0.
    return _Start(newest, n if since_life == life and n <= newest else -1, "\U0010ffff")


def _statement(query: DocumentQuery, start: _Start) -> tuple[str, dict[str, object]]:
    collection = query.collection
    asked: dict[str, object] = {
        "collection": collection.name,
        "office_part": collection.office_part,
        "after": start.after,
        "changed": start.changed,
        "limit": DOCUMENTS_EXAMINED_MAX,
    }
    if query.since is not None:
        return _SQL["by_change"], asked
    number = query.matching.get(NUMBER)
    if isinstance(number, str):
        lower, beyond = ids_with(number)
        return _SQL["by_first_code"], {**asked, "first": lower, "beyond": beyond}
    first = query.matching.get(collection.identity[0]) if len(collection.identity) == 2 else None
    if not isinstance(first, str):
        return _SQL["by_id"], asked
    lower, beyond = _range(first)
    return _SQL["by_first_code"], {**asked, "first": lower, "beyond": beyond}


def _range(first_code: str) -> tuple[str, str]:
    """Between which texts the ids of two codes are that begin with this one."""
    prefix = id_of([first_code, ""])
    return prefix, prefix[:-1] + "0"  # the sign after the slash


def _is_asked_for(query: DocumentQuery, held: Held) -> bool:
    if query.archived is not None and (held.fields.get(ARCHIVED) is True) != query.archived:
        return False
    if not query.matching:
        return True
    codes = codes_of(query.collection, held.id)
    for name, wanted in query.matching.items():
        shown = codes.get(name) or shown_value(query.collection, name, held.fields)
        if shown != wanted:
            return False
    return True


def _held(id_: str, row: sqlite3.Row) -> Held | None:
    fields, updated_ms = _values(row["shown"])
    if not fields:
        return None
    if row["office_shown"] is None:
        return Held(id_, fields, None, updated_ms)
    office_fields, office_updated_ms = _values(row["office_shown"])
    return Held(id_, fields, office_fields, max(updated_ms, office_updated_ms))


def _values(packed: bytes) -> tuple[dict[str, object], int]:
    """The values of packed fields and their newest stamp, without looking at them again: they were checked on the way in."""
    found: dict[str, object] = {}
    newest = 0
    for name, _join, _rank, value, stamp in unpack(packed):  # type: ignore[attr-defined]
        found[name] = value
        newest = max(newest, stamp[0])
    return found, newest
