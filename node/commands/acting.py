"""Doing something with a document that has a course: what its workflow's table makes of it, recorded and answered.

Invariant: the steps of an act are recorded in one transaction with the answer to its key, or none of them is. Which steps
there are was decided by a pure table from what the view shows in that very transaction. A step without a name is the act
itself and takes the op_id of the caller's key.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import orjson

from node.commands import recording
from node.commands.depicting import document_json, sees_office_part
from node.commands.documents import Written, op_id_of, repeat
from node.commands.editable import missing
from node.commands.movements import Here
from node.commands.recording import Seen
from node.commands.requests import Caller, Refusal
from node.commands.rights import check_found, check_proved, require
from node.replica import answers, documents
from node.replica.answers import Kept, Slot
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.certificate import Role
from protocol.codec import with_sorted_keys
from protocol.declarations.naming import locations_of
from protocol.declarations.vocabulary import Collection
from protocol.ids import Location
from protocol.workflows.steps import Fault, Party, Step, StepRefused

_CODES: Final[Mapping[Fault, str]] = {
    Fault.WRONG_STAGE: "conflict",
    Fault.WRONG_PARTY: "forbidden",
    Fault.UNKNOWN_LINE: "conflict",
    Fault.BAD_CODE: "validation_failed",
    Fault.BAD_QUANTITY: "validation_failed",
    Fault.NOTHING_TO_DO: "conflict",
    Fault.TOO_MANY_LINES: "validation_failed",
    Fault.DOCUMENT_FULL: "too_large",
    Fault.SAME_PLACE: "validation_failed",
    Fault.NOT_COUNTED: "conflict",
    Fault.NOT_ASKED: "conflict",
    Fault.REASON_MISSING: "conflict",
    Fault.SECOND_PERSON: "conflict",
}
"""What the caller is told: what another document, or another state of it, would allow is a conflict; what none would is
not valid."""


_OVERRIDE: Final = action("stock.override_lot")


class Asked(NamedTuple):
    """Who asks for what to be done with which document."""

    collection: Collection
    id: str
    verb: str
    request: object
    """All else that was asked, plain: a repeat of the key with another request is refused."""
    override: str | None = None
    """Why lots that may not be used leave all the same; None: they do not."""
    witness: str | None = None
    """The second person who saw goods leave."""


Decide = Callable[[Seen], Iterable[Step]]


def perform(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    asked: Asked,
    key: str,
    decide: Decide,
    beside: Callable[[], Mapping[str, object]] = dict,
) -> Written:
    """Do something with a document, or answer again what was answered to this key. Durable with the transaction.

    The answer is the document as it is shown afterwards, with `warnings`. What comes to no step is answered likewise and
    records nothing.

    Args:
        db: the writer's connection, in a transaction.
        here: this node, now.
        caller: whose key it is.
        asked: what is to be done.
        key: the idempotency key; each verb of each document has keys of its own.
        decide: the workflow's table, asked with the document as it is shown in this transaction.
        beside: what the answer says beside the document, asked when all is recorded.

    Raises:
        Refusal: `forbidden`, `not_found`, `idempotency_key_reused`, `insufficient_stock`, `too_large`; or what the table
            refuses, with its own name as `fault`.
    """
    slot = Slot(caller.name, f"{asked.collection.name}/{asked.id}/{asked.verb}", key)
    request = answers.request_digest(with_sorted_keys(asked.request))
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    right = action(f"{asked.collection.name}.{asked.verb}")
    require(caller, right)
    if asked.override is not None:
        require(caller, _OVERRIDE)
    check_proved(caller, asked.witness)
    seen = recording.see(db, asked.collection, asked.id, op_id_of(here, slot))._replace(
        override=asked.override, witness=asked.witness
    )
    if not seen.is_whole:
        raise Refusal("not_found", f"of this {asked.collection.one} only a part has come here yet")
    places = Resource(locations_of(asked.collection, seen.values), is_shared=True)
    check_found(caller, right, places, missing=missing(asked.collection))
    try:
        steps = tuple(decide(seen))
    except StepRefused as refused:
        fault = refused.fault
        raise Refusal(_CODES[fault], refused.detail, fault=fault.value) from refused
    warnings = recording.append(db, here, caller.by, seen, steps, asked.verb, device=caller.name)
    held = documents.one(db, asked.collection, asked.id)
    assert held is not None, "nothing that a step does takes a document away"
    shown = document_json(asked.collection, held, for_office=sees_office_part(caller))
    body = orjson.dumps({**shown, **beside(), "warnings": [*seen.notices, *warnings]})
    answers.keep(db, slot, Kept(request, 200, body), here.now_ms)
    return Written(asked.id, 200, body, replayed=False)


def parties_of(here: Here, caller: Caller, places: Mapping[Party, Location]) -> frozenset[Party]:
    """Whose part whoever asks takes here: of each place that this node writes and they are of, and the office's if it is one.

    At a node of both ends of a transfer, somebody of one of them moves no goods of the other.
    """
    own = None if caller.person is None else caller.person.locations
    writes = here.certificate.writes
    found = {
        party
        for party, location in places.items()
        if location in writes and (not own or location in own)
    }
    return frozenset(found | ({Party.OFFICE} if here.certificate.role is Role.OFFICE else set()))
