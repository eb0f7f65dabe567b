"""What customers took of each SKU in a period: how much, how fast, and how long there was nothing to take.

Rules:
- Used is what was sold and dispensed, less what came back and what was taken back because it was typed wrongly, each in
  the period in which it happened; so the report of a month that is over changes only by what arrives late.
- Rows are the SKUs of which customers took or brought back anything in the period, or in a day, week or month of it.
- A SKU was out of stock while nothing, or less than nothing, of all its lots was on hand, walked back from what is on hand
  now; so before its first delivery too. Where more happened since the period began than is held in memory for that, it is not known.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from node.commands.answering import time_to_text
from node.commands.requests import Refusal
from node.replica import history, usage
from node.replica.catalogued import Catalogued
from node.replica.history import Line
from node.replica.lots import time_zone_of
from node.replica.usage import Use
from node.reports import holding
from node.reports.balances import Absence, days_text, per_day_text
from node.reports.calendar_periods import Calendar, Each, Period
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.ordered import Once, piece_of
from protocol.limits import REPORT_MOVEMENTS_MAX

DAYS_DEFAULT: Final = 28
"""Four weeks: each day of the week as often as any other."""
_DAY_MS: Final = 24 * 3600 * 1000
_KEY: Final = (str, str, int)
_TOO_MANY: Final = f"more than {REPORT_MOVEMENTS_MAX} movements happened since; ask for a later beginning, or one SKU"


class _Used(NamedTuple):
    """Of one SKU at one location in one part of the period."""

    uses: Counter[Use]
    on_hand: int
    absent_ms: int

    @property
    def units(self) -> int:
        return usage.net(self.uses)


_Found = Mapping[tuple[str, str, Period], _Used]
"""By location, SKU and part of the period."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked for; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    location: str | None = None
    sku: str | None = None
    since_ms: int | None = None
    """None: `DAYS_DEFAULT` days before the end."""
    until_ms: int | None = None
    """None: up to now, with what is dated later. The days of a period end now at the latest."""
    each: Each = "whole"
    """What a row is of; days, weeks and months are those of the location."""
    _read: Once[_Found] = field(default_factory=Once, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """Where movements are missing."""
        return holding.asked_notes(db, moment, self.location)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Over all rows."""
        used, period = self._used(db, moment), self._period(moment)
        return {
            "since": time_to_text(period.since_ms),
            "until": time_to_text(period.until_ms),
            "days": days_text(period.ms),
            "skus": len({sku for _, sku, _ in used}),
            **{use.value: sum(one.uses[use] for one in used.values()) for use in Use},
            "used": sum(one.units for one in used.values()),
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """By location, SKU and time.

        Raises:
            Refusal: `too_large` when more happened since than is walked back over.
        """
        used = self._used(db, moment)
        rows = [
            ((location, sku, part.since_ms), _row(location, sku, part, used[location, sku, part]))
            for location, sku, part in sorted(used)
        ]
        piece = piece_of(rows, span, _KEY)
        catalogue = Catalogued(db)
        named = [{**row, "name": catalogue.sku(str(row["sku"])).name} for row in piece.rows]
        return Piece(named, piece.following)

    def _period(self, moment: Moment) -> Period:
        until_ms = moment.now_ms if self.until_ms is None else min(self.until_ms, moment.now_ms)
        since_ms = until_ms - DAYS_DEFAULT * _DAY_MS if self.since_ms is None else self.since_ms
        return Period(max(0, since_ms), until_ms)

    def _used(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        return self._read.get(lambda: self._look(db, moment))

    def _look(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        found: dict[tuple[str, str, Period], _Used] = {}
        period = self._period(moment)
        if not period.ms:
            return found
        after_ms, most = period.since_ms - 1, REPORT_MOVEMENTS_MAX + 1
        walked = 0
        for location in holding.kept(db, moment, self.location):
            calendar = Calendar(period, self.each, time_zone_of(db, location))
            walk = _Walk(calendar, period, self.until_ms, _on_hand(db, location, self.sku))
            for each in history.at_shelves(db, location, self.sku, after_ms, most):
                walked += 1
                if walked > REPORT_MOVEMENTS_MAX:
                    raise Refusal("too_large", _TOO_MANY)
                for line in history.lines([each]):
                    if line.effect.location == location and self.sku in (None, line.effect.sku):
                        walk.take(line)
            found.update({(location, *key): used for key, used in walk.used().items()})
        return found


class _Walk:
    """What happened at a location since a period began, told backwards."""

    def __init__(
        self, calendar: Calendar, period: Period, before_ms: int | None, on_hand: Counter[str]
    ) -> None:
        self._calendar = calendar
        self._period = period
        self._before_ms = before_ms
        self._on_hand = on_hand
        self._left = on_hand.copy()
        """What was there before what was gone back over so far."""
        self._uses: dict[tuple[str, Period], Counter[Use]] = defaultdict(Counter)
        self._absences: dict[tuple[str, Period], Absence] = {}

    def take(self, line: Line) -> None:
        """Go back over a line; the latest first."""
        sku, delta = line.effect.sku, line.effect.delta
        if self._before_ms is not None and line.happened.at_ms >= self._before_ms:
            self._left[sku] -= delta
            return
        # What is dated after now counts as having happened just now.
        at_ms = min(line.happened.at_ms, max(self._period.since_ms, self._period.until_ms - 1))
        key = (sku, self._calendar.part_of(at_ms))
        if key not in self._absences:
            self._absences[key] = Absence(self._left[sku], *key[1])
        self._absences[key].step_back(line.happened.at_ms, delta)
        self._left[sku] -= delta
        if (found := usage.use_of(line)) is not None:
            use, units = found
            self._uses[key][use] += units

    def used(self) -> dict[tuple[str, Period], _Used]:
        """What customers took, by SKU and part of the period."""
        return {
            key: _Used(uses, self._on_hand[key[0]], self._absences[key].ms)
            for key, uses in self._uses.items()
        }


def _on_hand(db: sqlite3.Connection, location: str, sku: str | None) -> Counter[str]:
    """What is there of each SKU over all lots."""
    found: Counter[str] = Counter()
    for (code, _), amount in history.on_hand_at(db, location, sku):
        found[code] += amount
    return found


def _row(location: str, sku: str, part: Period, used: _Used) -> Row:
    return {
        "location": location,
        "sku": sku,
        "name": None,
        "since": time_to_text(part.since_ms),
        "until": time_to_text(part.until_ms),
        **{use.value: used.uses[use] for use in Use},
        "used": used.units,
        "per_day": per_day_text(used.units, part.ms),
        "days_out_of_stock": days_text(used.absent_ms),
        "per_day_in_stock": per_day_text(used.units, part.ms - used.absent_ms),
        "on_hand": used.on_hand,
    }
