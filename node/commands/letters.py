"""Sending a letter, and saying that one was read: each is an edit of a document in the mail of both locations.

Invariant: what is recorded is signed bytes and names nobody else than they do; a repeat is known by a keyed digest, since
a kept answer holds nothing of the text.
"""

import sqlite3
from typing import Final

import orjson

from node.commands.answering import id_to_text, time_to_text
from node.commands.entering import enter
from node.commands.movements import Here
from node.commands.requests import Answer, Caller, Refusal
from node.commands.rights import actor_of, check
from node.replica import answers, documents
from node.replica.answers import Kept, Slot
from node.replica.letters import LETTER, RECEIPT, HeldLetter, Refused, one
from protocol.access.people import Decision, Resource, decide
from protocol.access.table import Action, action
from protocol.clock import next_stamp
from protocol.declarations.people import USERS
from protocol.declarations.reading import shown_value
from protocol.declarations.vocabulary import ARCHIVED
from protocol.effects import FieldEffect, Join
from protocol.ids import Location, OpId, Scope
from protocol.letters import COLLECTION, Letter
from protocol.limits import LETTER_READERS_MAX
from protocol.operation import Operation

ROUTE: Final = "messages"
READ: Final = action("mail.read")
SEND: Final = action("mail.send")
_EDIT: Final = "edit"
_VERSION: Final = 1
_MISSING: Final = "there is no such message here"


def send(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    letter: Letter,
    sent: bytes,
    edit_id: OpId,
    slot: Slot,
    request: bytes,
) -> Answer:
    """Record a letter that was signed, or answer again what was answered to its key. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `idempotency_key_reused`.
    """
    if (kept := answers.find(db, slot)) is not None:
        if kept.request != request:
            raise Refusal("idempotency_key_reused", "this key was used before, for another request")
        return Answer(orjson.loads(kept.body)["id"], kept.status, kept.body, replayed=True)
    if not _has_mail(here, caller, SEND, letter.origin):
        raise Refusal("forbidden", f"this caller, or this node, does not write for {letter.origin}")
    if letter.person is not None and not _is_somebody(db, letter.person):
        raise Refusal("validation_failed", "person must be the id of somebody in the directory")
    _edit(db, here, caller, letter, edit_id, LETTER, sent)
    body = orjson.dumps(told(letter))
    answers.keep(db, slot, Kept(request, 201, body), here.now_ms)
    return Answer(id_to_text(letter.id), 201, body, replayed=False)


def check_reads(here: Here, caller: Caller) -> None:
    """Return if a caller reads any mail here.

    Raises:
        Refusal: `forbidden`.
    """
    check(caller, READ, Resource(frozenset(here.certificate.writes)))


def held(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: OpId, hub_public_key: bytes
) -> HeldLetter | Refused:
    """A letter that a caller may read.

    Raises:
        Refusal: `not_found`, `forbidden`.
    """
    found = one(db, id_, hub_public_key)
    if found is None:
        raise Refusal("not_found", _MISSING)
    check_reads(here, caller)
    if not may_read(here, caller, found):
        raise Refusal("not_found", _MISSING)
    return found


def may_read(here: Here, caller: Caller, found: HeldLetter | Refused) -> bool:
    """Whether a letter is for whoever asks: one of the location, and of the role if it is for a role; or of its sender's.
    One to a single person is for them there, and for whoever wrote it.

    That something was refused is for all who read mail here.
    """
    if isinstance(found, Refused):
        return any(_has_mail(here, caller, READ, place) for place in here.certificate.writes)
    letter, person = found.letter, caller.person
    if letter.person is not None:
        is_theirs = is_addressed(caller, letter) and _has_mail(here, caller, READ, letter.to)
        has_written = person is not None and person.name == letter.by
        return is_theirs or (has_written and _has_mail(here, caller, READ, letter.origin))
    has_role = letter.role is None or (person is not None and person.role == letter.role)
    return (has_role and _has_mail(here, caller, READ, letter.to)) or _has_mail(
        here, caller, READ, letter.origin
    )


def is_addressed(caller: Caller, letter: Letter) -> bool:
    """Whether whoever asks is the single person that a letter is to, if it is to one."""
    person = caller.person
    return letter.person is None or (person is not None and person.id == letter.person)


def note_read(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    found: HeldLetter,
    receipt: bytes,
    edit_id: OpId,
) -> bool:
    """Record that somebody read a letter; False when they had said so before. Durable with the transaction.

    Raises:
        Refusal: `forbidden` for whom it was not for, `conflict` when too many have read it.
    """
    letter = found.letter
    if not (is_addressed(caller, letter) and _has_mail(here, caller, READ, letter.to)):
        raise Refusal("forbidden", "only those it was sent to say that they read it")
    if any((one.by, one.location) == (caller.by, letter.to) for one in found.receipts):
        return False
    if len(found.receipts) >= LETTER_READERS_MAX:
        raise Refusal("conflict", f"{LETTER_READERS_MAX} people have read it already")
    _edit(db, here, caller, letter, edit_id, f"{RECEIPT}{caller.by}", receipt)
    return True


def told(letter: Letter) -> dict[str, object]:
    """What of a letter is seen without opening it, as REST shows it."""
    return {
        "id": id_to_text(letter.id),
        "origin": letter.origin,
        "to": letter.to,
        "role": letter.role if letter.person is None else None,
        "person": letter.person,
        "sent_at": time_to_text(letter.sent_at_ms),
        "by": letter.by,
        "about": None if letter.about is None else letter.about._asdict(),
    }


def _is_somebody(db: sqlite3.Connection, user: str) -> bool:
    held = documents.one(db, USERS, user)
    return held is not None and shown_value(USERS, ARCHIVED, held.fields) is not True


def _has_mail(here: Here, caller: Caller, right: Action, location: Location) -> bool:
    """Whether whoever asks has a right to a location's mail: a person of that location, at a node of it.

    Somebody of the whole chain has the mail of where they sit, and no other's.
    """
    person = caller.person
    if person is None or location not in here.certificate.writes:
        return False
    if person.locations and location not in person.locations:
        return False
    actor = actor_of(caller)
    return decide(actor, right, Resource(frozenset({location}))) is Decision.ALLOW


def _edit(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    letter: Letter,
    edit_id: OpId,
    field: str,
    value: bytes,
) -> None:
    scopes = tuple(sorted({Scope(f"mail:{letter.origin}"), Scope(f"mail:{letter.to}")}))
    stamp = next_stamp(None, here.now_ms, here.replica)
    join = int(Join.LWW)
    effect = FieldEffect(COLLECTION, letter.id.hex(), field, join, 0, value, stamp, scopes)
    operation = Operation(
        edit_id,
        here.now_ms,
        here.now_ms,
        here.clock_offset_ms,
        caller.by,
        caller.name,
        _EDIT,
        _VERSION,
        (effect,),
        {"collection": COLLECTION, "id": letter.id.hex()},
    )
    enter(db, here.replica, operation)
