"""The first answer to every request that recorded something, kept so that a repeat gets it again.

Invariant: an answer is written in the transaction that records what it answers, so there is never one without the
other. IETF draft-ietf-httpapi-idempotency-key-header is the shape; ours outlives crashes and is kept 400 days. They are
counted by the hub's clock, from the first mark behind the answer: a shop's own clock may be wrong by decades.
"""

import sqlite3
from hashlib import blake2b
from typing import Final, NamedTuple

from protocol.codec import pack
from protocol.limits import REMEMBERED_ANSWER_DAYS
from runtime.queries import by_place, load_queries

_SQL: Final = load_queries(__file__, "answers.sql")
_DAY_MS: Final = 86_400_000
PIECE_ANSWERS: Final = 500


class Slot(NamedTuple):
    """Where an answer is kept: keys are the caller's own, per route."""

    client: str
    route: str
    key: str


class Kept(NamedTuple):
    """An answer as it was given."""

    request: bytes
    status: int
    body: bytes


_FIND: Final = by_place(_SQL["find"], Slot._fields)
_KEEP: Final = by_place(_SQL["keep"], (*Slot._fields, *Kept._fields, "now"))


def request_digest(request: object) -> bytes:
    """What two requests are compared by: 16 bytes over the validated request, as plain values."""
    return blake2b(pack(request), digest_size=16).digest()


def find(db: sqlite3.Connection, slot: Slot) -> Kept | None:
    """The answer given before, if any."""
    row = db.execute(_FIND, slot).fetchone()
    return None if row is None else Kept(row["request"], row["status"], row["body"])


def keep(db: sqlite3.Connection, slot: Slot, answer: Kept, now_ms: int) -> None:
    """Keep an answer; the slot must be free."""
    db.execute(_KEEP, (*slot, *answer, now_ms))


def mark(db: sqlite3.Connection, hub_now_ms: int) -> None:
    """Note that every answer up to now was given before the hub's clock showed this."""
    db.execute(_SQL["mark"], {"hub_now": hub_now_ms})


def forget_old_piece(db: sqlite3.Connection, hub_now_ms: int) -> int:
    """Drop up to 500 answers marked more than 400 days ago; returns how many, so that the caller knows when to stop."""
    before = hub_now_ms - REMEMBERED_ANSWER_DAYS * _DAY_MS
    forgotten = db.execute(_SQL["forget_old"], {"before": before, "limit": PIECE_ANSWERS}).rowcount
    if forgotten < PIECE_ANSWERS:
        # In the same transaction: once all answers are gone, positions begin again at 1.
        db.execute(_SQL["forget_marks"], {"before": before})
    return forgotten
