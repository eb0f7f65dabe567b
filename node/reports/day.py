"""The day of a shop as reports: who sold what at which till, and what to compare with the receipts that were printed.

Invariant: all five are read from the same book of the day (`day_book`), so what one lists is what another counts.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import ClassVar

from node.commands.answering import id_to_text, time_to_text
from node.reports import holding
from node.reports.day_book import DayBook, Missing, Repeated, SetAside, place_of, read_day
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.ordered import Key, Keyed, Once, piece_of
from node.reports.tallies import COUNTS, VALUES, Entry, Tally
from protocol.limits import DAY_MOVEMENTS_MAX, RECEIPTS_MISSING_MAX, REPORT_NAMES_MAX

_NOT_OVER = "This day is not over; what happens yet is not in it."
_NOT_FETCHED = "What other nodes recorded at this location was not read from the hub yet; it is not in this day."
_CUT = f"There are more than {DAY_MOVEMENTS_MAX} movements on this day; only the first of them are in it."
_GAPS_CUT = (
    f"More than {RECEIPTS_MISSING_MAX} numbers are not used: these references count no receipts."
)
_CURRENCIES = "Prices are in several currencies; where a till sold in more than one, its value is in the totals alone."


@dataclass(frozen=True)
class _OfDay(ABC):
    """What all of them are asked, and say."""

    date: str
    """YYYY-MM-DD."""
    location: str | None = None
    """None for the only one that the node writes."""
    _read: Once[DayBook] = field(default_factory=Once, compare=False, repr=False)
    kinds: ClassVar[Sequence[type[str] | type[int]]] = (int, str)
    """Of the parts of a row's key."""

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """What may be missing."""
        book = self.book(db, moment)
        found = {
            "day_not_over": (moment.now_ms < book.day.ends_ms, _NOT_OVER),
            "movements_not_fetched": (
                not holding.is_held(db, moment, book.location),
                _NOT_FETCHED,
            ),
            "day_cut": (book.is_cut, _CUT),
            "gaps_cut": (book.are_gaps_cut, _GAPS_CUT),
            "several_currencies": (
                any(len(sums.shown()) > 1 for sums in book.whole.values.values()),
                _CURRENCIES,
            ),
        }
        return tuple(Note(code, told) for code, (holds, told) in found.items() if holds)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Which day it is."""
        book = self.book(db, moment)
        return {
            "date": book.day.date,
            "location": book.location,
            "time_zone": book.day.time_zone,
            "begins_at": time_to_text(book.day.begins_ms),
            "ends_at": time_to_text(book.day.ends_shown_ms),
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """Its rows, in order."""
        rows = sorted(self.rows(self.book(db, moment)), key=itemgetter(0))
        return piece_of(rows, span, self.kinds)

    def book(self, db: sqlite3.Connection, moment: Moment) -> DayBook:
        """The day, read once."""
        return self._read.get(
            lambda: read_day(db, moment, place_of(moment, self.location), self.date)
        )

    @abstractmethod
    def rows(self, book: DayBook) -> Iterator[Keyed]:
        """Each with its key."""


class Day(_OfDay):
    """A row for each person at each till."""

    kinds = (str, str)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """The whole day, and the first of what should be looked at."""
        book = self.book(db, moment)
        oldest_ms = min((one.recorded_ms for one in book.unsent), default=None)
        return {
            **super().totals(db, moment),
            "baskets": book.whole.baskets,
            **book.whole.counts,
            **{name: book.whole.values[name].shown() for name in VALUES},
            "receipts_missing": sum(one.gap.missing for one in book.missing),
            "receipts_repeated": len(book.repeated),
            "sales_without_number": book.unnumbered,
            "oldest_unsent_at": None if oldest_ms is None else time_to_text(oldest_ms),
            "gaps": [_gap(one) for one in book.missing[:REPORT_NAMES_MAX]],
            "repeated": [_repeated(one) for one in book.repeated[:REPORT_NAMES_MAX]],
            "not_acknowledged": [_entry(one) for one in book.unsent[:REPORT_NAMES_MAX]],
            "not_taken": [_set_aside(one) for one in book.set_aside[:REPORT_NAMES_MAX]],
        }

    def rows(self, book: DayBook) -> Iterator[Keyed]:
        """By till, then person."""
        for key in sorted(book.tills):
            device, actor = key
            yield key, {"device": device, "actor": actor, **_tally(book.tills[key])}


class DayGaps(_OfDay):
    """Receipts that are missing: a row for each range of numbers."""

    kinds = (str, str, int)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """How many."""
        book = self.book(db, moment)
        missing = sum(one.gap.missing for one in book.missing)
        return {**super().totals(db, moment), "receipts_missing": missing}

    def rows(self, book: DayBook) -> Iterator[Keyed]:
        """By till, series and number."""
        for one in book.missing:
            first = one.gap.first
            yield (one.device, first.series, first.number), _gap(one)


class DayRepeated(_OfDay):
    """References that stand at several sales of one till."""

    kinds = (str, str)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """How many."""
        repeated = len(self.book(db, moment).repeated)
        return {**super().totals(db, moment), "receipts_repeated": repeated}

    def rows(self, book: DayBook) -> Iterator[Keyed]:
        """By till and reference."""
        for one in book.repeated:
            yield (one.device, one.reference), _repeated(one)


class DayUnsent(_OfDay):
    """What head office does not have yet."""

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """How much, and since when."""
        book = self.book(db, moment)
        oldest_ms = min((one.recorded_ms for one in book.unsent), default=None)
        return {
            **super().totals(db, moment),
            "unsent": len(book.unsent),
            "oldest_unsent_at": None if oldest_ms is None else time_to_text(oldest_ms),
        }

    def rows(self, book: DayBook) -> Iterator[Keyed]:
        """By when they happened."""
        for one in book.unsent:
            yield _when(one), _entry(one)


class DaySetAside(_OfDay):
    """What head office has without effect."""

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """How much."""
        aside = len(self.book(db, moment).set_aside)
        return {**super().totals(db, moment), "set_aside": aside}

    def rows(self, book: DayBook) -> Iterator[Keyed]:
        """By when they happened."""
        for one in book.set_aside:
            yield _when(one.entry), _set_aside(one)


def _when(entry: Entry) -> Key:
    return (entry.occurred_ms, entry.op_id.hex())


def _tally(tally: Tally) -> Row:
    return {
        "first_at": None if tally.first_ms is None else time_to_text(tally.first_ms),
        "last_at": None if tally.last_ms is None else time_to_text(tally.last_ms),
        "baskets": tally.baskets,
        **{name: tally.counts[name] for name in COUNTS},
        **{name: tally.values[name].only() for name in VALUES},
    }


def _gap(missing: Missing) -> Row:
    gap = missing.gap
    return {
        "device": missing.device,
        "first": gap.first.text,
        "last": gap.last.text,
        "missing": gap.missing,
        "after": gap.after.text,
        "before": gap.before.text,
    }


def _repeated(repeated: Repeated) -> Row:
    first, *_, last = repeated.entries
    return {
        "device": repeated.device,
        "reference": repeated.reference,
        "sales": len(repeated.entries),
        "first_id": id_to_text(first.op_id),
        "last_id": id_to_text(last.op_id),
        "first_at": time_to_text(first.occurred_ms),
        "last_at": time_to_text(last.occurred_ms),
    }


def _entry(entry: Entry) -> Row:
    return {
        "id": id_to_text(entry.op_id),
        "reference": entry.reference,
        "device": entry.device,
        "actor": entry.actor,
        "kind": entry.kind,
        "occurred_at": time_to_text(entry.occurred_ms),
        "recorded_at": time_to_text(entry.recorded_ms),
        "lines": len(entry.lines),
        "units": entry.units,
    }


def _set_aside(aside: SetAside) -> Row:
    return {**_entry(aside.entry), "code": aside.code, "detail": aside.detail}
