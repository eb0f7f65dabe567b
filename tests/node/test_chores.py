"""Work that follows commits: nothing that was committed goes unseen, and neither the store nor a bug ends the node."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.chores import Chore
from node.replica import SCHEMA
from runtime.store import Store, StoreError
from tests.runtime.held_writer import PATIENCE_S

LONG_S = 3_600.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = await Store.open(tmp_path / "node.db", SCHEMA)
    yield opened
    await opened.close()


class Looks:
    """Work that counts how often it was done, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.count = 0
        self._failures = list(failures)
        self._done = asyncio.Event()

    async def do(self) -> None:
        """Look once."""
        self.count += 1
        self._done.set()
        if self._failures:
            raise self._failures.pop(0)

    async def come_to(self, count: int) -> None:
        """Wait until it was done so often."""
        async with asyncio.timeout(PATIENCE_S):
            while self.count < count:
                self._done.clear()
                await self._done.wait()


async def commit(store: Store) -> None:
    """Change something."""
    await store.write(lambda db: db.execute("INSERT INTO pulled VALUES ('S01', 1, 0)"))
    await store.write(lambda db: db.execute("DELETE FROM pulled"))


async def test_it_looks_at_the_start_and_at_what_is_committed_later(store: Store) -> None:
    looks = Looks()
    chore = Chore(store, "test", looks.do)
    chore.start(interval_s=0.0, again_s=LONG_S)
    await looks.come_to(1)
    await commit(store)
    await looks.come_to(2)
    await chore.stop()


async def test_what_is_committed_within_an_interval_is_looked_at_together(store: Store) -> None:
    looks = Looks()
    chore = Chore(store, "test", looks.do)
    chore.start(interval_s=LONG_S, again_s=LONG_S)
    await looks.come_to(1)
    await commit(store)
    await asyncio.sleep(0)
    assert looks.count == 1
    await chore.stop()


async def test_it_looks_again_though_nobody_commits(store: Store) -> None:
    looks = Looks()
    chore = Chore(store, "test", looks.do)
    chore.start(interval_s=0.0, again_s=0.01)
    await looks.come_to(3)
    await chore.stop()


async def test_what_the_store_refuses_is_done_the_next_time(store: Store) -> None:
    looks = Looks(StoreError("the disk is full"))
    chore = Chore(store, "test", looks.do)
    chore.start(interval_s=0.0, again_s=0.01)
    await looks.come_to(2)
    await chore.stop()


async def test_a_bug_ends_the_work_and_is_logged(store: Store) -> None:
    looks = Looks(ValueError("a bug"))
    chore = Chore(store, "test", looks.do)
    with capture_logs() as said:
        chore.start(interval_s=0.0, again_s=0.01)
        await looks.come_to(1)
        await commit(store)
        await chore.stop()
    assert looks.count == 1
    assert [one["event"] for one in said] == ["some work of the node has crashed"]
