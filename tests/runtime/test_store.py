"""The store as its callers see it: answers, callbacks, cancellation, snapshots, closing."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from runtime.migrations import Schema
from runtime.store import SchemaTooNew, Store, StoreUnavailable
from tests.runtime.conftest import insert, trials
from tests.runtime.held_writer import HeldWriter, settle


def on_disk(path: Path) -> list[int]:
    """What another process would find; only answered writes are sure to be there."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        return trials(db)
    finally:
        db.close()


async def test_an_answered_write_is_in_the_file(store: Store) -> None:
    assert await store.write(insert(7)) == 7
    assert on_disk(store.path) == [7]


async def test_rows_are_read_by_name(store: Store) -> None:
    await store.write(insert(1))
    row = await store.read(lambda db: db.execute("SELECT trial, line FROM entry").fetchone())
    assert (row["trial"], row["line"]) == (1, 0)


async def test_a_read_sees_every_write_answered_before_it(store: Store) -> None:
    for trial in range(50):
        await store.write(insert(trial))
        assert await store.read(trials) == list(range(trial + 1))


async def test_a_query_sees_one_snapshot_however_long_it_takes(store: Store) -> None:
    await store.write(insert(1))
    loop, counted, written = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def twice(db: sqlite3.Connection) -> tuple[list[int], list[int]]:
        first = trials(db)
        loop.call_soon_threadsafe(counted.set)
        assert written.wait(10)
        return first, trials(db)

    reading = asyncio.create_task(store.read(twice))
    await counted.wait()
    await store.write(insert(2))
    written.set()
    assert await reading == ([1], [1])
    assert await store.read(trials) == [1, 2]


async def test_a_query_that_writes_is_refused_as_the_mistake_it_is(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(insert(1))
    assert await store.read(trials) == []


async def test_a_query_that_fails_leaves_its_connection_good(store: Store) -> None:
    for _ in range(5):  # more than there are readers
        with pytest.raises(ZeroDivisionError):
            await store.read(lambda _db: 1 // 0)
    assert await store.read(trials) == []


async def test_more_reads_than_readers_all_get_their_answer(store: Store) -> None:
    await store.write(insert(1))
    answers = await asyncio.gather(*(store.read(trials) for _ in range(100)))
    assert answers == [[1]] * 100


async def test_committed_is_called_before_the_caller_is_answered(store: Store) -> None:
    events: list[str] = []
    store.on_commit(lambda: events.append("listener"))

    async def caller() -> None:
        await store.write(insert(3), committed=lambda trial: events.append(f"committed {trial}"))
        events.append("answered")

    await caller()
    assert events == ["committed 3", "listener", "answered"]


async def test_committed_is_not_called_for_what_was_rolled_back(store: Store) -> None:
    called: list[int] = []
    await store.write(insert(1))
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(insert(1), committed=called.append)
    assert called == []


async def test_a_failing_callback_costs_no_one_his_answer(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def broken(*_: object) -> None:
        raise RuntimeError("broken callback")

    store.on_commit(broken)
    store.on_commit(lambda: heard.append("second listener"))
    assert await store.write(insert(1), committed=broken) == 1
    assert await store.write(insert(2)) == 2
    assert heard == ["second listener"] * 2
    assert caplog.text.count("broken callback") >= 3


async def test_closing_finishes_what_is_queued_and_takes_no_more(
    store: Store, held: HeldWriter
) -> None:
    queued = [asyncio.create_task(store.write(insert(trial))) for trial in range(20)]
    await settle()
    closing = asyncio.create_task(store.close())
    await settle()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(insert(99))
    await held.release()
    assert await asyncio.gather(*queued) == list(range(20))
    await closing
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read(trials)
    assert on_disk(store.path) == list(range(20))


async def test_closing_twice_is_closing_once(store: Store) -> None:
    await asyncio.gather(store.close(), store.close())
    await store.close()


async def test_a_closed_store_leaves_one_file(store: Store) -> None:
    await store.write(insert(1))
    await store.close()
    assert [file.name for file in store.path.parent.iterdir()] == ["store.db"]


async def test_a_store_reopens_with_what_it_had(tmp_path: Path, schema: Schema) -> None:
    for trial in range(3):
        store = await Store.open(tmp_path / "again.db", schema)
        await store.write(insert(trial))
        assert await store.read(trials) == list(range(trial + 1))
        await store.close()


async def test_a_database_of_a_newer_program_is_refused_and_unchanged(
    tmp_path: Path, schema: Schema
) -> None:
    path = tmp_path / "newer.db"
    newer = Schema(schema.current, (schema.current, "CREATE TABLE later (a INTEGER) STRICT;"))
    await (await Store.open(path, newer)).close()
    with pytest.raises(SchemaTooNew, match="version 2 and this program knows 1"):
        await Store.open(path, schema)
    await (await Store.open(path, newer)).close()


async def test_what_is_no_database_is_refused(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear customer, " * 1_000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await Store.open(path, schema)
