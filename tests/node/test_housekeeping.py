"""What a node does of its own accord, and when it does not: it never cuts a log by a clock that nobody has compared."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.housekeeping import Housekeeping
from node.local import Local
from node.replica import SCHEMA, log
from node.replica.identity import read_identity, save_acked
from node.replica.retention import Retention
from protocol.ids import Seq
from runtime.store import Store
from runtime.world import World
from tests.node.chain import ME, movement
from tests.node.enrolled import enrolled_folder
from tests.node.replica.test_retention import DAY_MS, NOW_MS
from tests.node.replica.test_view import record


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with 200 operations that the hub backed up 40 days ago."""
    shop = await asyncio.to_thread(enrolled_folder, tmp_path / "S01")
    opened = await Store.open(shop.database, SCHEMA)

    def live(db) -> None:  # type: ignore[no-untyped-def]
        for number in range(1, 201):
            record(db, movement(number, ("apple", 1)))
        db.execute("DELETE FROM pending_delta")
        log.acknowledge(db, Seq(200), NOW_MS - 40 * DAY_MS)
        save_acked(db, Seq(200), Seq(200), NOW_MS)

    await opened.write(live)
    yield opened
    await opened.close()


async def base_after_a_moment(
    store: Store, *, connected: bool, offset_ms: int | None, wanted: int, days: int = 30
) -> int:
    """Where the log begins once the daily work had its turn."""
    local = Local(await store.read(read_identity), ME, offset_ms, connected=connected)
    work = Housekeeping(store, World(now_ms=lambda: NOW_MS), local, Retention(days, 400))
    task = asyncio.create_task(work.run())
    base = Seq(1)
    for _ in range(100 if wanted > 1 else 10):
        await asyncio.sleep(0.05)
        base = await store.read(log.base)
        if base == wanted > 1:
            break
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return base


async def test_the_log_is_cut_in_pieces_once_a_session_is_open(store: Store) -> None:
    assert await base_after_a_moment(store, connected=True, offset_ms=0, wanted=200) == 200


@pytest.mark.parametrize(
    ("connected", "offset_ms", "days"),
    [
        (False, 0, 30),
        (True, None, 30),
        (True, -20 * DAY_MS, 30),  # by the hub's clock it is 20 days earlier
        (True, 0, 41),
    ],
)
async def test_the_log_stays_whole(
    store: Store, connected: bool, offset_ms: int | None, days: int
) -> None:
    base = await base_after_a_moment(
        store, connected=connected, offset_ms=offset_ms, wanted=1, days=days
    )
    assert base == 1
