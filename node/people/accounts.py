"""Writing people: creating somebody, granting a role, switching them off, setting what proves them.

Invariant: every change is an operation like any other, so it is made at the shop without the hub and the office sees it.
Each asks `decide` with what the person is and is to be, whichever is higher, in the transaction that writes.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from node.commands.documents import write_changes, write_new
from node.commands.editable import Work
from node.commands.movements import Here
from node.commands.noting import Who
from node.commands.requests import Caller, Refusal
from node.commands.rights import check
from node.people import roster
from node.people.telling import MEANS, tell_set
from node.replica import departures, documents
from protocol.access.people import OFFICE_ROLES, Resource, outranks
from protocol.access.table import PersonRole, action
from protocol.certificate import Role
from protocol.declarations.naming import EVERY_LOCATION, id_of
from protocol.declarations.people import CREDENTIALS, POSTS, USERS
from protocol.declarations.vocabulary import ARCHIVED, Collection
from protocol.ids import OpId, op_id


class Writing(NamedTuple):
    """What every change of people needs."""

    db: sqlite3.Connection
    here: Here
    caller: Caller
    draw: bytes
    """16 random bytes: the ids of the operations of one change follow from them."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody to create."""

    username: str
    display_name: str | None
    email: str | None
    location: str
    """`*` for head office."""
    role: PersonRole | None


class Proof(NamedTuple):
    """What is set of a credential, hashed already; None leaves what is there."""

    password: str | None = None
    pin: str | None = None
    badge: str | None = None
    must_change: bool | None = None
    """Whether somebody else has set the password; of a PIN or a badge it says nothing."""


class Subject(NamedTuple):
    """Whom a change is about."""

    id: str
    username: str
    highest: PersonRole | None
    """The highest role that they hold anywhere, as far as this node knows."""


def check_creates(caller: Caller, new: NewUser) -> None:
    """Return if a caller may create somebody.

    Raises:
        Refusal: `forbidden`.
    """
    resource = Resource(frozenset({new.location}), role=new.role, person=new.username)
    check(caller, action("users.create"), resource)


def create(writing: Writing, new: NewUser, proof: Proof) -> str:
    """Create somebody with a post, and what proves them there; their id. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `validation_failed`.
    """
    check_creates(writing.caller, new)
    return _write_user(writing, new, proof)


def sign_up(writing: Writing, new: NewUser, proof: Proof) -> str:
    """The same for somebody who asks for themselves: without a role, so without rights."""
    assert new.role is None, "nobody grants themselves anything"
    _check_place(writing.here, new.location, None)
    return _write_user(writing, new, proof)


def grant(writing: Writing, subject: Subject, location: str, role: PersonRole | None) -> None:
    """Make somebody something at a location, or with None nothing. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `validation_failed`.
    """
    _check(writing, "grant", location, subject.username, _higher(subject.highest, role))
    _check_place(writing.here, location, role)
    _write(writing, POSTS, id_of([location, subject.id]), {"role": role and role.value})


def set_disabled(writing: Writing, subject: Subject, location: str, *, disabled: bool) -> None:
    """Let somebody not sign in at a location any more, or again. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `not_found`.
    """
    _check(writing, "disable", location, subject.username, subject.highest)
    _require_post(writing, subject, location)
    _write(writing, POSTS, id_of([location, subject.id]), {"disabled": disabled})


def describe(
    writing: Writing, subject: Subject, location: str, wanted: Mapping[str, object]
) -> None:
    """Change what somebody is called, or where mail reaches them. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `not_found`.
    """
    _check(writing, "grant", location, subject.username, subject.highest)
    _write_described(writing, subject, location, wanted)


def archive(writing: Writing, subject: Subject, location: str) -> None:
    """Take somebody out of use, wherever they were something. Durable with the transaction.

    Raises:
        Refusal: `forbidden`.
    """
    _check(writing, "disable", location, subject.username, subject.highest)
    _write(writing, USERS, subject.id, {ARCHIVED: True})


def reset(writing: Writing, subject: Subject, location: str, proof: Proof) -> None:
    """Set what proves somebody at a location. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `not_found`.
    """
    _check(writing, "reset", location, subject.username, subject.highest)
    _require_post(writing, subject, location)
    write_proof(writing, subject.id, location, proof)


