"""Callers that go away, at any moment: the store stays whole and goes on."""

import asyncio
import random
import sqlite3
import threading

import pytest

from runtime.store import Store
from tests.runtime.conftest import insert, trials
from tests.runtime.held_writer import HeldWriter, settle


async def test_a_cancelled_reads_connection_is_not_used_until_its_query_ends(
    store: Store,
) -> None:
    release = threading.Event()
    stuck = asyncio.create_task(store.read(lambda _db: release.wait(10)))
    await settle()
    stuck.cancel()
    await settle()
    try:
        for _ in range(5):  # all on the other connection
            assert await asyncio.wait_for(store.read(trials), 5) == []
    finally:
        release.set()
    assert await asyncio.gather(*(store.read(trials) for _ in range(10))) == [[]] * 10


async def test_committed_is_called_though_the_caller_was_cancelled(
    store: Store, held: HeldWriter
) -> None:
    """Cancelled while its transaction runs: the transaction commits and is published."""
    published: list[int] = []
    loop, running, go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> int:
        loop.call_soon_threadsafe(running.set)
        assert go.wait(10)
        return insert(5)(db)

    task = asyncio.create_task(store.write(slow, committed=published.append))
    await held.release()
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await store.write(insert(6))
    assert published == [5]
    assert await store.read(trials) == [5, 6]


async def test_a_caller_cancelled_in_the_queue_records_nothing(
    store: Store, held: HeldWriter
) -> None:
    task = asyncio.create_task(store.write(insert(1)))
    await settle()
    task.cancel()
    await held.release()
    await store.write(insert(2))
    assert await store.read(trials) == [2]


async def test_a_write_cancelled_at_any_moment_is_whole_or_absent(store: Store) -> None:
    """A hundred cancel points from before the queue to after COMMIT, others writing beside."""
    chance = random.Random(20101201)
    published: list[int] = []
    lines = 20
    outcomes = {"answered": 0, "cancelled": 0}

    async def trial(number: int) -> None:
        task = asyncio.create_task(store.write(insert(number, lines), committed=published.append))
        if number % 2:
            await asyncio.sleep(chance.uniform(0, 0.001))
        else:
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
        task.cancel()
        try:
            await task
            outcomes["answered"] += 1
        except asyncio.CancelledError:
            outcomes["cancelled"] += 1

    for start in range(0, 100, 4):
        await asyncio.gather(*(trial(number) for number in range(start, start + 4)))
        await store.write(insert(1_000 + start))
    sizes = await store.read(
        lambda db: dict(
            db.execute(
                "SELECT trial, count(*) FROM entry WHERE trial < 1000 GROUP BY trial ORDER BY trial"
            ).fetchall()
        )
    )
    assert set(sizes.values()) <= {lines}
    assert sorted(published) == sorted(sizes)
    assert outcomes["cancelled"] > 10


async def test_a_cancelled_close_finishes_what_is_queued_all_the_same(
    store: Store, held: HeldWriter
) -> None:
    queued = [asyncio.create_task(store.write(insert(trial))) for trial in range(3)]
    closing = asyncio.create_task(store.close())
    await settle()
    closing.cancel()
    await settle()
    assert closing.cancelled()
    await held.release()
    assert await asyncio.gather(*queued) == [0, 1, 2]
    await store.close()
