"""Keeps a store's writer busy, so that a test decides what is queued when a group is made."""

import asyncio
import sqlite3
import threading

from runtime.store import Store

PATIENCE_S = 10.0  # a test that forgets to release ends by itself


class HeldWriter:
    """One transaction that waits on the writer's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._let_go = threading.Event()
        self._running = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        loop = asyncio.get_running_loop()

        def wait(_db: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(self._running.set)
            assert self._let_go.wait(PATIENCE_S), "never released"

        self._task = asyncio.create_task(self._store.write(wait))
        await self._running.wait()

    async def release(self) -> None:
        """Let go, once; raises what became of the transaction."""
        self._let_go.set()
        task, self._task = self._task, None
        if task:
            await task


async def settle() -> None:
    """Let the tasks just made run until each waits for something."""
    for _ in range(3):
        await asyncio.sleep(0)
