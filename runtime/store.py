"""The one-writer SQLite store.

Invariant: what a caller of `write` was answered is on the disk; what it was refused is not in the
database, nor any part of it. How groups are made is `writer.py`'s business, how connections are
opened `connection.py`'s.

A transaction and a query are plain functions of a `sqlite3.Connection`, run on that connection's
thread. They must not keep it, nor return a cursor.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiosqlite

from runtime.connection import open_writer, run_job
from runtime.errors import SchemaTooNew, StoreError, StoreFull, StoreUnavailable
from runtime.group import Job
from runtime.migrations import Schema, migrate
from runtime.readers import Readers
from runtime.sqlite_errors import space_is_gone, store_error
from runtime.writer import Writer

__all__ = ["SchemaTooNew", "Store", "StoreError", "StoreFull", "StoreUnavailable"]

T = TypeVar("T")

PROBE_INTERVAL_S = 1.0  # how often a full disk is tried again because somebody asks

_log = logging.getLogger(__name__)


class Store:
    """One SQLite file with its writer and readers; made by `open`, ended by `close`."""

    path: Path

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        readers: Readers,
        *,
        observe: Callable[[int, float], None] | None,
    ) -> None:
        """Start the writer task; use `open` instead."""
        self.path = path
        self._connection = connection
        self._readers = readers
        self._closing = asyncio.Lock()
        self._probed_s = float("-inf")
        self._listeners: list[Callable[[], None]] = []
        self._broken_listeners: list[Callable[[], None]] = []
        self._writer = Writer(
            connection,
            path,
            observe=observe,
            after_commit=lambda: self._tell(self._listeners),
            when_broken=lambda: self._tell(self._broken_listeners),
        )
        self._writing = asyncio.create_task(self._writer.run(), name=f"writer of {path.name}")

    @classmethod
    async def open(
        cls,
        path: Path,
        schema: Schema,
        *,
        reader_count: int = 2,
        observe: Callable[[int, float], None] | None = None,
    ) -> "Store":
        """Open or make the file, bring it to `schema`, start the writer.

        The caller holds the folder's lock. `observe(group_size, seconds)` is called on the event
        loop after every committed group.

        Raises: StoreUnavailable, StoreFull; SchemaTooNew if a newer program wrote the file.
        """
        async with contextlib.AsyncExitStack() as opened:
            try:
                connection = await open_writer(path)
                opened.push_async_callback(connection.close)
                await run_job(connection, migrate, schema)
                readers = await Readers.open(path, reader_count)
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if explained := await asyncio.to_thread(store_error, error, path):
                    raise explained from error
                raise
            opened.pop_all()
        return cls(path, connection, readers, observe=observe)

    async def write(
        self,
        transaction: Callable[[sqlite3.Connection], T],
        *,
        background: bool = False,
        committed: Callable[[T], None] | None = None,
    ) -> T:
        """Run `transaction(db)` whole or not at all; on return it is durable.

        It may share a transaction with others, each in a savepoint; if it raises, only its own
        part is rolled back and the exception reaches this caller. `committed(result)` is called
        on the event loop after COMMIT, also if the caller was cancelled meanwhile. With
        `background` it yields to those without.

        Raises: StoreFull, StoreUnavailable; nothing was recorded then.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.submit(Job(transaction, committed, background, answer))
        return await answer

    def foreground_waits(self) -> bool:
        """Whether a caller in the foreground waits; a long background transaction asks it, on its thread, to end early."""
        return self._writer.foreground_waits()

    def foreground_quiet_s(self) -> float:
        """For how long nobody has written in the foreground; infinite before the first did."""
        return asyncio.get_running_loop().time() - self._writer.foreground_at_s

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query(db)` on a connection that can only read, in one consistent snapshot.

        It sees every write answered before the call.

        Raises: StoreUnavailable if the store is closed, the file unreadable, or too much waits.
        """
        return await self._readers.run(query)

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called on the event loop after every committed group."""
        self._listeners.append(listener)

    def on_broken(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called on the event loop once nothing can be written until restart."""
        self._broken_listeners.append(listener)

    @property
    def broken(self) -> StoreUnavailable | None:
        """Why nothing can be written until restart (failed fsync, damaged file), else None."""
        return self._writer.broken

    async def takes_writes(self) -> bool:
        """Whether a write would be recorded, as far as is known.

        After one that found no room it is not, until one has succeeded; a small one is tried for
        that here, at most once a second.
        """
        if self.broken or not self._writer.full:
            return self.broken is None
        now_s = asyncio.get_running_loop().time()
        if now_s - self._probed_s >= PROBE_INTERVAL_S:
            self._probed_s = now_s
            with contextlib.suppress(StoreError):
                if not await asyncio.to_thread(space_is_gone, self.path):
                    await self.write(_write_the_same)
        return self.broken is None and not self._writer.full

    async def close(self) -> None:
        """Finish what is queued, then close the file; the second call does nothing more.

        Cancelled while it waits, it has only stopped new writes; call it again.
        """
        self._writer.finish()
        # aiosqlite's close never returns to the second of two callers at once.
        async with self._closing:
            # Waited for, not awaited: cancelling this caller must not cut a group short, and a
            # writer that the end of the loop has cancelled must not leave the threads running.
            await asyncio.wait([self._writing])
            await self._readers.close()
            # Last, because the last connection to close writes the WAL back into the file.
            await self._connection.close()
        if not self._writing.cancelled():
            self._writing.result()  # a writer that died of a bug says so here

    def _tell(self, listeners: Sequence[Callable[[], None]]) -> None:
        for listener in listeners:
            try:
                listener()
            except Exception:
                _log.exception("a listener of the store failed")


def _write_the_same(db: sqlite3.Connection) -> None:
    # The first page goes into the WAL although nothing in it changes.
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute(f"PRAGMA user_version={version:d}")
