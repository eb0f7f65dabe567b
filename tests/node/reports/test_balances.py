"""Running balances and how long nothing was there."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node.reports.balances import Absence, balances, days_text, per_day_text

DAY_MS = 24 * 3600 * 1000
DELTAS = st.lists(st.integers(-5, 5), max_size=30)
CHANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(-3, 3)), max_size=12)


@given(st.integers(-50, 50), DELTAS)
def test_balances_end_in_what_is_shown_and_each_follows_from_the_one_before(
    present: int, deltas: list[int]
) -> None:
    found = balances(present, deltas)
    assert found[-1] == present
    assert [after - before for before, after in pairwise(found)] == deltas


@given(st.integers(-5, 5), CHANGES, st.integers(0, 20), st.integers(20, 40))
def test_nothing_was_there_for_as_long_as_one_counts_instant_by_instant(
    present: int, changes: list[tuple[int, int]], since_ms: int, until_ms: int
) -> None:
    opening = present - sum(delta for _, delta in changes)

    def there(at_ms: int) -> int:
        return opening + sum(delta for changed_ms, delta in changes if changed_ms <= at_ms)

    counted = sum(there(at_ms) <= 0 for at_ms in range(since_ms, until_ms))
    absence = Absence(present, since_ms, until_ms)
    for at_ms, delta in sorted(changes, reverse=True):
        if at_ms >= since_ms:
            absence.step_back(at_ms, delta)
    assert absence.ms == counted


def test_averages_are_decimals_and_none_over_no_time() -> None:
    assert per_day_text(10, 7 * DAY_MS) == "1.43"
    assert per_day_text(-10, 7 * DAY_MS) == "-1.43"
    assert per_day_text(0, DAY_MS) == "0.00"
    assert per_day_text(3, 0) is None
    assert (days_text(0), days_text(DAY_MS // 2), days_text(28 * DAY_MS)) == ("0.0", "0.5", "28.0")
