"""The feed: one page for all, the latest state for a slow reader, and no queue for anybody."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.feed import Feed
from hub.store.sqlite.store import SqliteHubStore
from hub.subscription import CAUGHT_UP_EVERY_S, REST_S_PER_ROW, Subscription
from protocol.frames.feed import CaughtUp, Page, Scopes
from protocol.frames.handshake import Hello
from protocol.ids import NO_SALT, HubSeq, Scope, Seq
from protocol.limits import PAGE_ROWS_MAX
from protocol.rows import CounterRow
from protocol.wire import Frame, decode
from tests.store.shop import CHAIN, EPOCH, NOW_MS, Shop, counted


class Reader:
    """What one node is sent; it takes a frame only while it is let."""

    def __init__(
        self, feed: Feed, shop: Shop, hello: Hello, writes_in: tuple[str, ...] = ()
    ) -> None:
        self.frames: list[Frame] = []
        self.taken = asyncio.Event()
        self.may_take = asyncio.Event()
        self.may_take.set()
        placed = map(Scope, writes_in)
        self.subscription = Subscription(feed, shop.certificate, hello, frozenset(), placed)
        feed.add(self.subscription)

    async def send(self, data: bytes) -> None:
        """Take a frame."""
        await self.may_take.wait()
        self.frames.append(decode(data))
        self.taken.set()

    async def settled(self, at: int) -> None:
        """Wait until everything up to `at` was sent."""
        async with asyncio.timeout(10):
            while not any(isinstance(each, CaughtUp) and each.at >= at for each in self.frames):
                self.taken.clear()
                await self.taken.wait()

    async def paged(self, to: int) -> None:
        """Wait for a page up to `to`."""
        async with asyncio.timeout(10):
            while not any(page.to >= to for page in self.pages):
                self.taken.clear()
                await self.taken.wait()

    @property
    def pages(self) -> list[Page]:
        """The pages among the frames."""
        return [each for each in self.frames if isinstance(each, Page)]


def _hello(cursor: int = 0, salt: bytes = NO_SALT) -> Hello:
    at = (HubSeq(cursor), type(NO_SALT)(salt))
    nothing = Seq(0)
    boot, replica = bytes(16), Shop("reader").replica
    return Hello(
        replica, boot, (1, 1), (), "t", nothing, Seq(1), nothing, EPOCH, at, {}, nothing, NOW_MS
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteHubStore]:
    """An empty store."""
    opened = await SqliteHubStore.open(tmp_path / "hub.db")
    await opened.found(CHAIN, EPOCH)
    yield opened
    await opened.close()


@pytest.fixture
async def feed(store: SqliteHubStore) -> Feed:
    """Its feed."""
    return Feed(store, await store.history())


async def _sell(store: SqliteHubStore, shop: Shop, *skus: str) -> None:
    for sku in skus:
        shop.sells(sku, 1)
    await shop.pushes(store)


async def test_a_page_is_read_once_for_all_that_hold_the_scope(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    readers = [Reader(feed, Shop("S02"), _hello()) for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.subscription.run(each.send)) for each in readers]
        for number in range(1, 4):
            await _sell(store, shop, "apple")
            for reader in readers:
                await reader.paged(number)
        for task in tasks:
            task.cancel()
    assert feed.pages_read == 3
    assert len({tuple(each.pages[-1].rows) for each in readers}) == 1


async def test_a_slow_reader_gets_the_latest_state_and_nothing_is_queued_for_it(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    reader = Reader(feed, Shop("S02"), _hello())
    reader.may_take.clear()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.subscription.run(reader.send))
        for _ in range(50):
            await _sell(store, shop, "apple")
        reader.may_take.set()
        await reader.settled(50)
        task.cancel()
    assert [each for each in reader.frames if isinstance(each, Scopes)] == [
        Scopes((Scope("stock:S01"),), ())
    ]
    assert len(reader.pages) <= 2
    assert reader.pages[-1].rows[-1].hub_seq == 50


async def test_the_own_shelves_come_before_the_neighbours(
    store: SqliteHubStore, feed: Feed
) -> None:
    shops = [Shop(name) for name in ("S01", "S02", "S03")]
    for shop in shops:
        await shop.opens(store)
        await _sell(store, shop, "apple")
    reader = Reader(feed, Shop("S03"), _hello())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.subscription.run(reader.send))
        await reader.settled(3)
        task.cancel()
    assert [page.scope for page in reader.pages] == ["stock:S03", "stock:S01", "stock:S02"]


async def test_a_reader_that_is_up_to_date_is_sent_no_page(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    await _sell(store, shop, "apple", "pear")
    reader = Reader(feed, Shop("S02"), _hello(2, feed.head.salt))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.subscription.run(reader.send))
        await reader.settled(2)
        task.cancel()
    assert reader.pages == []


async def test_a_writer_that_is_up_to_date_still_learns_how_far_its_log_is_inside(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    await _sell(store, shop, "apple")
    reader = Reader(feed, shop, _hello(1, feed.head.salt), ("stock:S01",))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.subscription.run(reader.send))
        await reader.settled(1)
        task.cancel()
    [page] = reader.pages
    assert (page.rows, page.to, page.inside) == ((), 1, {shop.replica: 1})


async def test_a_cached_page_never_takes_a_reader_back(store: SqliteHubStore, feed: Feed) -> None:
    first, second = Shop("S01"), Shop("S02")
    for shop in (first, second):
        await shop.opens(store)
        await _sell(store, shop, "apple")
        # Read now, kept with the head of now, which the other shop's sale leaves behind.
        await feed.page(Scope("stock:S01"), HubSeq(1), least_to=HubSeq(0))
    page = await feed.page(Scope("stock:S01"), HubSeq(1), least_to=HubSeq(2))
    assert page.to == 2


async def test_a_long_scope_comes_in_pages_of_bounded_size(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    wide = [counted("S01", f"sku {at}", 1) for at in range(PAGE_ROWS_MAX * 2 + 1)]
    shop.records(*wide)
    await shop.pushes(store)
    reader = Reader(feed, Shop("S02"), _hello())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.subscription.run(reader.send))
        await reader.settled(len(wide))
        task.cancel()
    assert [(len(page.rows), page.more) for page in reader.pages] == [
        (PAGE_ROWS_MAX, True),
        (PAGE_ROWS_MAX, True),
        (1, False),
    ]
    assert [page.base for page in reader.pages[1:]] == [page.to for page in reader.pages[:-1]]


async def test_a_scope_rests_after_a_full_page_and_then_comes_as_it_is_by_then(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    shop.records(*[counted("S01", f"sku {at}", 1) for at in range(PAGE_ROWS_MAX)])
    await shop.pushes(store)
    reader = Reader(feed, Shop("S02"), _hello())
    async with asyncio.TaskGroup() as group:
        began_s = asyncio.get_running_loop().time()
        task = group.create_task(reader.subscription.run(reader.send))
        await reader.paged(PAGE_ROWS_MAX)
        for _ in range(3):
            await _sell(store, shop, "sku 0")
        await reader.settled(PAGE_ROWS_MAX + 3)
        took_s = asyncio.get_running_loop().time() - began_s
        task.cancel()
    assert took_s >= PAGE_ROWS_MAX * REST_S_PER_ROW
    latest = reader.pages[-1].rows[-1]
    assert isinstance(latest, CounterRow)
    assert (latest.sku, latest.hub_seq, latest.total) == ("sku 0", PAGE_ROWS_MAX + 3, 1 - 3)
    last_page = reader.frames.index(reader.pages[-1])
    assert any(isinstance(each, CaughtUp) for each in reader.frames[last_page:])


async def test_a_quiet_scopes_cursor_follows_within_a_second(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    reader = Reader(feed, Shop("S02"), _hello())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.subscription.run(reader.send))
        began_s = asyncio.get_running_loop().time()
        for _ in range(5):
            await _sell(store, shop, "apple")
        await reader.settled(5)
        took_s = asyncio.get_running_loop().time() - began_s
        task.cancel()
    assert took_s < 5 * CAUGHT_UP_EVERY_S
    told = [each.at for each in reader.frames if isinstance(each, CaughtUp)]
    assert told == sorted(told)
    assert len(told) <= 3


async def test_a_page_that_could_not_be_read_is_read_again(
    store: SqliteHubStore, feed: Feed
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    await _sell(store, shop, "apple")
    cancelled = asyncio.create_task(feed.page(Scope("stock:S01"), HubSeq(0), least_to=HubSeq(0)))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    page = await feed.page(Scope("stock:S01"), HubSeq(0), least_to=HubSeq(1))
    assert (page.last, page.more) == (1, False)
