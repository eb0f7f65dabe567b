"""Days, weeks and months of a place, as parts of a period that somebody asks about.

Invariant: the parts of a period follow each other without a gap and without an overlap; the first and the last are cut off
where the period begins and ends. A week begins on Monday (ISO 8601).
"""

from datetime import date, timedelta
from typing import Literal, NamedTuple

from node.reports.local_day import day_of, local_day

Each = Literal["whole", "day", "week", "month"]
_LAST_MONTH = (date.max.year, date.max.month)


class Period(NamedTuple):
    """From an instant up to, not including, another; UTC milliseconds."""

    since_ms: int
    until_ms: int

    @property
    def ms(self) -> int:
        """How long it is; 0 where it ends before it begins."""
        return max(0, self.until_ms - self.since_ms)


class Calendar:
    """The parts of a period at one place; asked for in any order, fastest where the same part is asked for again."""

    def __init__(self, period: Period, each: Each, time_zone: str) -> None:
        self._period = period
        self._each = each
        self._time_zone = time_zone
        self._last = period

    def part_of(self, at_ms: int) -> Period:
        """The part that an instant of the period is of."""
        if self._each == "whole":
            return self._period
        if self._last == self._period or not self._last.since_ms <= at_ms < self._last.until_ms:
            self._last = self._find(at_ms)
        return self._last

    def _find(self, at_ms: int) -> Period:
        first, last = _span(date.fromisoformat(day_of(at_ms, self._time_zone).date), self._each)
        since_ms = local_day(first.isoformat(), self._time_zone).begins_ms
        until_ms = local_day(last.isoformat(), self._time_zone).ends_ms
        return Period(max(since_ms, self._period.since_ms), min(until_ms, self._period.until_ms))


def _span(day: date, each: Each) -> tuple[date, date]:
    """The first and the last day of what a day is in."""
    match each:
        case "week":
            first = day - timedelta(days=min(day.weekday(), (day - date.min).days))
            return first, first + min(timedelta(days=6), date.max - first)
        case "month":
            first = day.replace(day=1)
            if (day.year, day.month) == _LAST_MONTH:
                return first, date.max
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        case _:
            return day, day
