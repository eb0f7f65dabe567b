"""A shop's day, as two instants: from its first midnight to the first midnight of the next.

Invariant: days of one time zone follow each other without a gap and without an overlap, so an instant is of exactly one;
of one that clocks are put forward or back in, they are 23 or 25 hours long, or whatever the zone made of them.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from node.replica.lots import zone
from protocol.limits import TIME_MS_MAX

BEYOND_MS: Final = TIME_MS_MAX + 1
"""After every instant, and so none itself."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class LocalDay(NamedTuple):
    """One day at one place. Instants are UTC milliseconds, as far as operations have such: of 1970 to 9999."""

    date: str
    """YYYY-MM-DD."""
    time_zone: str
    """The name of the zone that it is counted in."""
    begins_ms: int
    ends_ms: int
    """Not included; of the last day there is, beyond every instant."""

    @property
    def ends_shown_ms(self) -> int:
        """The same as an instant that can be written down."""
        return min(self.ends_ms, TIME_MS_MAX)


def local_day(day: str, time_zone: str) -> LocalDay:
    """A day, YYYY-MM-DD, in a time zone; in UTC for a zone that this machine does not know."""
    known, first = zone(time_zone), date.fromisoformat(day)
    ends_ms = BEYOND_MS if first == date.max else _begins_ms(first + timedelta(days=1), known)
    return LocalDay(day, known.key, _begins_ms(first, known), ends_ms)


def day_of(at_ms: int, time_zone: str) -> LocalDay:
    """The day that an instant is of."""
    try:
        at = (_EPOCH + at_ms * _MS).astimezone(zone(time_zone)).date()
    except OverflowError:  # on the last day of the year 9999
        return local_day(date.max.isoformat(), time_zone)
    # Where clocks were put back over midnight, the hour that came twice is of the day that had begun.
    found = local_day(at.isoformat(), time_zone)
    while at_ms >= found.ends_ms:
        found = local_day(_plus(found.date, 1), time_zone)
    while at_ms < found.begins_ms:
        found = local_day(_plus(found.date, -1), time_zone)
    return found


def _begins_ms(day: date, known: ZoneInfo) -> int:
    # A midnight that clocks leave out is read by the offset before: as the instant at which they are put forward.
    return max(0, (datetime.combine(day, time(), known) - _EPOCH) // _MS)


def _plus(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
