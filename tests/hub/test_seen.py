"""Signs of life: the newest of each node, stored together and on the way out."""

import asyncio
import threading
from pathlib import Path

import pytest

from hub import seen
from hub.seen import SignsOfLife
from hub.store.sqlite.store import SqliteHubStore
from tests.store.shop import CHAIN, EPOCH, NOW_MS, Shop


async def test_what_is_due_is_stored_on_the_way_out_in_one_transaction(tmp_path: Path) -> None:
    groups: list[int] = []
    store = await SqliteHubStore.open(
        tmp_path / "hub.db", observe=lambda size, _seconds: groups.append(size)
    )
    await store.found(CHAIN, EPOCH)
    shops = [Shop(f"S{number:02}") for number in range(20)]
    for shop in shops:
        await shop.opens(store, "enrolled")
    groups.clear()
    signs = SignsOfLife(store)
    for pending in (7, 5):
        for shop in shops:
            signs.note(shop.node, pending, NOW_MS + 1)
    await signs.close()
    found = [await store.node(shop.node) for shop in shops]
    assert [record and (record.pending, record.last_seen_at_ms) for record in found] == [
        (5, NOW_MS + 1)
    ] * 20
    assert groups == [20]
    await store.close()


async def test_what_waits_for_the_writer_on_the_way_out_is_stored_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "WRITE_EVERY_S", 0.0)
    store = await SqliteHubStore.open(tmp_path / "hub.db")
    await store.found(CHAIN, EPOCH)
    shop = Shop("S01")
    await shop.opens(store, "enrolled")
    go_on = threading.Event()
    busy = asyncio.create_task(store._store.write(lambda _db: go_on.wait(10)))
    signs = SignsOfLife(store)
    signs.note(shop.node, 7, NOW_MS + 1)
    while not store._store._writer._background:  # noqa: ASYNC110 - it is looked at from outside
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(signs.close())
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(busy, closing)
    record = await store.node(shop.node)
    assert record is not None
    assert (record.pending, record.last_seen_at_ms) == (7, NOW_MS + 1)
    await store.close()


async def test_a_store_that_is_gone_ends_nobody(tmp_path: Path) -> None:
    store = await SqliteHubStore.open(tmp_path / "hub.db")
    signs = SignsOfLife(store)
    await store.close()
    signs.note(Shop("S01").node, 1, NOW_MS)
    await signs.close()
