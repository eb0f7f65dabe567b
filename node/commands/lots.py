"""Recalling a lot, and answering that a shop has seen it and what it did.

Invariants:
- A recall is the office's word in the lot's document, so it reaches every shop with the catalogue and counts there as soon as
  it is read. Nothing has to be delivered to a shop for its sales to be refused.
- An answer is the location's own and names the recall that was seen: one to an earlier recall answers no later one. Who
  has not answered is worked out from where the lot ever was, so nobody has to be asked by name.
"""

import sqlite3
from dataclasses import dataclass

from node.commands.documents import (
    Written,
    answer,
    id_of_new,
    op_id_of,
    repeat,
    write_changes,
    write_new,
)
from node.commands.editable import Work
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import check, require
from node.replica import answers, documents, tracing
from node.replica.answers import Slot
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.certificate import Role
from protocol.declarations.catalogue import LOTS
from protocol.declarations.naming import id_of
from protocol.declarations.vocabulary import ARCHIVED
from protocol.ids import Location, Lot, Sku
from protocol.picking import Standing


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a location answers."""

    location: Location | None
    """None: the only one that this node writes."""
    set_aside: int
    """Base units taken off the shelf."""


def recall(
    db: sqlite3.Connection, here: Here, caller: Caller, sku: Sku, lot: Lot, reason: str, key: str
) -> Written:
    """Call a lot back, also one that nobody has described; or answer again what was answered to this key. Durable with the
    transaction.

    Raises:
        Refusal: `forbidden` but at the office, `validation_failed`, `too_large`, `idempotency_key_reused`.
    """
    id_ = id_of([sku, lot])
    slot = Slot(caller.name, f"lots/{id_}/recall", key)
    request = answers.request_digest(reason)
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    check(caller, action("lots.recall"))
    if here.certificate.role is not Role.OFFICE:
        raise Refusal("forbidden", "only the office recalls a lot")
    work, edit_id = Work(db, here, caller, LOTS), op_id_of(here, slot)
    asked: dict[str, object] = {"status": Standing.RECALLED.value, "note": reason}
    held = documents.one(db, LOTS, id_)
    if held is None:
        asked = {"sku": sku, "code": lot, **asked}
        write_new(work, edit_id, id_of_new(LOTS, asked, edit_id), asked)
    else:
        write_changes(work, edit_id, held, {**asked, ARCHIVED: False})
    return answer(work, slot, request, id_, 200)


def acknowledge(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    sku: Sku,
    lot: Lot,
    given: Acknowledgement,
    key: str,
) -> Written:
    """Answer a recall for a location, or answer again what was answered to this key. Durable with the transaction.

    A second answer takes the place of the first: more was found behind the shelf.

    Raises:
        Refusal: `not_found`; `conflict` when the lot is not recalled; `forbidden` for a location that this node does not
            write; `validation_failed`, `idempotency_key_reused`.
    """
    id_ = id_of([sku, lot])
    slot = Slot(caller.name, f"lots/{id_}/acknowledge", key)
    request = answers.request_digest([given.location, given.set_aside])
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    right = action("lots.acknowledge")
    require(caller, right)
    location = _location(here, given.location)
    check(caller, right, Resource(frozenset({location})))
    held = documents.one(db, LOTS, id_)
    if held is None:
        raise Refusal("not_found", "there is no such lot here")
    recalled_ms = tracing.recalled_ms(db, sku, lot)
    if recalled_ms is None:
        raise Refusal("conflict", "this lot is not recalled")
    work = Work(db, here, caller, LOTS)
    said = {
        "by": caller.by,
        "at": here.now_ms,
        "recall": recalled_ms,
        "set_aside": given.set_aside,
    }
    write_changes(work, op_id_of(here, slot), held, {"acknowledged": {location: said}})
    return answer(work, slot, request, id_, 200)


def _location(here: Here, given: Location | None) -> Location:
    writes = here.certificate.writes
    if given is None:
        if len(writes) != 1:
            raise Refusal("validation_failed", "location says for which of several it is answered")
        return writes[0]
    # The office answers for a place that has no node of its own.
    if given not in writes and here.certificate.role is not Role.OFFICE:
        raise Refusal("forbidden", "this node does not answer for that location")
    return given
