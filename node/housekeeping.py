"""What a node does of its own accord once a day: it forgets old answers and cuts off the log's beginning.

Invariant: all of it goes in pieces of the background that no till notices, and ends with the node. It is done only while
a session is open, for only then is the hub's clock known, by which answers and operations are old.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from node.local import Local
from node.replica import answers, retention
from node.replica.retention import Retention
from runtime.store import Store, StoreError
from runtime.world import World

EVERY_S: Final = 86_400.0
AWAITED_S: Final = 60.0
"""How often a node looks whether a session is open, where it could not cut for want of one."""
BREATH_S: Final = 0.02
"""Between two pieces: cutting off a year's log shall not keep the disk busy for whoever else uses it."""

_log = structlog.get_logger(__name__)


class Housekeeping:
    """The daily work of one node; `run` it as a task that its owner cancels."""

    def __init__(self, store: Store, world: World, local: Local, retention_: Retention) -> None:
        self._store = store
        self._world = world
        self._local = local
        self._retention = retention_

    async def run(self) -> None:
        """Work once a day, for ever. What fails is logged and done the next time."""
        while True:
            is_time_known = self._hub_now_ms is not None
            try:
                await self._store.write(self._mark_answers, background=True)
                await self._in_pieces(self._forget_answers)
                if cut := await self._in_pieces(self._prune):
                    _log.info("the beginning of the log was cut off", operations=cut)
            except StoreError as error:
                _log.warning("the daily work was put off", reason=str(error))
            await asyncio.sleep(EVERY_S if is_time_known else AWAITED_S)

    async def _in_pieces(self, piece: Callable[[sqlite3.Connection], int]) -> int:
        """Repeat a piece until it finds nothing more to do; what it did in all."""
        done = 0
        while found := await self._store.write(piece, background=True):
            done += found
            await asyncio.sleep(BREATH_S)
        return done

    @property
    def _hub_now_ms(self) -> int | None:
        offset_ms = self._local.clock_offset_ms
        if not self._local.connected or offset_ms is None:
            return None
        return self._world.now_ms() + offset_ms

    def _mark_answers(self, db: sqlite3.Connection) -> None:
        if (hub_now_ms := self._hub_now_ms) is not None:
            answers.mark(db, hub_now_ms)

    def _forget_answers(self, db: sqlite3.Connection) -> int:
        hub_now_ms = self._hub_now_ms
        return 0 if hub_now_ms is None else answers.forget_old_piece(db, hub_now_ms)

    def _prune(self, db: sqlite3.Connection) -> int:
        hub_now_ms = self._hub_now_ms
        return 0 if hub_now_ms is None else retention.prune_piece(db, self._retention, hub_now_ms)
