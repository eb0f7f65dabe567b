"""Creating, changing and archiving documents of any declared collection.

Invariant: an edit is one operation, in one transaction with its place in the log, the view, the change that is told of it
and the answer to its key; or nothing at all. It names only fields that differ from what its author was shown. Nothing
is ever deleted: archiving is a field, which can be taken back.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from node.commands.depicting import document_body, tag_of
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Refusal
from node.replica import answers, changes, documents, log, numbering, view
from node.replica.answers import Kept, Slot
from node.replica.documents import Held
from protocol.access import DeviceRights, Edit, device_may, edit_fault
from protocol.certificate import Role
from protocol.codec import with_sorted_keys
from protocol.declarations import editing
from protocol.declarations.attributes import attribute_fault
from protocol.declarations.catalogue import ATTRIBUTES as DECLARED
from protocol.declarations.editing import Asked, Author, Change
from protocol.declarations.naming import (
    OFFICE_SCOPE,
    codes_of,
    id_fault,
    id_of,
    locations_of,
    scopes_of,
)
from protocol.declarations.reading import Values, shown_value, shown_values
from protocol.declarations.vocabulary import (
    ARCHIVED,
    ATTRIBUTES,
    CREATED_AT,
    CREATED_AT_NODE,
    CREATED_BY,
    NUMBER,
    STAGE,
    Audience,
    Collection,
)
from protocol.documents import apply, size_fault
from protocol.effects import DocumentKey, FieldEffect
from protocol.errors import ProtocolError
from protocol.ids import OpId, Seq, op_id
from protocol.operation import Operation, encode

KIND: Final = "edit"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Written:
    """What a command on a document answers; the body is JSON, kept as sent so that a repeat gets the same bytes."""

    id: str
    status: int
    body: bytes
    replayed: bool


class _Work(NamedTuple):
    """What every step of one command needs."""

    db: sqlite3.Connection
    here: Here
    caller: Caller
    collection: Collection


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
    work = _Work(db, here, caller, collection)
    slot = Slot(caller.name, collection.name, key)
    request = answers.request_digest(with_sorted_keys(asked))
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    _check_caller(caller)
    edit_id = op_id_of(work.here, slot)
    id_ = _id_of_new(collection, asked, edit_id)
    if (held := documents.one(db, collection, id_)) is not None:
        raise Refusal("conflict", _already_there(collection, held))
    wanted = editing.changes_of(collection, asked, {})
    values = {**asked, **codes_of(collection, id_)}
    _check_right(work, values, wanted, held=None)
    _check_meaning(work, asked, values, wanted, {})
    made = [
        Change(CREATED_AT, here.now_ms),
        Change(CREATED_BY, caller.name),
        Change(CREATED_AT_NODE, here.certificate.name),
    ]
    if (numbered_by := numbering.LOCATION_FIELD.get(collection.name)) is not None:
        number = numbering.next_number(db, str(values[numbered_by]), id_)
        made.append(Change(NUMBER, number))
    _append(work, edit_id, id_, values, [*wanted, *made], "create")
    return _answer(work, slot, request, id_, 201)


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
    return _edit(_Work(db, here, caller, collection), id_, asked, slot, if_match)


def _edit(
    work: _Work, id_: str, asked: Asked, slot: Slot, if_match: Sequence[str] | None
) -> Written:
    db, _, caller, collection = work
    request = answers.request_digest(with_sorted_keys(asked))
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    _check_caller(caller)
    held = documents.one(db, collection, id_)
    if held is None:
        raise Refusal("not_found", f"there is no such {collection.one} here")
    if if_match is not None and tag_of(document_body(collection, held, caller)) not in if_match:
        raise Refusal("precondition_failed", f"this {collection.one} was changed meanwhile")
    before = {**held.fields, **(held.office_fields or {})}
    wanted = editing.changes_of(collection, asked, before)
    if not wanted:
        return _answer(work, slot, request, id_, 200)
    _check_open(collection, held)
    values = {**shown_values(collection, held.fields, None), **codes_of(collection, id_)}
    after = {**values, **{name: value for name, value in wanted if "/" not in name}}
    _check_right(work, values, wanted, held=held)
    _check_meaning(work, asked, after, wanted, held.fields)
    _append(work, op_id_of(work.here, slot), id_, values, wanted, "change")
    return _answer(work, slot, request, id_, 200)


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
    work = _Work(db, here, caller, collection)
    return _edit(work, id_, {ARCHIVED: True}, slot, if_match)


# --- may it be --------------------------------------------------------------------------------------------------


def _check_caller(caller: Caller) -> None:
    if caller.authority is not Authority.OPERATOR:
        raise Refusal("forbidden", "a till reads documents and does not edit them")


def _check_right(work: _Work, values: Values, wanted: Sequence[Change], held: Held | None) -> None:
    fields = {field.partition("/")[0] for field, _ in wanted}
    edit = Edit(
        work.collection,
        locations_of(work.collection, values),
        held is None,
        fields,
        held is not None and _is_creator(work, held),
    )
    if fault := edit_fault(rights_of(work.here), edit):
        raise Refusal("forbidden", fault)


def rights_of(here: Here) -> DeviceRights:
    """What this node may write now."""
    return DeviceRights(here.certificate.role, here.certificate.writes)


def _is_creator(work: _Work, held: Held) -> bool:
    # A name is a token's at one node: every shop has its own `operator`.
    by, at = held.fields.get(CREATED_BY), held.fields.get(CREATED_AT_NODE)
    return (by, at) == (work.caller.name, work.here.certificate.name)


def _check_open(collection: Collection, held: Held) -> None:
    if not collection.open_while:
        return
    stands = shown_value(collection, STAGE, held.fields)
    if stands not in collection.open_while:
        raise Refusal("conflict", f"this {collection.one} is {stands}: it is not edited any more")


def _check_meaning(
    work: _Work, asked: Asked, after: Values, wanted: Sequence[Change], before: Values
) -> None:
    """Refuse what contradicts itself, the document or what the office has declared."""
    collection = work.collection
    fault = (
        editing.form_fault(collection, asked)
        or editing.agreement_fault(collection, after)
        or editing.entries_fault(collection, wanted, before)
        or _attribute_fault(work, wanted)
    )
    if fault:
        raise Refusal("validation_failed", fault)


def _attribute_fault(work: _Work, wanted: Sequence[Change]) -> str | None:
    for field, value in wanted:
        of, _, name = field.partition("/")
        if of == ATTRIBUTES and value is not None:
            fault = attribute_fault(_declared(work, name), value)
            if fault:
                return fault
    return None


def _declared(work: _Work, name: str) -> Values | None:
    """What the office declared of an attribute; None where it did not, or took it back."""
    held = documents.one(work.db, DECLARED, id_of([work.collection.name, name]))
    return None if held is None or held.fields.get(ARCHIVED) is True else held.fields


def _already_there(collection: Collection, held: Held) -> str:
    if held.fields.get(ARCHIVED) is True:
        return f"there was such a {collection.one}, and it is archived; change `archived` to take it back"
    return f"there is such a {collection.one} already"


# --- recording --------------------------------------------------------------------------------------------------


def op_id_of(here: Here, slot: Slot) -> OpId:
    """The same for a repeat at any node that writes the same locations, and no other node's: names of tokens are a node's own."""
    certificate = here.certificate
    if certificate.writes and certificate.role is not Role.OFFICE:
        home, client = str(certificate.writes[0]), slot.client
    else:
        home, client = "", f"{certificate.name}\0{slot.client}"
    return op_id(here.chain, home, client, slot.route, slot.key)


def _id_of_new(collection: Collection, asked: Asked, edit_id: OpId) -> str:
    if not collection.identity:
        text = edit_id.hex()  # a repeat of the request after a restored backup is the same document
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    id_ = id_of([str(asked[name]) for name in collection.identity])
    if fault := id_fault(id_):
        raise Refusal("validation_failed", fault)
    return id_


def _append(
    work: _Work,
    edit_id: OpId,
    id_: str,
    values: Values,
    wanted: Sequence[Change],
    action: str,
) -> None:
    db, here = work.db, work.here
    effects = _effects(work, id_, values, wanted)
    operation = Operation(
        edit_id,
        here.now_ms,
        here.now_ms,
        here.clock_offset_ms,
        work.caller.name,
        work.caller.name,
        KIND,
        _VERSION,
        effects,
        {"collection": work.collection.name, "id": id_, "action": action},
    )
    keys = {effect.key for effect in effects}
    present = {key: documents.states(db, key).scopes for key in keys}
    if not device_may(rights_of(here), operation, present):
        raise Refusal("forbidden", f"this node does not write this {work.collection.one}")
    try:
        body = encode(operation)
    except ProtocolError as error:
        raise Refusal("validation_failed", error.detail) from error
    end = log.head(db)
    seq = Seq(end.seq + 1)
    log.append(db, end, body)
    view.record(db, seq, operation.effects)
    changes.note_operation(db, seq)


def _effects(
    work: _Work, id_: str, values: Values, wanted: Sequence[Change]
) -> tuple[FieldEffect, ...]:
    """The effects on the document and on the office's part of it.

    Raises:
        Refusal: `too_large` when no page could carry the document any more.
    """
    collection = work.collection
    of_office = {one.name for one in collection.fields if one.audience is Audience.OFFICE}
    is_office = work.here.certificate.role is Role.OFFICE
    author = Author(work.here.replica, work.here.now_ms, is_office)
    found: list[FieldEffect] = []
    for name, scopes, part in (
        (
            collection.name,
            scopes_of(collection, values),
            [c for c in wanted if c.field not in of_office],
        ),
        (collection.office_part, (OFFICE_SCOPE,), [c for c in wanted if c.field in of_office]),
    ):
        key = DocumentKey(name, id_)
        held = documents.states(work.db, key)
        effects = editing.effects_of(collection, key, scopes, part, held, author)
        if fault := size_fault(apply(held, effects)):
            raise Refusal("too_large", fault)
        found += effects
    return tuple(found)


# --- answering --------------------------------------------------------------------------------------------------


def _answer(work: _Work, slot: Slot, request: bytes, id_: str, status: int) -> Written:
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
