"""Which locations a node looks after, and by what each was looked at as a whole.

Invariants:
- A node looks after the locations that it writes. The office looks after those besides that its operator names, which
  have no node of their own, and after the chain.
- The day is that of the location's time zone, of the instant given. With a new day, or another number of days ahead, a
  location's basis is another one, and all of it is looked at again.
- Before a location's scopes were read to their end for the first time, nothing is raised there: half a catalogue and no
  stock yet look like empty shelves.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from node.alerting.looking import Days
from node.alerting.settings import Alerting
from node.alerting.state import CHAIN
from node.replica import documents, identity, scopes
from protocol.certificate import Certificate, Role
from protocol.declarations import COLLECTIONS
from protocol.declarations.reading import shown_value
from protocol.ids import Scope

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
    held = set(scopes.held(db))
    # Scopes begin in the transaction that makes the epoch known; what has no rows yet at the hub is none.
    is_told = identity.read_position(db).epoch is not None
    all_read = scopes.all_caught_up(db)
    found = {}
    for location in locations:
        days = days_at(_zone(db, location), expiring_days, now_ms)
        basis = f"{_FORM} {days.today} {expiring_days}"
        is_read = all_read or (location != CHAIN and _was_read(db, held, location))
        found[location] = Place(days, basis, is_told and is_read)
    return found


def days_at(zone: str, expiring_days: int, now_ms: int) -> Days:
    """The day in a time zone, and the last that counts as soon. A zone that this machine does not know is UTC."""
    there: tzinfo = UTC
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
        there = ZoneInfo(zone)
    today = (_EPOCH + timedelta(milliseconds=now_ms)).astimezone(there).date()
    ahead = min(timedelta(days=expiring_days), date.max - today)
    return Days(now_ms, today.isoformat(), (today + ahead).isoformat())


def _was_read(db: sqlite3.Connection, held: set[Scope], location: str) -> bool:
    """Whether whatever this node reads of a location, and of the catalogue, was read to its end."""
    wanted = {Scope("catalogue"), Scope(f"stock:{location}"), Scope(f"docs:{location}")} & held
    states = [scopes.read(db, scope) for scope in sorted(wanted)]
    return all(one is not None and one.caught_up for one in states)


def _zone(db: sqlite3.Connection, location: str) -> str:
    declared = COLLECTIONS["locations"]
    held = documents.one(db, declared, location)
    return "UTC" if held is None else str(shown_value(declared, "time_zone", held.fields))
