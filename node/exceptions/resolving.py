"""A person says what became of an exception.

Invariants:
- What was said is an edit of the document under the exception's id, in one transaction with what the list shows and with the
  answer to its key. It adds an entry of its own, named by the operation, so nothing that was ever said is replaced.
- It is said of the version that the list shows in that very transaction, or, where the caller names one, of that one alone.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

import orjson

from node.commands.documents import Written, op_id_of, repeat, write_changes, write_new
from node.commands.editable import Work
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import check_found, require
from node.exceptions import listed, wording
from node.exceptions.listed import SAID, Listed
from node.exceptions.telling import exception_json
from node.replica import answers, changes, documents
from node.replica.answers import Kept, Slot
from node.replica.changes import Changed
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.certificate import Role
from protocol.declarations.resolutions import RESOLUTIONS

_MISSING: Final = "there is no such exception here"
_ABOUT: Final = (
    *("code", "matter", "location", "other_location", "sku", "lot"),
    *("collection", "document", "operation"),
)


def resolve(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    id_: str,
    note: str,
    version: str | None,
    key: str,
) -> Written:
    """Note what became of an exception, or answer again what was answered to this key. Durable with the transaction.

    Args:
        db: the writer's connection, in a transaction.
        here: this node, now.
        caller: who says it.
        id_: of the exception.
        note: what became of it.
        version: the one that the caller looked at; None for whichever it has.
        key: the idempotency key; each exception has keys of its own.

    Raises:
        Refusal: `not_found`; `conflict` when it was mended meanwhile, or has another version; `forbidden` for a till, and at
            a shop for what is about the whole chain; `validation_failed`, `too_large`, `idempotency_key_reused`.
    """
    slot = Slot(caller.name, f"exceptions/{id_}/resolve", key)
    request = answers.request_digest([note, version])
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    right = action("exceptions.resolve")
    require(caller, right)
    row = _row(db, id_, version)
    check_found(caller, right, _of(row), missing=_MISSING)
    if not row.location and here.certificate.role is not Role.OFFICE:
        raise Refusal("forbidden", "only the office resolves what is about the whole chain")
    _say(Work(db, here, caller, RESOLUTIONS), slot, row, note)
    if listed.look_again(db, id_):
        changes.note(db, Changed(exceptions=(id_,)))
    body = orjson.dumps(exception_json(db, _row(db, id_, None)))
    answers.keep(db, slot, Kept(request, 200, body), here.now_ms)
    return Written(id_, 200, body, replayed=False)


def _of(row: Listed) -> Resource:
    places = {row.location, row.other_location} - {"", None}
    return Resource(frozenset(str(place) for place in places), is_shared=True)


def _row(db: sqlite3.Connection, id_: str, version: str | None) -> Listed:
    row = listed.one(db, id_)
    if row is None:
        raise Refusal("not_found", _MISSING)
    if row.ended_ms is not None:
        raise Refusal("conflict", "it was mended meanwhile: there is nothing left to resolve")
    if version is not None and version != row.version:
        raise Refusal("conflict", "it has changed since it was looked at; look at it again")
    return row


def _say(work: Work, slot: Slot, row: Listed, note: str) -> None:
    # What is said at another node under the same key has another time and name in it: it is said there too.
    key = f"{slot.key}@{work.here.certificate.node.hex()}"
    edit_id = op_id_of(work.here, slot._replace(key=key))
    said: Mapping[str, object] = {
        "by": work.caller.by,
        "node": work.here.certificate.name,
        "at": work.here.now_ms,
        "note": note,
        "version": row.version,
        "sentence": wording.sentence(row),
    }
    entry = {SAID.name: {edit_id.hex(): said}}
    held = documents.one(work.db, RESOLUTIONS, row.id)
    if held is None:
        about = {name: getattr(row, name) for name in _ABOUT}
        write_new(work, edit_id, row.id, {**{n: v for n, v in about.items() if v}, **entry})
    else:
        write_changes(work, edit_id, held, entry)
