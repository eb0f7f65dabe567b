"""A hub's folder and shops that sell into it between backups, without a daemon."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from nacl.encoding import HexEncoder
from nacl.signing import SigningKey

from hub.datafolder import DATABASE, KEY, OPERATOR_TOKEN, HubFolder
from hub.store.sqlite.store import SqliteHubStore
from runtime.folder import Folder
from tests.store.shop import CHAIN, EPOCH, Shop

T = TypeVar("T")
KEY_OF_THE_HUB = SigningKey(bytes(range(32)))


def found(data: Path) -> HubFolder:
    """A hub of the tests' chain and key."""
    folder = Folder(data)
    folder.write_private(KEY, KEY_OF_THE_HUB.encode(HexEncoder) + b"\n")
    folder.write_private(OPERATOR_TOKEN, b"operator_of_the_tests\n")

    async def begin() -> None:
        store = await SqliteHubStore.open(data / DATABASE)
        await store.found(CHAIN, EPOCH)
        await store.close()

    asyncio.run(begin())
    return HubFolder(data)


def within(data: Path, work: Callable[[SqliteHubStore], Awaitable[T]]) -> T:
    """Do something with the hub's store, opened for it alone."""

    async def run() -> T:
        async with _opened(data) as store:
            return await work(store)

    return asyncio.run(run())


def sell(data: Path, shop: Shop, count: int = 1) -> None:
    """Have the shop sell so many apples and deliver everything."""

    async def work(store: SqliteHubStore) -> None:
        await shop.opens(store)
        for _ in range(count):
            shop.sells("apple", 1)
        await shop.pushes(store)

    within(data, work)


@contextlib.asynccontextmanager
async def _opened(data: Path) -> AsyncIterator[SqliteHubStore]:
    store = await SqliteHubStore.open(data / DATABASE)
    try:
        yield store
    finally:
        await store.close()
