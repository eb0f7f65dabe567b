"""Days of time zones: how long they are, and that every instant is of one."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.replica.lots import day_at
from node.reports.local_day import day_of, local_day
from protocol.limits import TIME_MS_MAX

HOUR_MS = 3_600_000
ZONES = sorted(available_timezones())
USUAL = [
    *("Europe/Berlin", "Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"),
    *("America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Apia"),
]
"""Among them those where clocks change at midnight, by half an hour, and where a day was left out."""
DATES = st.dates(date(1970, 1, 1), date(2037, 12, 31)).map(date.isoformat)


def ms(text: str) -> int:
    """An instant."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "time_zone", "begins", "hours"),
    [
        ("2026-11-22", "Europe/Berlin", "2026-11-21T23:00:00Z", 24),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", 23),
        ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", 25),
        ("2026-04-05", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", 24.5),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", 23),
        ("2018-02-17", "America/Sao_Paulo", "2018-02-17T02:00:00Z", 25),
        ("2026-11-01", "America/Havana", "2026-11-01T04:00:00Z", 25),
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", 0),
        ("2026-11-22", "No/Such_Zone", "2026-11-22T00:00:00Z", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(
    day: str, time_zone: str, begins: str, hours: float
) -> None:
    found = local_day(day, time_zone)
    assert found.begins_ms == ms(begins)
    assert (found.ends_ms - found.begins_ms) / HOUR_MS == hours


@given(DATES, st.sampled_from(ZONES))
def test_days_follow_each_other_without_a_gap(day: str, time_zone: str) -> None:
    found = local_day(day, time_zone)
    following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    assert local_day(following, time_zone).begins_ms == found.ends_ms
    assert found.begins_ms <= found.ends_ms


@given(st.integers(0, ms("2037-12-31T00:00:00Z")), st.sampled_from(ZONES))
def test_every_instant_is_of_one_day(at_ms: int, time_zone: str) -> None:
    found = day_of(at_ms, time_zone)
    assert found.begins_ms <= at_ms < found.ends_ms
    assert found == local_day(found.date, time_zone)


@given(st.integers(0, ms("2037-12-31T00:00:00Z")), st.sampled_from(USUAL))
def test_it_is_the_day_on_which_lots_expire(at_ms: int, time_zone: str) -> None:
    assert day_of(at_ms, time_zone).date == day_at(at_ms, time_zone)


@pytest.mark.parametrize("time_zone", ["UTC", "Pacific/Kiritimati", "America/Anchorage"])
def test_the_ends_of_time_are_days_too(time_zone: str) -> None:
    assert day_of(TIME_MS_MAX, time_zone).date == "9999-12-31"
    for day in ("0001-01-01", "1970-01-01", "9999-12-31"):
        found = local_day(day, time_zone)
        assert 0 <= found.begins_ms <= found.ends_shown_ms <= TIME_MS_MAX
    assert datetime.fromtimestamp(TIME_MS_MAX / 1000, UTC).year >= 9999


@given(st.integers(TIME_MS_MAX - 48 * HOUR_MS, TIME_MS_MAX), st.sampled_from(ZONES))
def test_the_last_instants_are_of_one_day_each(at_ms: int, time_zone: str) -> None:
    found = day_of(at_ms, time_zone)
    assert found.begins_ms <= at_ms < found.ends_ms
    assert found.ends_shown_ms <= TIME_MS_MAX
