"""Connections to one SQLite file: how they are opened, and how work gets onto their threads.

Invariant: every setting that durability or isolation rests on is set *and read back* on each
connection. A disk error while it is set can leave the old value in force without an exception, and
WAL with `synchronous` below FULL loses answered sales in a power cut.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote

import aiosqlite

from runtime.errors import StoreUnavailable

BUSY_TIMEOUT_MS = 5_000  # only a foreign tool can hold the lock; it gets this long to let go
# Of a new file. A till's sale changes a few bytes on each of a dozen pages, and every one of them is
# summed, written to the WAL and written again to the file: with 4 KiB that was half of a sale's cost.
PAGE_BYTES = 2_048
CHECKPOINT_PAGES = 2_000  # 4 MB of WAL between checkpoints, as by SQLite's own default
# The default of 2 MB is smaller than one index of 200,000 counters: each page of the feed read it again.
CACHE_KIB = 16 * 1024
WAL_BYTES_KEPT = 64 * 1024 * 1024  # a WAL that a long read made longer is cut back to this

P = ParamSpec("P")
T = TypeVar("T")


class _Setting(NamedTuple):
    assign: str
    inquire: str
    value: str | int


_BOTH = (
    _Setting(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}", "PRAGMA busy_timeout", BUSY_TIMEOUT_MS),
    _Setting("PRAGMA foreign_keys=ON", "PRAGMA foreign_keys", 1),
    # A function or view in a damaged or foreign schema must not run code on our behalf.
    _Setting("PRAGMA trusted_schema=OFF", "PRAGMA trusted_schema", 0),
)
_WRITER = (
    *_BOTH,
    _Setting("PRAGMA journal_mode=WAL", "PRAGMA journal_mode", "wal"),
    _Setting("PRAGMA synchronous=FULL", "PRAGMA synchronous", 2),
    # What is erased or out of scope must not stay readable in free pages of a stolen disk.
    _Setting("PRAGMA secure_delete=ON", "PRAGMA secure_delete", 1),
    # Else INSERT OR REPLACE would take a row away without asking the triggers that keep it.
    _Setting("PRAGMA recursive_triggers=ON", "PRAGMA recursive_triggers", 1),
    _Setting(f"PRAGMA cache_size=-{CACHE_KIB}", "PRAGMA cache_size", -CACHE_KIB),
    _Setting(
        f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
        "PRAGMA wal_autocheckpoint",
        CHECKPOINT_PAGES,
    ),
    _Setting(
        f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}",
        "PRAGMA journal_size_limit",
        WAL_BYTES_KEPT,
    ),
)
# Only the writer may checkpoint: SQLite before 3.51.3 can damage a file when two connections
# write or checkpoint at once (https://sqlite.org/wal.html, "the WAL-reset bug").
_READER = (
    *_BOTH,
    _Setting("PRAGMA query_only=ON", "PRAGMA query_only", 1),
    _Setting("PRAGMA wal_autocheckpoint=0", "PRAGMA wal_autocheckpoint", 0),
)


async def open_writer(path: Path) -> aiosqlite.Connection:
    """Open the one read-write connection; the file is made with mode 0600 if missing.

    Raises: StoreUnavailable if a setting does not hold; sqlite3.Error as SQLite gave it.
    """
    return await _open(partial(connect_writer, path))


async def open_reader(path: Path) -> aiosqlite.Connection:
    """Open a connection that can only read.

    Raises: StoreUnavailable if a setting does not hold; sqlite3.Error as SQLite gave it.
    """
    return await _open(partial(connect_reader, path))


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open read-write with all settings; blocks. For a program that holds the folder's lock."""
    _make_private(path)
    return _connect(path, "rw", _WRITER)


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open read-only with all settings; blocks. Safe beside a running daemon."""
    return _connect(path, "ro", _READER)


async def _open(connect: Callable[[], sqlite3.Connection]) -> aiosqlite.Connection:
    connection = aiosqlite.Connection(connect, iter_chunk_size=64)
    try:
        return await connection
    except BaseException:
        # aiosqlite has told its thread to end and does not wait: a program that gives up at once would have closed the
        # event loop before the thread answers there, and print a traceback of that.
        await asyncio.to_thread(connection._thread.join)
        raise


async def run_job(
    connection: aiosqlite.Connection,
    job: Callable[Concatenate[sqlite3.Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run `job(db, ...)` as one piece of work on the connection's thread, in the order called.

    With `_open` the only place that uses what aiosqlite keeps private. Its public calls hop to the thread and
    back for each statement, and other coroutines' statements get in between. Measured on two
    cores with Python 3.11: a transaction of ten inserts took 1.1 ms (median) statement by
    statement and 0.2 ms as one job, of which 0.07 ms is the hop. A test pins the behaviour.

    Cancelling the caller does not stop the job. Raises whatever `job` raises, and
    StoreUnavailable if the connection is closed.
    """
    # Nothing can close the connection between this check and the call: both run on the loop.
    if not connection._running or connection._connection is None:
        raise StoreUnavailable("the store is closed")
    bound = partial(job, connection._connection, *args, **kwargs)
    result: T = await connection._execute(bound)  # type: ignore[no-untyped-call]
    return result


def _connect(path: Path, mode: str, settings: Sequence[_Setting]) -> sqlite3.Connection:
    # isolation_level=None: transactions begin where we say BEGIN and nowhere else.
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    db = sqlite3.connect(address, uri=True, isolation_level=None, cached_statements=256)
    try:
        db.row_factory = sqlite3.Row
        if mode == "rw":  # a file that has pages keeps their size, so it is no setting to read back
            db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        for setting in settings:
            _apply(db, setting)
    except BaseException:
        db.close()
        raise
    return db


def _apply(db: sqlite3.Connection, setting: _Setting) -> None:
    # Without fetching the row, an I/O error while switching to WAL goes unreported.
    db.execute(setting.assign).fetchall()
    found = db.execute(setting.inquire).fetchone()[0]
    if found != setting.value:
        raise StoreUnavailable(f"{setting.assign} did not hold: SQLite answers {found!r}")


def _make_private(path: Path) -> None:
    # SQLite gives its -wal and -shm files the mode of the database file. An existing file is never
    # opened here: closing it would drop the locks that SQLite holds on it in this process.
    if path.is_symlink():
        raise StoreUnavailable("the database is a symbolic link")
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        path.chmod(0o600)
    except OSError as error:
        raise StoreUnavailable(f"the database cannot be made: {error.strerror}") from error
    else:
        os.close(made)
