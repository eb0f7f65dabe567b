"""What is noted of people: who signed in, was refused, was locked out, set what proves somebody, was at a till and when.

Invariant: no note holds what was typed: of a name that nobody has only that it was tried, since it may be a password in the
wrong place. Of guesses at one name the first is noted, and each that locks it; `commands.noting` bounds all of them by hour.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, Literal, get_args

from node.commands.answering import time_to_text
from node.commands.movements import Here
from node.commands.noting import Who, note
from node.people.roster import Roster, User
from node.people.sessions import Session
from protocol.limits import SIGN_IN_FAILURES_MAX
from protocol.notes import Action, Entity, Note

Means = Literal["password", "pin", "badge"]
MEANS: Final[tuple[Means, ...]] = get_args(Means)
NOBODY: Final = "(nobody)"
"""In the place of whoever tried a name that nobody has; no user name has such signs."""


def tell_begun(
    db: sqlite3.Connection, here: Here, user: User, session: Session, means: Means, *, for_lan: bool
) -> None:
    """Note that somebody signed in, or on at a till, and until when that is good unless it ends before."""
    action = Action.SHIFT_BEGAN if session.till else Action.SIGNED_IN
    said = {
        "location": session.location,
        "by": means,
        "until": time_to_text(session.expires_at),
        "from_elsewhere": for_lan,
    }
    who = Who(user.username, session.till or user.username)
    note(db, here, who, Note(action, _user(user.id), said))


def tell_ended(
    db: sqlite3.Connection, here: Here, roster: Roster, sessions: Iterable[Session]
) -> None:
    """Note of sessions and shifts that they were ended; those whose time was over ended as their beginning says."""
    for each in sessions:
        if each.expires_at > here.now_ms:
            user = roster.users.get(each.person)
            name = each.person if user is None else user.username
            action = Action.SHIFT_ENDED if each.till else Action.SIGNED_OUT
            told = Note(action, _user(each.person), {"location": each.location})
            note(db, here, Who(name, each.till or name), told)


def tell_failed(
    db: sqlite3.Connection,
    here: Here,
    user: User | None,
    device: str | None,
    means: Means,
    failures: int,
    why: str,
) -> None:
    """Note that a guess was wrong, if it is the first at a name or locks it. `user` is whose name it is, None for nobody's."""
    if failures >= SIGN_IN_FAILURES_MAX:
        _tell(
            db,
            here,
            Action.LOCKED_OUT,
            user,
            device,
            {"by": means, "why": why, "failures": failures},
        )
    elif failures == 1:
        tell_refused(db, here, user, device, means, why)


def tell_refused(
    db: sqlite3.Connection,
    here: Here,
    user: User | None,
    device: str | None,
    means: Means,
    why: str,
) -> None:
    """Note that somebody was not let in. `why` is `wrong`, `must_reset`, or what a person is told."""
    _tell(db, here, Action.SIGN_IN_REFUSED, user, device, {"by": means, "why": why})


def tell_set(
    db: sqlite3.Connection, here: Here, who: Who, user: str, location: str, what: Iterable[Means]
) -> None:
    """Note that what proves somebody at a location was set, and by whom."""
    said = {"location": location, "set": sorted(what)}
    note(db, here, who, Note(Action.PASSWORD_CHANGED, _user(user), said))


def _tell(
    db: sqlite3.Connection,
    here: Here,
    action: Action,
    user: User | None,
    device: str | None,
    said: dict[str, object],
) -> None:
    # Where it happened: a manager reads the audit of their own shop, and guesses at head office's names are made there too.
    places = here.certificate.writes
    place = {"location": places[0]} if len(places) == 1 else {}
    name = NOBODY if user is None else user.username
    entity = None if user is None else _user(user.id)
    note(db, here, Who(name, device or name), Note(action, entity, {**place, **said}))


def _user(id_: str) -> Entity:
    return Entity("users", id_)
