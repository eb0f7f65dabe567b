"""Whether an edit of a document may be: by whom, of what, in which stage, and whether it contradicts itself.

Invariant: every way to write a document by hand asks here, with what the view shows in the very transaction that writes.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import check, check_found
from node.commands.scanned_lines import asked_in_base_units
from node.replica import documents
from node.replica.documents import Held
from protocol.access import DeviceRights, Edit, edit_fault
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.declarations import editing
from protocol.declarations.attributes import attribute_fault
from protocol.declarations.catalogue import ATTRIBUTES as DECLARED
from protocol.declarations.editing import Asked, Change
from protocol.declarations.naming import codes_of, id_of, locations_of
from protocol.declarations.reading import Values, shown_value, shown_values
from protocol.declarations.vocabulary import (
    ARCHIVED,
    ATTRIBUTES,
    CREATED_AT_NODE,
    CREATED_BY,
    STAGE,
    Collection,
    Writers,
)


class Work(NamedTuple):
    """What every step of one command on a document needs."""

    db: sqlite3.Connection
    here: Here
    caller: Caller
    collection: Collection


def checked_new(work: Work, id_: str, asked: Asked) -> list[Change]:
    """What a new document is made of, if it may be. Nothing is recorded.

    Raises:
        Refusal: `forbidden`, `validation_failed`.
    """
    asked = asked_in_base_units(work.db, work.collection, asked, work.here.now_ms)
    wanted = editing.changes_of(work.collection, asked, {})
    values = {**asked, **codes_of(work.collection, id_)}
    _check_right(work, values, wanted, held=None)
    _check_meaning(work, asked, values, wanted, {})
    return wanted


def checked_changes(work: Work, held: Held, asked: Asked) -> list[Change]:
    """What differs from what is shown, if it may be changed. Nothing is recorded.

    Raises:
        Refusal: `forbidden`, `conflict`, `validation_failed`.
    """
    collection = work.collection
    asked = asked_in_base_units(work.db, collection, asked, work.here.now_ms)
    before = {**held.fields, **(held.office_fields or {})}
    wanted = editing.changes_of(collection, asked, before)
    if wanted:
        _check_open(collection, held)
        values = values_of(collection, held)
        after = {**values, **{name: value for name, value in wanted if "/" not in name}}
        _check_right(work, values, wanted, held=held)
        _check_meaning(work, asked, after, wanted, held.fields)
    return wanted


def values_of(collection: Collection, held: Held) -> Values:
    """What is shown of a document, with what its id says."""
    return {**shown_values(collection, held.fields, None), **codes_of(collection, held.id)}


def check_creates(work: Work, asked: Asked) -> None:
    """Whether whoever asks may create a document that says what is asked.

    Raises:
        Refusal: `forbidden`.
    """
    places = locations_of(work.collection, asked)
    right = action(f"{work.collection.name}.create")
    # An internal order is the business of whoever it is for; a transfer, of whoever is at one of its ends.
    check(work.caller, right, Resource(places, is_shared=bool(places)))


def check_changes(work: Work, held: Held) -> None:
    """Whether whoever asks may change a document.

    Raises:
        Refusal: `forbidden`; `not_found` for one that is hidden from them.
    """
    collection = work.collection
    places = locations_of(collection, values_of(collection, held))
    owner = None
    if collection.writers is Writers.ITS_CREATOR:
        by, at = held.fields.get(CREATED_BY), held.fields.get(CREATED_AT_NODE)
        # A name is somebody's at one node: every shop has its own `till-1`.
        owner = str(by) if at == work.here.certificate.name else f"{by}@{at}"
    resource = Resource(places, is_shared=bool(places), owner=owner)
    right = action(f"{collection.name}.change")
    check_found(work.caller, right, resource, missing=missing(collection))


def missing(collection: Collection) -> str:
    """What is said of a document that is not there, or not for whoever asks."""
    return f"there is no such {collection.one} here"


def _check_right(work: Work, values: Values, wanted: Sequence[Change], held: Held | None) -> None:
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


def _is_creator(work: Work, held: Held) -> bool:
    # A name is a token's at one node: every shop has its own `operator`.
    by, at = held.fields.get(CREATED_BY), held.fields.get(CREATED_AT_NODE)
    return (by, at) == (work.caller.by, work.here.certificate.name)


def _check_open(collection: Collection, held: Held) -> None:
    if not collection.open_while:
        return
    stands = shown_value(collection, STAGE, held.fields)
    if stands not in collection.open_while:
        raise Refusal("conflict", f"this {collection.one} is {stands}: it is not edited any more")


def _check_meaning(
    work: Work, asked: Asked, after: Values, wanted: Sequence[Change], before: Values
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


def _attribute_fault(work: Work, wanted: Sequence[Change]) -> str | None:
    for field, value in wanted:
        of, _, name = field.partition("/")
        if of == ATTRIBUTES and value is not None:
            fault = attribute_fault(_declared(work, name), value)
            if fault:
                return fault
    return None


def _declared(work: Work, name: str) -> Values | None:
    """What the office declared of an attribute; None where it did not, or took it back."""
    held = documents.one(work.db, DECLARED, id_of([work.collection.name, name]))
    return None if held is None or held.fields.get(ARCHIVED) is True else held.fields
