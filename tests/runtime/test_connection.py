"""How connections are opened, and the one use of what aiosqlite keeps private."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime import connection
from runtime.connection import connect_writer, open_reader, open_writer, run_job
from runtime.errors import StoreUnavailable

SETTINGS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 5_000,
    "secure_delete": 1,
    "trusted_schema": 0,
    "mmap_size": 0,
}


def settings(db: sqlite3.Connection) -> dict[str, object]:
    return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS}


async def test_the_writer_has_every_setting_that_durability_rests_on(tmp_path: Path) -> None:
    writer = await open_writer(tmp_path / "a.db")
    try:
        assert await run_job(writer, settings) == SETTINGS
    finally:
        await writer.close()


async def test_a_reader_neither_writes_nor_checkpoints(tmp_path: Path) -> None:
    writer = await open_writer(tmp_path / "a.db")
    reader = await open_reader(tmp_path / "a.db")
    try:
        for name, value in (("query_only", 1), ("wal_autocheckpoint", 0), ("foreign_keys", 1)):
            sql = f"PRAGMA {name}"
            assert await run_job(reader, lambda db, sql=sql: db.execute(sql).fetchone()[0]) == value
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await run_job(reader, lambda db: db.execute("CREATE TABLE t (a)"))
    finally:
        await reader.close()
        await writer.close()


def test_a_setting_that_does_not_hold_is_an_error() -> None:
    """A database in memory cannot be in WAL mode; SQLite says so only in the row it returns."""
    db = sqlite3.connect(":memory:")
    wal = next(one for one in connection._WRITER if one.value == "wal")
    with pytest.raises(StoreUnavailable, match="'memory'"):
        connection._apply(db, wal)
    db.close()


def test_the_database_and_its_companions_are_private_whatever_the_umask(tmp_path: Path) -> None:
    db = connect_writer(tmp_path / "a.db")
    db.execute("CREATE TABLE t (a)")
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    db.close()
    assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


def test_a_database_left_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    sqlite3.connect(path).close()
    path.chmod(0o644)
    connect_writer(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreUnavailable, match="symbolic link"):
        connect_writer(tmp_path / "link.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_missing_folder_is_a_sentence_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        connect_writer(tmp_path / "none" / "a.db")


async def test_a_job_runs_whole_on_one_thread_in_the_order_called(tmp_path: Path) -> None:
    """Pins what `run_job` takes from aiosqlite: a job is not interrupted by another."""
    writer = await open_writer(tmp_path / "a.db")
    seen: list[tuple[str, int]] = []

    def job(db: sqlite3.Connection, name: str) -> int:
        assert isinstance(db, sqlite3.Connection)
        for _ in range(50):
            time.sleep(0)  # let go of the interpreter, as a statement does
            seen.append((name, threading.get_ident()))
        return threading.get_ident()

    try:
        threads = await asyncio.gather(*(run_job(writer, job, f"{n}") for n in range(20)))
    finally:
        await writer.close()
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    assert [name for name, _ in seen] == [f"{n}" for n in range(20) for _ in range(50)]


async def test_cancelling_the_caller_does_not_stop_the_job(tmp_path: Path) -> None:
    writer = await open_writer(tmp_path / "a.db")
    go, done = threading.Event(), threading.Event()

    def job(_db: sqlite3.Connection) -> None:
        go.wait(10)
        done.set()

    try:
        task = asyncio.create_task(run_job(writer, job))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not done.is_set()
        go.set()
        await run_job(writer, lambda _db: None)
        assert done.is_set()
    finally:
        go.set()
        await writer.close()


async def test_a_closed_connection_says_so(tmp_path: Path) -> None:
    writer = await open_writer(tmp_path / "a.db")
    await writer.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await run_job(writer, lambda _db: None)


@pytest.mark.parametrize("open_", [open_reader, open_writer])
async def test_no_thread_outlives_an_opening_that_failed(
    tmp_path: Path, open_: Callable[[Path], Awaitable[object]]
) -> None:
    for _ in range(20):
        with pytest.raises((StoreUnavailable, sqlite3.OperationalError)):
            await open_(tmp_path / "missing" / "a.db")
        assert [
            each for each in threading.enumerate() if each.name.endswith("_worker_thread)")
        ] == []
