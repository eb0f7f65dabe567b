"""Saving what a list says of documents, a row each: created where it is new, changed where it differs.

Invariants:
- A row's key decides first: what was saved under it is answered again, whatever became of the document since. So a list
  that was read in counts once, however often it is read in.
- Of a document that is there only fields are written that the row names and that differ from what is shown.
"""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import orjson

from node.commands.documents import id_of_new, op_id_of, repeat, write_changes, write_new
from node.commands.editable import (
    Work,
    check_changes,
    check_creates,
    checked_changes,
    checked_new,
)
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import require
from node.replica import answers, documents
from node.replica.answers import Kept, Slot
from node.replica.documents import Held
from protocol.access.table import action
from protocol.codec import with_sorted_keys
from protocol.declarations.editing import Asked
from protocol.declarations.naming import codes_of
from protocol.declarations.reading import value_of
from protocol.declarations.vocabulary import Collection, Set
from protocol.ids import OpId


class Outcome(StrEnum):
    """What a row came to."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """It says what is there already; nothing was recorded."""


class Row(NamedTuple):
    """What is said of one document."""

    key: str
    """The idempotency key, as one of the rows of this collection."""
    asked: Asked
    id: str | None = None
    """Of a document that is there, in a collection with drawn ids; None for a new one, or where the row's codes say it."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a row; `body` is JSON, kept as sent so that a repeat gets the same bytes."""

    status: int
    body: bytes
    repeated: bool

    @property
    def outcome(self) -> Outcome:
        """What it came to when it was saved."""
        return Outcome(orjson.loads(self.body)["outcome"])


def save(
    db: sqlite3.Connection, here: Here, caller: Caller, collection: Collection, row: Row
) -> Saved:
    """Save one row, or answer again what was answered to its key. Durable with the transaction.

    The answer names the document and what became of it; it does not show it, since a list of small changes may be of
    large documents.

    Raises:
        Refusal: `forbidden`, `not_found`, `conflict` in a stage that is closed to edits, `validation_failed`,
            `too_large`, `idempotency_key_reused`. What was written until then must be rolled back.
    """
    work = Work(db, here, caller, collection)
    slot, request = _slot(caller, collection, row.key), _request(row)
    if (kept := answers.find(db, slot)) is not None:
        repeat(kept, request)
        return Saved(kept.status, kept.body, repeated=True)
    require(caller, action(f"{collection.name}.create"))
    edit_id = op_id_of(here, slot)
    id_, held = _found(work, row, edit_id)
    _check_person(work, row, held)
    if held is None:
        write_new(work, edit_id, id_, row.asked)
        outcome = Outcome.CREATED
    else:
        changed = write_changes(work, edit_id, held, row.asked)
        outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
    status = 201 if outcome is Outcome.CREATED else 200
    body = orjson.dumps({"id": id_, "outcome": outcome})
    answers.keep(db, slot, Kept(request, status, body), here.now_ms)
    return Saved(status, body, repeated=False)


def _check_person(work: Work, row: Row, held: Held | None) -> None:
    if held is None:
        check_creates(work, row.asked)
    else:
        check_changes(work, held)


def judge(
    db: sqlite3.Connection, here: Here, caller: Caller, collection: Collection, row: Row
) -> Outcome | None:
    """What `save` would come to at this moment, None for a repeat. Reads only.

    Raises: as `save`, but for `too_large`.
    """
    work = Work(db, here, caller, collection)
    slot = _slot(caller, collection, row.key)
    if (kept := answers.find(db, slot)) is not None:
        repeat(kept, _request(row))
        return None
    require(caller, action(f"{collection.name}.create"))
    id_, held = _found(work, row, op_id_of(here, slot))
    _check_person(work, row, held)
    if held is None:
        checked_new(work, id_, row.asked)
        return Outcome.CREATED
    return Outcome.CHANGED if checked_changes(work, held, row.asked) else Outcome.UNCHANGED


def id_of_row(here: Here, caller: Caller, collection: Collection, key: str) -> str:
    """The id that a row gets that makes a document with a drawn one: the same for its repeat."""
    return id_of_new(collection, {}, op_id_of(here, _slot(caller, collection, key)))


def _slot(caller: Caller, collection: Collection, key: str) -> Slot:
    return Slot(caller.name, f"{collection.name}/batch", key)


def _request(row: Row) -> bytes:
    return answers.request_digest(with_sorted_keys({"id": row.id, "asked": row.asked}))


def _found(work: Work, row: Row, edit_id: OpId) -> tuple[str, Held | None]:
    """The document that a row is about, which is there or is to be made."""
    collection = work.collection
    id_ = id_of_new(collection, row.asked, edit_id) if row.id is None else row.id
    held = documents.one(work.db, collection, id_)
    if held is not None:
        _check_set_once(collection, row.asked, held)
        return id_, held
    if row.id is not None:
        raise Refusal("not_found", f"there is no {collection.one} with this id here")
    for field in collection.fields:
        if field.required and row.asked.get(field.name) is None:
            raise Refusal("validation_failed", f"a new {collection.one} needs {field.name}")
    return id_, None


def _check_set_once(collection: Collection, asked: Asked, held: Held) -> None:
    shown = {**held.fields, **codes_of(collection, held.id)}
    for field in collection.fields:
        if field.set is not Set.AT_CREATION or asked.get(field.name) is None:
            continue
        if asked[field.name] != value_of(field, shown):
            raise Refusal("validation_failed", f"{field.name} is set once, at creation")
