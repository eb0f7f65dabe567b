"""Sessions and shifts as they are kept: the digests of tokens, and who holds them.

Invariant: a token itself is never stored. A session names the credential that was shown for it, by when that was set: once
another one is set, at whichever node, it is over.
"""

import sqlite3
from typing import Final, NamedTuple

from protocol.limits import SESSIONS_PER_PERSON_MAX, SIGN_IN_NAMES_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "sessions.sql")


class Session(NamedTuple):
    """One token of somebody who has signed in, or signed on at a till. Times are UTC milliseconds."""

    digest: bytes
    person: str
    """The user's id."""
    location: str
    """Of the post that they signed in by."""
    till: str
    """Of a shift, the till's name; "" of a session."""
    proof: int
    """When the credential was set that was shown."""
    created_at: int
    expires_at: int


class Kept(NamedTuple):
    """What a node remembers of those who signed in, or tried to."""

    sessions: list[Session]
    failures: dict[bytes, int]
    """By the digest of the name that was tried."""
    latest_ms: int
    """The latest moment that this node has lived to."""


def read(db: sqlite3.Connection) -> Kept:
    """Everything kept."""
    moment = db.execute(_SQL["moment"]).fetchone()
    return Kept(
        [Session(*row) for row in db.execute(_SQL["all"])],
        {row["name"]: row["failures"] for row in db.execute(_SQL["failures"])},
        0 if moment is None else moment["at"],
    )


def begin(db: sqlite3.Connection, session: Session, name: bytes) -> None:
    """Keep a session, forgive the failures of a name, and let the person's oldest sessions give way."""
    db.execute(_SQL["end_expired"], {"now": session.created_at})
    if session.till:
        db.execute(_SQL["end_of_till"], {"till": session.till})
    db.execute(_SQL["add"], session._asdict())
    most = {"person": session.person, "most": SESSIONS_PER_PERSON_MAX}
    db.execute(_SQL["surplus"], most)
    db.execute(_SQL["forgive"], {"name": name})
    db.execute(_SQL["lived_to"], {"at": session.created_at})


def of_till(db: sqlite3.Connection, till: str) -> list[Session]:
    """The shifts at a till, at most one; none of "", which is no till."""
    return [Session(*row) for row in db.execute(_SQL["of_till"], {"till": till})]


def end(db: sqlite3.Connection, digests: list[bytes]) -> list[Session]:
    """Forget sessions, and answer them; those that are not there are none."""
    ended = [
        Session(*row)
        for digest in digests
        for row in db.execute(_SQL["one"], {"digest": digest}).fetchall()
    ]
    db.executemany(_SQL["end"], [{"digest": digest} for digest in digests])
    return ended


def note_failures(db: sqlite3.Connection, name: bytes, failures: int, now_ms: int) -> None:
    """Remember how often a name was tried in vain, of so many names as are remembered."""
    added = db.execute(_SQL["failed"], {"name": name, "failures": failures})
    if added.rowcount and failures == 1:
        db.execute(_SQL["forget"], {"most": SIGN_IN_NAMES_MAX})
    db.execute(_SQL["lived_to"], {"at": now_ms})


def forgive(db: sqlite3.Connection, name: bytes) -> None:
    """Forget the failures of a name."""
    db.execute(_SQL["forgive"], {"name": name})
