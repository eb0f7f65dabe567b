"""Who guessed too often: a name that was tried in vain is locked for a while, and longer each time.

Invariant: an attempt counts before it is looked at, so that fifty at once are no more than five; names that nobody has count
alike. The while is measured on the monotonic clock and begins anew with the process: no clock and no restart shortens it.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from protocol.limits import SIGN_IN_FAILURES_MAX, SIGN_IN_LOCK_S, SIGN_IN_NAMES_MAX

_DOUBLINGS_MAX: Final = 6


def digest_of(name: str) -> bytes:
    """Under what a name is remembered: somebody may have typed a password into its place."""
    return sha256(name.encode()).digest()[:16]


class Lockout:
    """The failures of one node."""

    def __init__(self, failures: Mapping[bytes, int], now_s: float) -> None:
        """`failures` are those that were kept, by name; whoever had too many begins locked."""
        self._failures = dict(failures)
        self._locked_until_s = {
            name: now_s + _lock_s(count) for name, count in failures.items() if _lock_s(count)
        }

    def waits_s(self, name: bytes, now_s: float) -> float:
        """How long a name is still locked; 0 when it is not."""
        return max(0.0, self._locked_until_s.get(name, now_s) - now_s)

    def note_attempt(self, name: bytes, now_s: float) -> int:
        """Count an attempt as if it failed; the count to keep."""
        count = self._failures.get(name, 0) + 1
        if name not in self._failures and len(self._failures) >= SIGN_IN_NAMES_MAX:
            fewest = min(self._failures, key=self._failures.__getitem__)
            self.forgive(fewest)
        self._failures[name] = count
        if wait_s := _lock_s(count):
            self._locked_until_s[name] = now_s + wait_s
        return count

    def forgive(self, name: bytes) -> None:
        """Forget the failures of a name: it was signed in, or somebody set another password."""
        self._failures.pop(name, None)
        self._locked_until_s.pop(name, None)


def _lock_s(failures: int) -> float:
    surplus = failures - SIGN_IN_FAILURES_MAX
    return 0.0 if surplus < 0 else SIGN_IN_LOCK_S * 2.0 ** min(surplus, _DOUBLINGS_MAX)
