"""What was resolved and then mended is over: what was said of it says nothing of the next time.

Invariants:
- It is said by a node of the location, or at the office of what is about the whole chain, as an operation that is named by
  what it ends: whoever says it, however often, it counts once. So every node opens the next time that it is so.
- It is in the transaction that ends the row. What is not known to be over here (half of a catalogue, other rights) is not.
"""

import sqlite3
from typing import Final

import structlog

from node.commands import recording
from node.commands.movements import Here
from node.commands.requests import Refusal
from node.exceptions import listed
from node.exceptions.listed import OVER, Listed
from protocol.certificate import Role
from protocol.declarations.resolutions import RESOLUTIONS
from protocol.ids import Location, OpId
from protocol.workflows.steps import EDIT, FieldWrite, Step

ACTION: Final = "over"
_NO_ACT: Final = OpId(bytes(16))
_log = structlog.get_logger(__name__)


def note_over(db: sqlite3.Connection, here: Here, row: Listed) -> None:
    """Say that what was said of an exception so far is over, if that is for this node to say. Durable with the transaction."""
    if not _is_for_here(here, row):
        return
    said = listed.in_force(db, row.id, row.version)
    if not said:
        return  # another node of the location has said so, and the list was behind its word
    writes = tuple(FieldWrite(f"{OVER.name}/{entry}", value=True) for entry in said)
    step = Step(EDIT, Location(row.location), writes=writes, name=(ACTION, *said))
    try:
        seen = recording.see(db, RESOLUTIONS, row.id, _NO_ACT)
        recording.append(db, here, here.certificate.name, seen, [step], ACTION)
    except Refusal as refusal:
        # Found out before anything is written: the next time is resolved already, as it would be without this.
        _log.error("an exception cannot be said to be over", id=row.id, reason=str(refusal))


def _is_for_here(here: Here, row: Listed) -> bool:
    if row.location:
        return row.location in here.certificate.writes
    return here.certificate.role is Role.OFFICE
