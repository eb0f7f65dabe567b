"""Which locations a node looks after, and by what each was looked at as a whole.

Invariants:
- A node looks after the locations that it writes. The office looks after those besides that its operator names, which
  have no node of their own, and after the chain.
- The day is that of the location's time zone, of the instant given. With a new day, or another number of days ahead, a
  location's basis is another one, and all of it is looked at again.
- Before a location's scopes were read to their end for the first time, nothing is raised there: half a catalogue and no
  stock yet look like empty shelves.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from node.alerting.looking import Days
from node.alerting.settings import Alerting
from node.alerting.state import CHAIN
from node.replica import identity, scopes
from node.replica.lots import Lots
from protocol.certificate import Certificate, Role
from protocol.ids import Scope

_FORM: Final = 1
"""Grows when what is looked at changes, so that a newer program looks at everything once."""


class Place(NamedTuple):
    """A location, or the chain, to look after."""

    days: Days
    basis: str
    is_ready: bool
    """Whether all of it was read from the hub once."""


def watched(certificate: Certificate, alerting: Alerting) -> tuple[str, ...]:
    """The locations to look after, "" for the chain; each once."""
    if certificate.role is not Role.OFFICE:
        return certificate.writes
    named = [one for one in alerting.locations if certificate.reads_location(one)]
    return tuple(dict.fromkeys((*certificate.writes, *named, CHAIN)))


def read_places(
    db: sqlite3.Connection, locations: Sequence[str], expiring_days: int, now_ms: int
) -> dict[str, Place]:
    """How each location stands at an instant, UTC milliseconds."""
    held, lots = set(scopes.held(db)), Lots(db, now_ms)
    # Scopes begin in the transaction that makes the epoch known; what has no rows yet at the hub is none.
    is_told = identity.read_position(db).epoch is not None
    all_read = scopes.all_caught_up(db)
    found = {}
    for location in locations:
        days = days_of(lots.today(location), expiring_days, now_ms)
        basis = f"{_FORM} {days.today} {expiring_days}"
        is_read = all_read or (location != CHAIN and _was_read(db, held, location))
        found[location] = Place(days, basis, is_told and is_read)
    return found


def days_of(today: str, expiring_days: int, now_ms: int) -> Days:
    """What counts as soon from a day on, as of an instant of that day."""
    first = date.fromisoformat(today)
    ahead = min(timedelta(days=expiring_days), date.max - first)
    return Days(now_ms, today, (first + ahead).isoformat())


def _was_read(db: sqlite3.Connection, held: set[Scope], location: str) -> bool:
    """Whether whatever this node reads of a location, and of the catalogue, was read to its end."""
    wanted = {Scope("catalogue"), Scope(f"stock:{location}"), Scope(f"docs:{location}")} & held
    states = [scopes.read(db, scope) for scope in sorted(wanted)]
    return all(one is not None and one.caught_up for one in states)
