"""What the hub sends, on its way into the store: in the order it came, many frames to a transaction.

Invariant: at most one transaction is under way, and it is made of the steps that wait longest; so whatever fails, nothing
that came after it is stored. A till's sale never waits for more than one step and the commit of what was stored with it.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from node.replica.rows import PIECE_ROWS
from protocol.limits import PAGE_ROWS_MAX
from runtime.store import Store

WAITING_ROWS_MAX: Final = 8 * PAGE_ROWS_MAX
"""Received and not stored yet, about 2 MB; the hub is not read beyond, so it waits too. A commit of all of it takes 20 ms."""
STEPS_MAX: Final = 256
QUIET_S: Final = 60.0
"""Where nobody has sold anything for so long, a commit of everything that waits is in nobody's way. It costs a third of
the commits of each step by itself, since rows in the hub's order touch the same pages of an index again and again.
Elsewhere a commit has at most as many rows as a piece of a page: online, the acknowledgement of a sale and the page with
its row are two rows, and a commit for each of them costs more than the sale."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to store whole or not at all."""

    store: Callable[[sqlite3.Connection], object]
    stored: Callable[[], object]
    """Called on the event loop when it is durable."""
    rows: int = 1


class Intake:
    """The steps of one session."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._steps: deque[Step] = deque()
        self._rows = 0
        self._changed = asyncio.Condition()

    async def put(self, step: Step) -> None:
        """Have it stored after everything put before; returns as soon as there is room for it."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._steps.append(step)
            self._rows += step.rows
            self._changed.notify_all()

    async def drain(self) -> None:
        """Return when everything put is durable."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._steps)

    async def run(self) -> None:
        """Store step after step, for ever.

        Raises:
            whatever a step or the store raises: every step before it is durable, it and those after it are not.
        """
        one_by_one = False
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._steps))
            is_busy = self._store.foreground_quiet_s() < QUIET_S
            rows_max = 0 if one_by_one else PIECE_ROWS if is_busy else WAITING_ROWS_MAX
            steps = self._first(rows_max)
            some = partial(_store_some, steps=steps, is_wanted=self._store.foreground_waits)
            try:
                done = await self._store.write(some, background=True)
            except Exception:
                if len(steps) == 1:
                    raise
                # All of them were rolled back. Those before the one to blame are good, and may never come alone.
                one_by_one = True
                continue
            await self._conclude(done)

    def _first(self, rows_max: int) -> list[Step]:
        """The steps that wait longest, one at least, and more while they have so many rows together at most."""
        taken: list[Step] = []
        rows = 0
        for step in self._steps:
            rows += step.rows
            if taken and rows > rows_max:
                break
            taken.append(step)
        return taken

    async def _conclude(self, done: int) -> None:
        async with self._changed:
            for _ in range(done):
                step = self._steps.popleft()
                self._rows -= step.rows
                step.stored()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._rows < WAITING_ROWS_MAX and len(self._steps) < STEPS_MAX


def _store_some(
    db: sqlite3.Connection, steps: Sequence[Step], is_wanted: Callable[[], bool]
) -> int:
    """Store steps until somebody waits for the store; how many."""
    for done, step in enumerate(steps):
        if done and is_wanted():
            return done
        step.store(db)
    return len(steps)
