"""Ten shops with full logs, ready to be pushed: at the hub's store, or as frames to a hub that serves.

Everything is made before a clock starts, and from the shops' names: two processes make the same shops.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nacl.encoding import HexEncoder

from hub.datafolder import DATABASE, KEY, OPERATOR_TOKEN
from hub.store.interface import Push
from hub.store.sqlite.store import SqliteHubStore
from protocol.chain import CHAIN_START, extend_all
from protocol.frames.log import Operations
from protocol.ids import Salt, Seq
from runtime.folder import Folder
from runtime.keys import new_token
from tests.store.shop import CHAIN, EPOCH, HUB_KEY, Shop, counted, name_bytes

SHOPS: Final = 10
BATCH: Final = 500
SKUS: Final = 2_000


def make_shops(*, batches: int) -> list[Shop]:
    """Ten shops, each with this many batches of sales of one line in its log."""
    chance = random.Random(1)
    shops = [Shop(f"S{number:02}") for number in range(SHOPS)]
    for shop in shops:
        for _ in range(batches * BATCH):
            sku, delta = f"SKU{chance.randrange(SKUS):05}", -chance.randrange(1, 10)
            shop.records(counted(shop.name, sku, delta))
    return shops


def batches_of(shop: Shop) -> list[Operations]:
    """Its log as the frames that push it."""
    frames, prev = [], CHAIN_START
    for at in range(0, len(shop.log), BATCH):
        items = tuple(shop.log[at : at + BATCH])
        frames.append(Operations(Seq(at + 1), prev, items))
        prev = extend_all(prev, [item.body for item in items])
    return frames


def as_pushes(shop: Shop) -> list[Push]:
    """The same as a session hands it to the store; the shop's session is open."""
    return [
        Push(
            shop.replica,
            shop.session,
            batch.first,
            batch.prev,
            batch.items,
            shop.now_ms,
            Salt(name_bytes("salt", shop.name, batch.first, length=8)),
        )
        for batch in batches_of(shop)
    ]


async def found_hub(path: Path, shops: Sequence[Shop]) -> None:
    """Make a hub's folder in which these shops are enrolled; `everstock-hub serve` takes it from there."""
    folder = Folder(path)
    with folder.lock():
        folder.write_private(KEY, HUB_KEY.encode(HexEncoder) + b"\n")
        folder.write_private(OPERATOR_TOKEN, new_token("operator").encode() + b"\n")
        store = await SqliteHubStore.open(path / DATABASE)
        await store.found(CHAIN, EPOCH)
        for shop in shops:
            await shop.opens(store, "enrolled")
        await store.close()
