"""The connections that only read.

Invariant: a connection serves one query at a time, each in a transaction of its own, so a query
sees one state of the database however long it takes, and the next one sees everything committed
before it began.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from runtime.connection import open_reader, run_job
from runtime.errors import StoreUnavailable
from runtime.sqlite_errors import is_misuse_of_reader, store_error

WAITING_MAX = 4_096  # more readers than this are better told to come back

T = TypeVar("T")


def read_snapshot(
    db: sqlite3.Connection, path: Path, query: Callable[[sqlite3.Connection], T]
) -> T:
    """Run `query(db)` in a transaction of its own; on the connection's thread."""
    try:
        db.execute("BEGIN")
        try:
            return query(db)
        finally:
            if db.in_transaction:
                db.execute("COMMIT")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if is_misuse_of_reader(error):
            raise
        if explained := store_error(error, path):
            raise explained from error
        raise


class Readers:
    """A fixed number of read-only connections to one file, handed out in the order asked for."""

    def __init__(self, path: Path, connections: list[aiosqlite.Connection]) -> None:
        self._path = path
        self._connections = connections
        self._waiting = 0
        self._closed = False
        self._idle: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue(len(connections))
        for connection in connections:
            self._idle.put_nowait(connection)

    @classmethod
    async def open(cls, path: Path, count: int) -> "Readers":
        """Open `count` connections, at least one. Raises as `open_reader` does."""
        assert count >= 1, "a store without readers cannot be read"
        connections: list[aiosqlite.Connection] = []
        try:
            for _ in range(count):
                connections.append(await open_reader(path))  # noqa: PERF401 - kept to be closed
        except BaseException:
            for connection in connections:
                await connection.close()
            raise
        return cls(path, connections)

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query(db)` on the next idle connection.

        Raises: StoreUnavailable; what `query` raises otherwise.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._waiting >= WAITING_MAX:
            raise StoreUnavailable("too many reads are waiting")
        self._waiting += 1
        try:
            connection = await self._idle.get()
        finally:
            self._waiting -= 1
        job = asyncio.ensure_future(run_job(connection, read_snapshot, self._path, query))
        # A caller that goes away leaves its query running; the connection is idle only after it.
        job.add_done_callback(lambda done: self._release(connection, done))
        return await asyncio.shield(job)

    async def close(self) -> None:
        """Wait for the queries that run or wait, then close the connections."""
        if self._closed:
            return
        self._closed = True
        for _ in self._connections:
            connection = await self._idle.get()
            await connection.close()

    def _release(self, connection: aiosqlite.Connection, done: "asyncio.Future[Any]") -> None:
        self._idle.put_nowait(connection)
        if not done.cancelled():
            done.exception()  # seen here, so that a caller gone away leaves no warning
