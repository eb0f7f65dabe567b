"""What a daemon takes from the machine besides its disk and network: time and randomness.

Invariant: nothing of ours reads a clock or draws a random number but through this, so that a test or a simulation can
give both. Monotonic time is for intervals, wall time is for people.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class World:
    """The machine's own, unless others are given."""

    now_ms: Callable[[], int] = _wall_ms
    """UTC milliseconds; may jump either way."""
    monotonic_s: Callable[[], float] = time.monotonic
    random_bytes: Callable[[int], bytes] = os.urandom

    def jitter_ms(self, most: int) -> int:
        """A random wait of 0 to `most` milliseconds, so that a herd does not come back at once."""
        return int.from_bytes(self.random_bytes(4)) * most >> 32
