"""Running balances, walked back from what is shown now: they end in it, whatever is not known of the beginning.

Invariant: no clock decides an amount. Times only say in which order the changes are told, and so what lay there between
two of them; the sum of all changes and the balance before the first of them is what is shown.
"""

from collections.abc import Sequence
from itertools import accumulate

_MS_A_DAY = 24 * 3600 * 1000


def balances(present: int, deltas: Sequence[int]) -> list[int]:
    """What was there before the first change, and after each: one more than there are changes. The last is `present`."""
    return list(accumulate(deltas, initial=present - sum(deltas)))


class Absence:
    """How long nothing, or less than nothing, was there between two instants; told backwards."""

    def __init__(self, present: int, since_ms: int, until_ms: int) -> None:
        """Begin with what is there after the last change, which may come after `until_ms`."""
        self._amount = present
        self._since_ms = since_ms
        self._upto_ms = until_ms
        self._found_ms = 0

    def step_back(self, at_ms: int, delta: int) -> None:
        """Go back before a change; the latest first."""
        at_ms = max(at_ms, self._since_ms)
        if at_ms < self._upto_ms:
            self._found_ms += self._lasted_ms(at_ms)
            self._upto_ms = at_ms
        self._amount -= delta

    @property
    def ms(self) -> int:
        """How long, given that nothing changed before what was stepped back over."""
        return self._found_ms + self._lasted_ms(self._since_ms)

    def _lasted_ms(self, from_ms: int) -> int:
        return max(0, self._upto_ms - from_ms) if self._amount <= 0 else 0


def days_text(duration_ms: int) -> str:
    """A duration in days, to a tenth."""
    tenths = (duration_ms * 10 + _MS_A_DAY // 2) // _MS_A_DAY
    return f"{tenths // 10}.{tenths % 10}"


def per_day_text(units: int, duration_ms: int) -> str | None:
    """Units a day over a duration, to a hundredth; None over no time at all."""
    if duration_ms <= 0:
        return None
    hundredths = (abs(units) * _MS_A_DAY * 100 + duration_ms // 2) // duration_ms
    sign = "-" if units < 0 and hundredths else ""
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}"
