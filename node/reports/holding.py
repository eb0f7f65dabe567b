"""Of which locations a report of what moved can speak: those whose movements this node keeps.

Rule: stock is read of every neighbour, movements only of the locations that a node writes, and of those that an office is set
to keep. A report names those of which it has the stock and not the movements, and never takes what it does not hold for
nothing.
"""

import sqlite3
from collections.abc import Sequence

from node.commands.requests import Refusal
from node.replica import history
from node.replica.kept import locations, with_stock
from node.reports.frame import Moment, Note, note_of
from protocol.certificate import Role

_TOLD = "This node does not keep the movements of these locations: ask the node that sells there."


def is_held(db: sqlite3.Connection, moment: Moment, location: str) -> bool:
    """Whether a location's movements are held here: they are to be, and what others had recorded there was read."""
    is_kept = moment.kept.includes(moment.certificate, location)
    return is_kept and history.is_fetched(db, location)


def kept(db: sqlite3.Connection, moment: Moment, location: str | None) -> list[str]:
    """The locations asked for whose movements are held here, by code."""
    return [one for one in _asked(db, moment, location) if is_held(db, moment, one)]


def not_kept_notes(
    db: sqlite3.Connection, moment: Moment, asked: Sequence[str]
) -> tuple[Note, ...]:
    """That the movements of some of these locations are not held here."""
    missing = [one for one in asked if not is_held(db, moment, one)]
    return (note_of("movements_not_held", _TOLD, missing),) if missing else ()


def asked_notes(db: sqlite3.Connection, moment: Moment, location: str | None) -> tuple[Note, ...]:
    """The same of the location that was asked for; else of all that this node writes, and at an office of the whole chain."""
    is_of_chain = location is None and moment.certificate.role is Role.OFFICE
    asked = with_stock(db) if is_of_chain else _asked(db, moment, location)
    return not_kept_notes(db, moment, asked)


def require_kept(db: sqlite3.Connection, moment: Moment, location: str | None) -> list[str]:
    """The locations asked for, every one of whose movements must be held here.

    Raises:
        Refusal: `movements_not_held`.
    """
    asked = _asked(db, moment, location)
    found = kept(db, moment, location)
    if missing := sorted(set(asked) - set(found)):
        raise Refusal(
            "movements_not_held", f"this node does not keep the movements of {missing[0]}"
        )
    if not found:
        raise Refusal("movements_not_held", "this node keeps the movements of no location")
    return found


def _asked(db: sqlite3.Connection, moment: Moment, location: str | None) -> list[str]:
    return locations(db, moment.certificate, moment.kept) if location is None else [location]
