"""Noting what happened here and is no movement and no edit: who signed in, what was opened, exported or refused.

Invariant: a note is an operation of this node's log, entered in the transaction of what it tells of, so that neither is
there without the other. It has no effect on stock or documents, and is no part of selling: no command that a till waits
for while it sells may write one.
"""

import sqlite3
from hashlib import blake2b
from typing import Final, NamedTuple

from node.commands.entering import enter
from node.commands.movements import Here
from node.replica import log, tallies
from protocol.codec import pack
from protocol.ids import Seq, op_id
from protocol.limits import NOTES_UNPROVEN_PER_HOUR_MAX
from protocol.notes import NOTE_PREFIX, UNPROVEN, Note, to_details
from protocol.operation import Operation

_VERSION: Final = 1
_HOUR_MS: Final = 3_600_000
_LEFT_OUT: Final = "left_out"
"""In a note of what anybody can bring about: how many before it were not noted."""


class Who(NamedTuple):
    """Who did what is noted, and at which till or screen."""

    actor: str
    device: str


def note(db: sqlite3.Connection, here: Here, who: Who, told: Note) -> Seq | None:
    """Note something; its place in the log. Durable with the transaction.

    None when nothing was noted: this node was let go and records no more, or anybody can bring this about and too many
    of it were noted within this hour (`protocol.notes.UNPROVEN`).

    Args:
        db: the writer's connection, in a transaction.
        here: this node at this moment.
        who: whoever did it; names of at most 100 characters.
        told: what happened. It holds no secret.

    Raises:
        ProtocolError: `bad_value` when a name, the entity or the payload is not well-formed; that is the caller's bug.
    """
    if here.certificate.writes_nothing:
        return None
    if told.action in UNPROVEN:
        hour = here.now_ms // _HOUR_MS
        # Apart, so that made-up names do not hide the guesses at somebody's.
        counted_as = told.action if told.entity is not None else f"{told.action} of nobody"
        left_out = tallies.count(db, counted_as, hour, most=NOTES_UNPROVEN_PER_HOUR_MAX)
        if left_out is None:
            return None
        if left_out:
            told = told._replace(payload={**told.payload, _LEFT_OUT: left_out})
    details = to_details(told)
    said = pack([*who, here.now_ms, told.action, details])
    # No client can choose it, nor guess it before: it follows from everything that was recorded here until now.
    key = blake2b(said, key=log.head(db).chain, digest_size=16).hexdigest()
    operation = Operation(
        op_id(here.chain, "", here.replica.hex(), "note", key),
        here.now_ms,
        here.now_ms,
        here.clock_offset_ms,
        who.actor,
        who.device,
        NOTE_PREFIX + told.action,
        _VERSION,
        (),
        details,
    )
    return enter(db, here.replica, operation)
