"""Creating, changing and archiving documents of any declared collection.

Invariant: an edit is one operation, in one transaction with its place in the log, the view, the change that is told of it
and the answer to its key; or nothing at all. It names only fields that differ from what its author was shown. Nothing
is ever deleted: archiving is a field, which can be taken back.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from node.commands.depicting import document_body, tag_of
from node.commands.editable import (
    Work,
    check_changes,
    check_creates,
    checked_changes,
    checked_new,
    missing,
    rights_of,
    values_of,
)
from node.commands.entering import enter
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import require
from node.replica import answers, documents, numbering
from node.replica.answers import Kept, Slot
from node.replica.documents import Held
from protocol.access import device_may
from protocol.access.table import action
from protocol.certificate import Role
from protocol.codec import with_sorted_keys
from protocol.declarations import editing
from protocol.declarations.editing import Asked, Author, Change
from protocol.declarations.naming import (
    OFFICE_SCOPE,
    codes_of,
    id_fault,
    id_of,
    scopes_of,
)
from protocol.declarations.reading import Values
from protocol.declarations.vocabulary import (
    ARCHIVED,
    CREATED_AT,
    CREATED_AT_NODE,
    CREATED_BY,
    NUMBER,
    Audience,
    Collection,
)
from protocol.documents import apply, size_fault
from protocol.effects import DocumentKey, FieldEffect
from protocol.ids import OpId, Scope, op_id
from protocol.operation import Operation

KIND: Final = "edit"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Written:
    """What a command on a document answers; the body is JSON, kept as sent so that a repeat gets the same bytes."""

    id: str
    status: int
    body: bytes
    replayed: bool


def create(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    collection: Collection,
    asked: Asked,
    key: str,
) -> Written:
    """Create a document, or answer again what was answered to this key. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `conflict` when there is one already, `validation_failed`, `idempotency_key_reused`.
    """
    work = Work(db, here, caller, collection)
    slot = Slot(caller.name, collection.name, key)
    request = answers.request_digest(with_sorted_keys(asked))
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    check_creates(work, asked)
    edit_id = op_id_of(here, slot)
    id_ = id_of_new(collection, asked, edit_id)
    if (held := documents.one(db, collection, id_)) is not None:
        raise Refusal("conflict", _already_there(collection, held))
    write_new(work, edit_id, id_, asked)
    return answer(work, slot, request, id_, 201)


def write_new(work: Work, edit_id: OpId, id_: str, asked: Asked) -> None:
    """Record a document that is not there yet, if it may be. The caller keeps the answer.

    Raises:
        Refusal: `forbidden`, `validation_failed`, `too_large`.
    """
    db, here, caller, collection = work
    wanted, values = checked_new(work, id_, asked), {**asked, **codes_of(collection, id_)}
    made = [
        Change(CREATED_AT, here.now_ms),
        Change(CREATED_BY, caller.by),
        Change(CREATED_AT_NODE, here.certificate.name),
    ]
    if (numbered_by := numbering.LOCATION_FIELD.get(collection.name)) is not None:
        number = numbering.next_number(db, str(values[numbered_by]), id_)
        made.append(Change(NUMBER, number))
    _append(work, edit_id, id_, values, [*wanted, *made], "create")


def change(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    collection: Collection,
    id_: str,
    asked: Asked,
    key: str,
    if_match: Sequence[str] | None = None,
) -> Written:
    """Change fields of a document, or answer again what was answered to this key. Durable with the transaction.

    What would change nothing is answered and not recorded. `if_match` are the tags of the states that the caller is
    willing to change; None for any.

    Raises:
        Refusal: `not_found`, `forbidden`, `precondition_failed`, `conflict` in a stage that is closed to edits,
            `validation_failed`, `idempotency_key_reused`.
    """
    slot = Slot(caller.name, f"{collection.name}/{id_}", key)
    return _edit(Work(db, here, caller, collection), id_, asked, slot, if_match)


def _edit(
    work: Work, id_: str, asked: Asked, slot: Slot, if_match: Sequence[str] | None
) -> Written:
    db, _, caller, collection = work
    request = answers.request_digest(with_sorted_keys(asked))
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    require(caller, action(f"{collection.name}.change"))
    held = documents.one(db, collection, id_)
    if held is None:
        raise Refusal("not_found", missing(collection))
    check_changes(work, held)
    if if_match is not None and tag_of(document_body(collection, held, caller)) not in if_match:
        raise Refusal("precondition_failed", f"this {collection.one} was changed meanwhile")
    write_changes(work, op_id_of(work.here, slot), held, asked)
    return answer(work, slot, request, id_, 200)


def write_changes(work: Work, edit_id: OpId, held: Held, asked: Asked) -> bool:
    """Record what differs from what is shown, if it may be; False when nothing does. The caller keeps the answer.

    Raises:
        Refusal: `forbidden`, `conflict`, `validation_failed`, `too_large`.
    """
    wanted = checked_changes(work, held, asked)
    if wanted:
        _append(work, edit_id, held.id, values_of(work.collection, held), wanted, "change")
    return bool(wanted)


def _already_there(collection: Collection, held: Held) -> str:
    if held.fields.get(ARCHIVED) is True:
        return f"there was such a {collection.one}, and it is archived; change `archived` to take it back"
    return f"there is such a {collection.one} already"


def archive(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    collection: Collection,
    id_: str,
    key: str,
    if_match: Sequence[str] | None = None,
) -> Written:
    """Take a document out of use; see `change`. Its keys are apart from those of changes."""
    slot = Slot(caller.name, f"archive/{collection.name}/{id_}", key)
    work = Work(db, here, caller, collection)
    return _edit(work, id_, {ARCHIVED: True}, slot, if_match)


# --- recording --------------------------------------------------------------------------------------------------


def op_id_of(here: Here, slot: Slot) -> OpId:
    """The same for a repeat at any node that writes the same locations, and no other node's: names of tokens are a node's own."""
    certificate = here.certificate
    if certificate.writes and certificate.role is not Role.OFFICE:
        home, client = str(certificate.writes[0]), slot.client
    else:
        home, client = "", f"{certificate.name}\0{slot.client}"
    return op_id(here.chain, home, client, slot.route, slot.key)


def id_of_new(collection: Collection, asked: Asked, edit_id: OpId) -> str:
    """The id of a new document: what its codes say, else what the edit's own id says.

    Raises:
        Refusal: `validation_failed` for codes that are too long together.
    """
    if not collection.identity:
        text = edit_id.hex()  # a repeat of the request after a restored backup is the same document
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    id_ = id_of([str(asked[name]) for name in collection.identity])
    if fault := id_fault(id_):
        raise Refusal("validation_failed", fault)
    return id_


def _append(
    work: Work,
    edit_id: OpId,
    id_: str,
    values: Values,
    wanted: Sequence[Change],
    action: str,
) -> None:
    db, here = work.db, work.here
    effects, present = _effects(work, id_, values, wanted)
    operation = Operation(
        edit_id,
        here.now_ms,
        here.now_ms,
        here.clock_offset_ms,
        work.caller.by,
        work.caller.name,
        KIND,
        _VERSION,
        effects,
        {"collection": work.collection.name, "id": id_, "action": action},
    )
    if not device_may(rights_of(here), operation, present):
        raise Refusal("forbidden", f"this node does not write this {work.collection.one}")
    enter(db, here.replica, operation)


def _effects(
    work: Work, id_: str, values: Values, wanted: Sequence[Change]
) -> tuple[tuple[FieldEffect, ...], dict[DocumentKey, frozenset[Scope]]]:
    """The effects on the document and on the office's part of it, and the scopes that those written are in already.

    Raises:
        Refusal: `too_large` when no page could carry the document any more.
    """
    collection = work.collection
    of_office = {one.name for one in collection.fields if one.audience is Audience.OFFICE}
    is_office = work.here.certificate.role is Role.OFFICE
    author = Author(work.here.replica, work.here.now_ms, is_office)
    found: list[FieldEffect] = []
    present: dict[DocumentKey, frozenset[Scope]] = {}
    for name, scopes, part in (
        (
            collection.name,
            scopes_of(collection, values),
            [c for c in wanted if c.field not in of_office],
        ),
        (collection.office_part, (OFFICE_SCOPE,), [c for c in wanted if c.field in of_office]),
    ):
        if not part:
            continue
        key = DocumentKey(name, id_)
        held = documents.states(work.db, key)
        present[key] = held.scopes
        effects = editing.effects_of(collection, key, scopes, part, held, author)
        if fault := size_fault(apply(held, effects)):
            raise Refusal("too_large", fault)
        found += effects
    return tuple(found), present


# --- answering --------------------------------------------------------------------------------------------------


def answer(work: Work, slot: Slot, request: bytes, id_: str, status: int) -> Written:
    """Show the document as it is now, and keep that as the answer to the key."""
    held = documents.one(work.db, work.collection, id_)
    assert held is not None, "just written, or just read"
    body = document_body(work.collection, held, work.caller)
    answers.keep(work.db, slot, Kept(request, status, body), work.here.now_ms)
    return Written(id_, status, body, replayed=False)


def repeat(kept: Kept, request: bytes) -> Written:
    """Answer what was answered before.

    Raises:
        Refusal: `idempotency_key_reused` when the request is another one.
    """
    if kept.request != request:
        raise Refusal("idempotency_key_reused", "this key was used before, for another request")
    id_: str = orjson.loads(kept.body)["id"]
    return Written(id_, kept.status, kept.body, replayed=True)
