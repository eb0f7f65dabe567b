"""One day of one shop, read once: every movement of goods, what is missing between receipts, what head office has not.

Invariants:
- A movement is of the day on which it happened, as whoever recorded it says, by the clock of its location; when it was
  recorded or arrived changes nothing of it. What came after the day was over is counted as such.
- Every movement is in exactly one tally of a person at a till, and in that of the whole day.
- Unsent is what this node recorded and the hub has not acknowledged, at this moment; set aside is what the hub has in its
  ledger without effect.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from node.commands.requests import Refusal
from node.replica import identity
from node.replica.lots import time_zone_of
from node.replica.movements import recorded
from node.reports.frame import Moment
from node.reports.local_day import LocalDay, local_day
from node.reports.sayings import Money, remembered
from node.reports.tallies import Act, Entry, State, Tally, entry_of
from protocol.limits import DAY_MOVEMENTS_MAX, RECEIPTS_MISSING_MAX
from protocol.receipts import Gap, Numbered, gaps, looked_back, read_reference, rolls, unused
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "days.sql")


class SetAside(NamedTuple):
    """An entry that the hub could not take."""

    entry: Entry
    code: str
    detail: str


class Missing(NamedTuple):
    """Numbers that a till should have used."""

    device: str
    gap: Gap


class Repeated(NamedTuple):
    """A receipt's reference that stands at several sales of one till."""

    device: str
    reference: str
    entries: list[Entry]


@dataclass(slots=True)
class DayBook:
    """What there is to say of a day."""

    location: str
    day: LocalDay
    whole: Tally = field(default_factory=Tally)
    tills: dict[tuple[str, str], Tally] = field(default_factory=dict)
    """By till and person."""
    unsent: list[Entry] = field(default_factory=list)
    """By when they happened."""
    set_aside: list[SetAside] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    """By till, series and number."""
    repeated: list[Repeated] = field(default_factory=list)
    """By till and reference."""
    unnumbered: int = 0
    """Sales without a reference, or with one that has no number."""
    is_cut: bool = False
    """Whether there is more of the day than was looked at."""
    are_gaps_cut: bool = False
    """Whether there are more gaps than were looked at."""


def place_of(moment: Moment, location: str | None) -> str:
    """The location whose day it is: the one that is asked for, or the only one that this node writes.

    Raises:
        Refusal: `movements_not_held` where this node does not record, since it would show an empty day; `validation_failed`
            where it records at several and none is named.
    """
    writes = moment.certificate.writes
    if location is None and len(writes) == 1:
        return writes[0]
    if location is None and writes:
        raise Refusal("validation_failed", "this node records at several locations: say which")
    if location is None or location not in writes:
        raise Refusal("movements_not_held", "this node does not keep the movements of that day")
    return location


def read_day(db: sqlite3.Connection, moment: Moment, location: str, day: str) -> DayBook:
    """A day, YYYY-MM-DD, at a location that this node writes."""
    book = DayBook(location, local_day(day, time_zone_of(db, location)))
    said = remembered(db, moment)

    def price(sku: str) -> Money | None:
        return said(sku).price

    position = identity.read_position(db)
    entries = list(_entries(db, book))
    aside = _set_aside(db, [one.seq for one in entries if one.replica == position.replica])
    for entry in entries:
        is_own = entry.replica == position.replica
        why = aside.get(entry.seq) if is_own else None
        is_unsent = is_own and entry.seq > position.acked
        state = State(is_unsent, why is not None, entry.recorded_ms >= book.day.ends_ms)
        till = book.tills.setdefault((entry.device, entry.actor), Tally())
        for tally in (till, book.whole):
            tally.add(entry, state, price)
        if is_unsent:
            book.unsent.append(entry)
        if why is not None:
            book.set_aside.append(SetAside(entry, *why))
    _look_at_receipts(db, book, entries)
    return book


def _entries(db: sqlite3.Connection, book: DayBook) -> Iterator[Entry]:
    asked = {
        "location": book.location,
        "begins": book.day.begins_ms,
        "ends": book.day.ends_ms,
        "limit": DAY_MOVEMENTS_MAX + 1,
    }
    for number, row in enumerate(db.execute(_SQL["of_day"], asked)):
        if number == DAY_MOVEMENTS_MAX:
            book.is_cut = True
            return
        entry = entry_of(recorded(row), row["taken_back"], book.location)
        if entry is not None:
            yield entry


def _set_aside(db: sqlite3.Connection, seqs: list[int]) -> Mapping[int, tuple[str, str]]:
    if not seqs:
        return {}
    rows = db.execute(_SQL["set_aside"], {"first": min(seqs), "last": max(seqs)})
    return {row["seq"]: (row["code"], row["detail"]) for row in rows}


# --- receipts ----------------------------------------------------------------------------------------------------


def _look_at_receipts(db: sqlite3.Connection, book: DayBook, entries: list[Entry]) -> None:
    sold: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        if entry.act is Act.SALE and not entry.is_of_document:
            book.unnumbered += read_reference(entry.reference or "") is None
            if entry.reference is not None:
                sold[entry.device][entry.reference].append(entry)
    present = {entry.reference for entry in entries if entry.reference is not None}
    looked_at = 0
    for device in sorted(sold):
        book.repeated += [
            Repeated(device, reference, each)
            for reference, each in sorted(sold[device].items())
            if len(each) > 1
        ]
        for roll in rolls(sold[device]):
            looked_at += unused(roll)
            if looked_at > RECEIPTS_MISSING_MAX:
                book.are_gaps_cut = True
                continue
            before = _before(db, book, roll[0])
            book.missing += [Missing(device, gap) for gap in gaps([*before, *roll], present)]


def _before(db: sqlite3.Connection, book: DayBook, first: Numbered) -> list[Numbered]:
    """The nearest earlier number that was recorded before this day, if there is one."""
    earlier = {one.text: one for one in looked_back(first)}
    asked = {
        "texts": orjson.dumps(list(earlier)).decode(),
        "location": book.location,
        "before": book.day.begins_ms,
    }
    found = [earlier[text] for (text,) in db.execute(_SQL["recorded_before"], asked)]
    return [max(found, key=lambda one: one.number)] if found else []
