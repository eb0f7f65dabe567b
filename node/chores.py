"""Work that follows commits in the background: at once after a quiet while, else once in an interval.

Invariant: what a commit told is looked at, however it falls between two looks; what the store refuses is done the next time,
and a bug ends the work and not the node: tills sell on, and the log says it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from runtime.store import Store, StoreError

_log = structlog.get_logger(__name__)


class Chore:
    """One such work of one node. Made stopped."""

    def __init__(self, store: Store, name: str, do: Callable[[], Awaitable[None]]) -> None:
        """`do()` does all there is to do; `name` says what in logs, after "the work of"."""
        self._store = store
        self._name = name
        self._do = do
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, *, interval_s: float, again_s: float) -> None:
        """Begin; returns at once.

        Args:
            interval_s: what is committed within so long is looked at together.
            again_s: how late it may notice what no commit tells.
        """
        assert self._task is None, "started once"
        self._store.on_commit(self._news.set)
        self._task = asyncio.create_task(self._run(interval_s, again_s), name=self._name)
        self._task.add_done_callback(self._note_crash)

    async def stop(self) -> None:
        """End it. What was not looked at is looked at after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self, interval_s: float, again_s: float) -> None:
        while True:
            self._news.clear()
            try:
                await self._do()
            except StoreError as error:
                _log.warning("the store let some work wait", work=self._name, reason=str(error))
            await asyncio.sleep(interval_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again_s):
                    await self._news.wait()

    def _note_crash(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("some work of the node has crashed", work=self._name, error=repr(error))
