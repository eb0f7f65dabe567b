"""Streams over a real store: caught up without a gap, bounded for the slow, started over when their changes are gone."""

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from node.commands import movements as commands
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.live.events import Event, EventName, Frame, Since, Sync, since_of
from node.live.stream import End, Stream
from node.live.tailer import Live
from node.metrics import NodeMetrics
from node.replica import SCHEMA, changes, recovery, stock
from node.replica.stock import StockQuery
from node.showing import stock_json
from protocol.ids import ChainId, Location, Lot, ReplicaId, Sku
from protocol.limits import LIVE_PENDING_BYTES_MAX
from protocol.movements import MoveKind
from runtime.store import Store, StoreUnavailable
from runtime.world import World
from tests.node.chain import certificate_of
from tests.node.enrolled import enrolled_folder
from tests.node.live.listener import JsonObject, Mirror, Told

T = TypeVar("T")
TILL = Caller("till-1", Authority.TILL)
HERE = Here(ChainId(b"e" * 16), ReplicaId(b"r" * 16), certificate_of(writes=("S01",)), 0, 1_000)
PATIENCE_S = 20.0


class CountingStore(Store):
    """A store that says how often it was read."""

    reads = 0

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Read as ever."""
        self.reads += 1
        return await super().read(query)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountingStore]:
    """Give the open store of a joined node."""
    shop = await asyncio.to_thread(enrolled_folder, tmp_path / "S01")
    opened = await CountingStore.open(shop.database, SCHEMA)
    assert isinstance(opened, CountingStore)
    yield opened
    await opened.close()


@pytest.fixture
async def live(store: CountingStore) -> AsyncIterator[Live]:
    """Give the streams of that store, where a slow reader is one that leaves ten rows waiting."""
    streams = Live(store, NodeMetrics(time.monotonic), _sync, World().now_ms, pending_max=10)
    streams.start()
    yield streams
    await streams.stop()


async def _sync() -> Sync:
    return Sync(b'{"pending":0}', b"always the same")


def open_stream(live: Live) -> Stream:
    """A stream of everything."""
    return live.open(TILL, b"digest", None, lambda: False)


async def sell(store: Store, key: str, *skus: str) -> None:
    """Sell one of each."""
    lines = tuple(Line(Sku(sku), Lot(""), -1) for sku in skus)
    movement = Movement(MoveKind.SALE, Location("S01"), lines)
    await store.write(partial(commands.record, here=HERE, caller=TILL, movement=movement, key=key))


async def shown(store: Store) -> list[JsonObject]:
    """What `GET /v1/stock` lists."""
    found, _ = await store.read(
        lambda db: stock.page(db, StockQuery(limit=1_000), World().now_ms())
    )
    return [stock_json(row) for row in found]


def take(mirror: Mirror, batch: list[Frame]) -> None:
    """Tell a mirror what a reader was told."""
    for frame in batch:
        mirror.take(Told(frame.id, frame.name, json.loads(frame.data)))


async def read_until_like(
    store: Store, mirror: Mirror, batches: AsyncGenerator[list[Frame], None]
) -> None:
    """Go on reading until the mirror holds what is shown."""
    async with asyncio.timeout(PATIENCE_S):
        while mirror.rows() != await shown(store):
            take(mirror, await anext(batches))


@contextlib.asynccontextmanager
async def reading(
    live: Live, since: Since | None = None
) -> AsyncIterator[tuple[Stream, AsyncGenerator[list[Frame], None]]]:
    """A stream and its batches, left in the end."""
    stream = open_stream(live)
    try:
        async with contextlib.aclosing(stream.batches(since)) as batches:
            yield stream, batches
    finally:
        live.leave(stream)


async def test_nothing_is_read_while_nobody_listens(store: CountingStore, live: Live) -> None:
    mirror = Mirror()
    async with reading(live) as (_, batches):
        take(mirror, await anext(batches))
        await sell(store, "k0", "A1")
        await read_until_like(store, mirror, batches)
    await asyncio.sleep(0.1)
    before = store.reads
    for number in range(1, 50):
        await sell(store, f"k{number}", "A1")
    await asyncio.sleep(0.1)
    assert store.reads - before <= 1, "forgetting looks once in a while"


async def test_a_reader_that_does_not_read_keeps_a_bounded_number_waiting_and_nobody_else(
    store: CountingStore, live: Live
) -> None:
    slow, quick = Mirror(), Mirror()
    async with reading(live) as (stream, batches), reading(live) as (_, others):
        take(slow, await anext(batches))
        take(quick, await anext(others))
        following = asyncio.ensure_future(anext(batches))  # it takes part now
        await sell(store, "first", "A1")
        take(slow, await following)
        for number in range(300):
            await sell(store, f"k{number}", f"sku{number % 100}")
            assert stream.waiting <= 10
        await read_until_like(store, quick, others)
        await read_until_like(store, slow, batches)
        assert "resync" not in slow.names()
        assert slow.names().count("stock") < 300, "read again, each row once"


async def test_large_events_that_wait_are_bounded_in_bytes_too(live: Live) -> None:
    stream = open_stream(live)
    large = bytes(LIVE_PENDING_BYTES_MAX // 3)
    for n, id_ in enumerate(("A1", "B2", "C3", "B2"), start=1):
        stream.put([Event(n, ("document", "skus", id_), EventName.DOCUMENT, large, None)])
    assert stream.waiting == 3, "what comes again takes no more room"
    stream.put([Event(5, ("document", "skus", "D4"), EventName.DOCUMENT, large, None)])
    assert stream.waiting == 0, "read again, at its own pace"
    live.leave(stream)


async def test_a_stream_is_ended_also_in_the_moment_in_which_its_write_took_too_long(
    live: Live,
) -> None:
    live.write_s_max = 0.01
    stream, loop = open_stream(live), asyncio.get_running_loop()
    failed: list[object] = []
    loop.set_exception_handler(lambda _, context: failed.append(context))
    loop.call_later(2 * live.write_s_max, stream.end, End.REVOKED)

    async def write() -> None:
        async with stream.writing():
            # Both timers are due in one turn of the loop.
            time.sleep(5 * live.write_s_max)  # noqa: ASYNC251
            await asyncio.sleep(PATIENCE_S)

    with pytest.raises(TimeoutError):
        await write()
    assert (failed, stream.ended) == ([], End.REVOKED)
    live.leave(stream)


async def test_a_row_that_changes_again_while_it_waits_is_told_after_what_changed_before(
    store: CountingStore, live: Live
) -> None:
    async with reading(live) as (stream, batches):
        await anext(batches)
        following = asyncio.ensure_future(anext(batches))
        # Else "first" may be among what it reads to catch up, and what comes next is read too and waits nowhere.
        async with asyncio.timeout(PATIENCE_S):
            while stream not in live._attached:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await sell(store, "k1", "first")
        await following
        for key, sku in (("k2", "A1"), ("k3", "B2"), ("k4", "A1")):
            await sell(store, key, sku)
        async with asyncio.timeout(PATIENCE_S):
            while stream.waiting < 5:  # noqa: ASYNC110 - there is nothing to wait for but this
                await asyncio.sleep(0.01)
        told = [
            (frame.name.value, int(frame.id.partition(".")[2])) for frame in await anext(batches)
        ]
        assert told == [
            *(("movement", 2), ("stock", 2), ("movement", 3)),
            *(("stock", 3), ("movement", 4)),
        ], "an id never says more than was told"


async def test_a_reader_whose_changes_were_forgotten_meanwhile_starts_over(
    store: CountingStore, live: Live
) -> None:
    mirror = Mirror()
    async with reading(live) as (_, batches):
        take(mirror, await anext(batches))
        following = asyncio.ensure_future(anext(batches))
        await sell(store, "first", "A1")
        take(mirror, await following)
        for number in range(50):
            await sell(store, f"k{number}", f"sku{number}")
        await store.write(lambda db: changes.forget_piece(db, 45))
        await read_until_like(store, mirror, batches)
        assert [one.data for one in mirror.events if one.event == "resync"] == [
            {"reason": "too_old"}
        ]


async def test_an_id_older_than_what_is_kept_gets_a_snapshot(
    store: CountingStore, live: Live
) -> None:
    mirror = Mirror()
    for number in range(20):
        await sell(store, f"k{number}", f"sku{number}")
    await store.write(lambda db: changes.forget_piece(db, 10))
    life = (b"r" * 8).hex()
    async with reading(live, since_of(f"{life}.9")) as (_, batches):
        await read_until_like(store, mirror, batches)
        assert mirror.events[0].data == {"reason": "too_old"}
    mirror = Mirror()
    async with reading(live, since_of(f"{life}.10")) as (_, batches):
        take(mirror, await anext(batches))
        take(mirror, await anext(batches))
        assert {one.event for one in mirror.events} == {"sync", "stock", "movement"}
        assert sorted(sku for _, sku in mirror.stock) == sorted(f"sku{n}" for n in range(10, 20))


async def test_under_a_new_replica_every_reader_starts_over_with_other_ids(
    store: CountingStore, live: Live
) -> None:
    mirror = Mirror()
    async with reading(live) as (_, batches):
        take(mirror, await anext(batches))
        await sell(store, "k1", "A1")
        await read_until_like(store, mirror, batches)
        before = mirror.id
        await store.write(lambda db: recovery.begin_replica(db, ReplicaId(b"n" * 16)))
        await sell(store, "k2", "A1")
        async with asyncio.timeout(PATIENCE_S):
            while mirror.names()[-1] != "sync" or "resync" not in mirror.names():
                take(mirror, await anext(batches))
        assert mirror.rows() == await shown(store)
        assert mirror.id == f"{(b'n' * 8).hex()}.2"
    async with reading(live, since_of(before)) as (_, batches):
        (resync,) = await anext(batches)
        assert json.loads(resync.data) == {"reason": "other_life"}


async def test_a_reader_that_was_held_up_while_the_replica_became_new_starts_over_too(
    store: CountingStore, live: Live
) -> None:
    mirror, other = Mirror(), Mirror()
    await sell(store, "k1", "A1")
    await sell(store, "k2", "A1")
    async with reading(live, since_of(f"{(b'r' * 8).hex()}.1")) as (_, batches):
        take(mirror, await anext(batches))
        take(mirror, await anext(batches))  # it has come to the end, and has not asked for more
        await store.write(lambda db: recovery.begin_replica(db, ReplicaId(b"n" * 16)))
        async with reading(live) as (_, others):
            take(other, await anext(others))
            following = asyncio.ensure_future(anext(others))  # it takes part now
            await asyncio.sleep(0.1)
            slow = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0.1)
            await sell(store, "k3", "A1")
            take(other, await following)
            take(mirror, await slow)
    assert mirror.names()[-1] == "resync", "an id of the old life must not be given a new number"


async def test_streams_end_when_a_bug_ends_what_tells_them(
    store: CountingStore, live: Live
) -> None:
    async with reading(live) as (stream, batches):
        await anext(batches)
        following = asyncio.ensure_future(anext(batches, []))
        await asyncio.sleep(0.1)
        await store.write(lambda db: db.execute("INSERT INTO change (seq) VALUES (99)"))
        async with asyncio.timeout(PATIENCE_S):
            assert await following == []
        assert stream.ended is End.FAILED
    with pytest.raises(Refusal, match="no more streams"):
        open_stream(live)


@pytest.mark.parametrize("seed", range(3))
async def test_readers_of_any_speed_end_with_what_is_shown(
    store: CountingStore, live: Live, seed: int
) -> None:
    rng = random.Random(seed)
    mirrors = [Mirror() for _ in range(6)]
    sold = asyncio.Event()

    async def listen(mirror: Mirror) -> None:
        while not sold.is_set():
            async with reading(live, since_of(mirror.id)) as (_, batches):
                for _ in range(rng.randint(1, 8)):
                    take(mirror, await anext(batches))
                    await asyncio.sleep(rng.choice((0, 0, 0.005, 0.05)))
                    if sold.is_set():
                        break

    async def sell_much() -> None:
        for number in range(250):
            skus = [f"sku{rng.randrange(40)}" for _ in range(3)]
            await sell(store, f"k{number}", *skus)
            await asyncio.sleep(rng.choice((0, 0, 0.002)))
        sold.set()
        await sell(store, "last", "sku0")  # so that nobody waits for a heartbeat

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(sell_much(), *(listen(mirror) for mirror in mirrors))
    for mirror in mirrors:
        async with reading(live, since_of(mirror.id)) as (_, batches):
            await read_until_like(store, mirror, batches)


async def test_a_store_that_cannot_be_read_is_said(store: CountingStore, live: Live) -> None:
    async with reading(live) as (_, batches):
        await store.close()
        with pytest.raises(StoreUnavailable):
            await anext(batches)
