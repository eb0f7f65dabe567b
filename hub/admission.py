"""Whose turn it is to shake hands: a queue in the order of arrival, and an appointment for whom it is too long.

Invariant: nobody waits here longer than WAIT_S_MAX by what handshakes take at present. Whoever would is told when its
turn comes, each at a time of its own that is as far behind the one before as a handshake takes: a herd comes back as
fast as it can be taken in, and never at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

WAIT_S_MAX: Final = 10.0
"""A node waits fifteen seconds for the next thing said; waiting costs the hub less than a second visit."""
APPOINTMENT_S_MAX: Final = 60.0
HANDSHAKE_S_GUESS: Final = 0.005
"""Until the first have been taken in."""
_SHARE_OF_NEWEST: Final = 0.05


class Crowded(Exception):
    """Too many are before this one.

    Args:
        retry_ms: when it would be its turn.
    """

    def __init__(self, retry_ms: int) -> None:
        super().__init__(f"come back in {retry_ms} ms")
        self.retry_ms = retry_ms


class Admission:
    """The handshakes in progress and those that wait for theirs.

    Args:
        at_once: handshakes in progress together; the store commits together what comes together.
        waiting_max: how many may wait, however fast it goes.
    """

    def __init__(self, *, at_once: int, waiting_max: int) -> None:
        self._free = at_once
        self._waiting_max = waiting_max
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._handshake_s = HANDSHAKE_S_GUESS
        self._last_end_s: float | None = None
        self._booked_to_s = 0.0

    @property
    def wait_s(self) -> float:
        """How long one more would wait, by what handshakes take at present."""
        return 0.0 if self._free else (len(self._waiting) + 1) * self._handshake_s

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it.

        Raises: Crowded, at once.
        """
        await self._take()
        try:
            yield
        finally:
            self._end()

    async def _take(self) -> None:
        if self._free:
            self._free -= 1
            return
        if self.wait_s > WAIT_S_MAX or len(self._waiting) >= self._waiting_max:
            raise Crowded(self._appointment_ms())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # it was given the place in the moment it was cancelled
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _end(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._last_end_s is not None:
            self._handshake_s += _SHARE_OF_NEWEST * (now_s - self._last_end_s - self._handshake_s)
        self._pass_on()
        # From one end to the next says how fast it goes only while every place is taken.
        self._last_end_s = None if self._free else now_s

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _appointment_ms(self) -> int:
        now_s = asyncio.get_running_loop().time()
        turn_s = max(self._booked_to_s, now_s + self.wait_s) + self._handshake_s
        self._booked_to_s = min(turn_s, now_s + APPOINTMENT_S_MAX)
        return round((self._booked_to_s - now_s) * 1000)
