"""Days, weeks and months of a place as parts of a period: each instant is of one, and they leave no gap."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.reports.calendar_periods import Calendar, Each, Period
from protocol.limits import TIME_MS_MAX

YEAR_MS = 366 * 24 * 3600 * 1000
INSTANTS = st.integers(0, TIME_MS_MAX - YEAR_MS)
"""Up to now, whatever year that is; the last one that can be written has no end."""
PARTS = st.sampled_from(["whole", "day", "week", "month"])
ZONES = st.sampled_from(["UTC", "Europe/London", "Pacific/Apia", "America/Sao_Paulo", "Nowhere"])


def ms(text: str) -> int:
    """An instant."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(st.tuples(INSTANTS, INSTANTS, INSTANTS).map(sorted), PARTS, ZONES)
def test_each_instant_is_of_one_part_and_parts_leave_no_gap(
    instants: list[int], each: Each, time_zone: str
) -> None:
    since_ms, at_ms, until_ms = instants
    period = Period(since_ms, until_ms + 1)
    part = Calendar(period, each, time_zone).part_of(at_ms)
    assert period.since_ms <= part.since_ms <= at_ms < part.until_ms <= period.until_ms
    for neighbour_ms in (part.since_ms - 1, part.until_ms):
        if period.since_ms <= neighbour_ms < period.until_ms:
            calendar = Calendar(period, each, time_zone)
            assert calendar.part_of(at_ms) == part
            beside = calendar.part_of(neighbour_ms)
            assert neighbour_ms in (beside.until_ms - 1, beside.since_ms)
    assert Calendar(period, each, time_zone).part_of(part.until_ms - 1) == part


@pytest.mark.parametrize(
    ("each", "since", "until"),
    [
        ("day", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("week", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("month", "2026-02-28T23:00", "2026-03-31T22:00"),
    ],
)
def test_they_are_those_of_the_place_also_when_its_clocks_are_put_forward(
    each: Each, since: str, until: str
) -> None:
    year = Period(ms("2026-01-01T00:00"), ms("2027-01-01T00:00"))
    part = Calendar(year, each, "Europe/Berlin").part_of(ms("2026-03-29T12:00"))
    assert part == Period(ms(since), ms(until))
