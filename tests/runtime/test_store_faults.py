"""What the store does when the world fails: no room, no disk, a foreign lock, a damaged file."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.migrations import Schema
from runtime.store import Store, StoreFull, StoreUnavailable
from tests.runtime.conftest import insert, trials
from tests.runtime.held_writer import HeldWriter, settle

ROOT = Path(__file__).parents[2]


def limit_pages(db: sqlite3.Connection, more: int) -> None:
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count={pages + more}")


def lift_limit(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA max_page_count=1000000")


async def test_a_full_disk_refuses_the_whole_group_and_works_again_with_room(
    store: Store, held: HeldWriter
) -> None:
    """A one-row insert has nothing of its own to undo, so SQLite rolls back all since BEGIN."""
    waiting = [asyncio.create_task(store.write(limit_and(insert(0))))]
    waiting += [asyncio.create_task(store.write(insert(n, lines=200))) for n in range(1, 40)]
    await settle()
    await held.release()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreFull}
    assert len({id(answer) for answer in answers}) == len(answers), "one exception for many tasks"
    assert await store.read(trials) == []
    await store.write(lift_limit)
    assert await store.write(insert(7, lines=500)) == 7
    assert await store.read(trials) == [7]
    assert store.broken is None


def limit_and(transaction: Callable[[sqlite3.Connection], int]) -> Callable[..., int]:
    """Make a transaction that leaves room for two more pages before it runs."""

    def both(db: sqlite3.Connection) -> int:
        limit_pages(db, more=2)
        return transaction(db)

    return both


async def test_a_statement_that_can_be_undone_alone_costs_only_its_caller(
    store: Store, held: HeldWriter
) -> None:
    """A statement of many rows has a journal of its own; the transaction survives it."""
    fills = (
        "INSERT INTO entry (trial, line) WITH RECURSIVE n(x) AS "
        "(SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) SELECT 5, x FROM n"
    )
    before = asyncio.create_task(store.write(limit_and(insert(1))))
    too_much = asyncio.create_task(store.write(lambda db: db.execute(fills).rowcount))
    after = asyncio.create_task(store.write(insert(2)))
    await settle()
    await held.release()
    answers = await asyncio.gather(before, too_much, after, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, StoreFull, int]
    assert await store.read(trials) == [1, 2]


async def test_reads_are_served_while_the_disk_is_full(store: Store) -> None:
    await store.write(insert(1))
    with pytest.raises(StoreFull):
        await store.write(limit_and(insert(2, lines=10_000)))
    assert await store.read(trials) == [1]


def test_a_file_size_limit_is_a_full_disk_and_ends_with_it(tmp_path: Path) -> None:
    """The limit makes write() fail with EFBIG, which SQLite reports as an I/O error."""
    program = textwrap.dedent(
        """
        import asyncio, resource, sys
        from pathlib import Path
        from runtime.migrations import Schema
        from runtime.store import Store, StoreFull

        def limit(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        def blob(db):
            return db.execute("INSERT INTO t (a) VALUES (zeroblob(50000))").lastrowid

        async def main(path):
            store = await Store.open(path, Schema("CREATE TABLE t (a BLOB);", ("",)))
            limit(400_000)
            answered = refused = 0
            for _ in range(20):
                try:
                    await store.write(blob)
                    answered += 1
                except StoreFull:
                    refused += 1
            limit(resource.RLIM_INFINITY)
            await store.write(blob)
            count = await store.read(lambda db: db.execute("SELECT count(*) FROM t").fetchone()[0])
            print(answered > 0, refused > 0, count == answered + 1, store.broken)
            await store.close()

        asyncio.run(main(Path(sys.argv[1])))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "True True True None", done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.needs_tmpfs
async def test_a_disk_that_is_really_full_loses_nothing_answered(
    small_disk: Path, schema: Schema
) -> None:
    store = await Store.open(small_disk / "store.db", schema)
    answered = []
    filler = small_disk / "filler"
    try:
        filler.write_bytes(b"x" * 500_000)
        with contextlib.suppress(StoreFull):
            for trial in range(1_000):
                answered.append(await store.write(insert(trial, lines=100)))  # noqa: PERF401
        assert len(answered) < 1_000, "the disk never filled"
        assert await store.read(trials) == answered != []
        filler.unlink()
        answered.append(await store.write(insert(2_000)))
        assert await store.read(trials) == answered
    finally:
        await store.close()


async def test_a_foreign_lock_is_waited_for(store: Store) -> None:
    other = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, other.execute, ["COMMIT"]).start()
    began_s = time.monotonic()
    assert await store.write(insert(1)) == 1
    assert time.monotonic() - began_s > 0.2
    other.close()


async def test_a_foreign_lock_that_stays_is_unavailable(store: Store) -> None:
    await store.write(lambda db: db.execute("PRAGMA busy_timeout=50").fetchone())
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another program"):
        await store.write(insert(1))
    other.close()
    assert await store.write(insert(1)) == 1


async def test_a_damaged_page_is_unavailable_and_ends_writing(
    tmp_path: Path, schema: Schema
) -> None:
    path = tmp_path / "damaged.db"
    store = await Store.open(path, schema)
    await store.write(insert(1, lines=5_000))
    await store.close()
    damage(path)
    store = await Store.open(path, schema)
    told: list[str] = []
    store.on_broken(lambda: told.append("once"))
    try:
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.read(trials)
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.write(trials)
        assert store.broken is not None
        with pytest.raises(StoreUnavailable, match="restarted"):
            await store.write(lambda _db: None)
        assert told == ["once"]
    finally:
        await store.close()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 5 : 4096 * 12] = os.urandom(4096 * 7)
    path.write_bytes(content)


async def test_after_a_failed_fsync_nothing_is_written_until_restart(
    store: Store, held: HeldWriter
) -> None:
    """The kernel may have dropped the pages: a second fsync that succeeds proves nothing."""

    def fails(_db: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    await held.release()
    await store.write(insert(1))
    with pytest.raises(StoreUnavailable, match="disk"):
        await store.write(fails)
    with pytest.raises(StoreUnavailable, match="restarted"):
        await store.write(insert(2))
    assert await store.read(trials) == [1]