def write_proof(writing: Writing, user: str, location: str, proof: Proof) -> None:
    """Set what proves somebody, asked by themselves or by whoever may. What it was before proves nothing any more."""
    _write_proof(writing, user, location, proof)
    who = Who(writing.caller.by, writing.caller.name)
    given = [means for means in MEANS if getattr(proof, means) is not None]
    tell_set(writing.db, writing.here, who, user, location, given)


# --- private ----------------------------------------------------------------------------------------------------


def _write_proof(writing: Writing, user: str, location: str, proof: Proof) -> None:
    held = roster.credential(writing.db, location, user)
    at_ms = max(writing.here.now_ms, 0 if held is None else held.changed_ms + 1)
    given: dict[str, object] = _given(proof._asdict())
    if (mark := departures.mark_at(writing.db, location)) is not None:
        given["reset_for"] = mark
    if held is not None and held.must_reset:
        # What the revoked machine held beside what is set now must not open again with it.
        given = {**dict.fromkeys(MEANS), **given}
    _write(writing, CREDENTIALS, id_of([location, user]), {**given, "changed_at": at_ms})


def _write_user(writing: Writing, new: NewUser, proof: Proof) -> str:
    _check_place(writing.here, new.location, new.role)
    text = writing.draw.hex()
    id_ = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    is_of_office = new.location == EVERY_LOCATION
    home = {} if is_of_office else {"location": new.location}
    about = {"username": new.username, "display_name": new.display_name, **home}
    _write(writing, USERS, id_, _given(about))
    post = {"role": new.role and new.role.value, "email": new.email}
    _write(writing, POSTS, id_of([new.location, id_]), _given(post))
    _write_proof(writing, id_, new.location, proof)
    return id_


def _write_described(
    writing: Writing, subject: Subject, location: str, wanted: Mapping[str, object]
) -> None:
    if "display_name" in wanted:
        _write(writing, USERS, subject.id, {"display_name": wanted["display_name"]})
    if "email" in wanted:
        _require_post(writing, subject, location)
        _write(writing, POSTS, id_of([location, subject.id]), {"email": wanted["email"]})


def _write(writing: Writing, collection: Collection, id_: str, asked: Mapping[str, object]) -> None:
    work = Work(writing.db, writing.here, writing.caller, collection)
    edit_id = _op_id(writing, collection, id_)
    held = documents.one(writing.db, collection, id_)
    if held is not None:
        write_changes(work, edit_id, held, asked)
    else:
        write_new(work, edit_id, id_, asked)


def _op_id(writing: Writing, collection: Collection, id_: str) -> OpId:
    certificate = writing.here.certificate
    home = "" if certificate.role is Role.OFFICE else next(iter(certificate.writes), "")
    key = f"{id_}\0{writing.draw.hex()}"
    return op_id(writing.here.chain, home, writing.caller.name, f"people/{collection.name}", key)


def _check(
    writing: Writing, verb: str, location: str, username: str, role: PersonRole | None
) -> None:
    places = frozenset({location})
    resource = Resource(places, role=role, person=username)
    check(writing.caller, action(f"users.{verb}"), resource)


def _check_place(here: Here, location: str, role: PersonRole | None) -> None:
    """Whether a role can be held there: head office's at `*` alone, and nothing of a shop that this node does not write."""
    is_of_office = location == EVERY_LOCATION
    if role is not None and (role in OFFICE_ROLES) != is_of_office:
        where = "in the whole chain alone, at *" if role in OFFICE_ROLES else "at a location"
        raise Refusal("validation_failed", f"{role} is held {where}")
    if here.certificate.role is not Role.OFFICE and location not in here.certificate.writes:
        raise Refusal("forbidden", "this node does not write the people of that location")


def _require_post(writing: Writing, subject: Subject, location: str) -> None:
    if documents.one(writing.db, POSTS, id_of([location, subject.id])) is None:
        raise Refusal("not_found", "this person is nothing at that location")


def _higher(one: PersonRole | None, other: PersonRole | None) -> PersonRole | None:
    return other if outranks(other, one) else one


def _given(asked: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in asked.items() if value is not None}
