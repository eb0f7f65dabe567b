"""Requests that end in the middle: the till leaves, or the disk is full. Nothing is half recorded.

The oracle is addition: afterwards every key is sent again, so each sale must be there exactly once.
"""

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from runtime.world import World
from tests.node.api.caller import ApiCaller, Reply, sale
from tests.node.enrolled import Shop, enrolled_folder

SALES = 150
SKUS = ("A1", "B2", "C3")
BULKY = sale(("A1", -1), note="x" * 1500)


async def test_tills_that_leave_at_any_moment_leave_the_store_whole(
    till: ApiCaller, node: Node
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    sent = {
        f"k{number}": sale(*((rng.choice(SKUS), -rng.randint(0, 3)) for _ in range(3)))
        for number in range(SALES)
    }
    left = 0

    async def leave(key: str) -> None:
        nonlocal left
        # From before the request is read to after it is answered.
        request = asyncio.ensure_future(till.record(key, sent[key]))
        await asyncio.wait([request], timeout=rng.uniform(0, 0.006))
        left += not request.done()
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await request

    keys = list(sent)
    for start in range(0, SALES, 10):
        await asyncio.gather(*(leave(key) for key in keys[start : start + 10]))
    assert left > SALES // 10, "hardly anybody left in the middle: this proved nothing"
    for key in keys:
        assert (await till.record(key, sent[key])).status == 201
    listed, _ = await till.books()
    assert len(listed) == SALES
    for sku in SKUS:
        sold = sum(
            line["delta"] for body in sent.values() for line in body["lines"] if line["sku"] == sku
        )
        assert await till.on_hand(sku) == sold


async def test_a_batch_whose_sender_left_is_recorded_whole_or_not_at_all(till: ApiCaller) -> None:
    rng = random.Random(7)
    for number in range(20):
        items = [{"key": f"{number}-{n}", **sale((f"S{number}", -1))} for n in range(20)]
        request = asyncio.ensure_future(till.record_batch(items))
        await asyncio.wait([request], timeout=rng.uniform(0, 0.02))
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await request
    await till.record("last", sale(("last", -1)))  # whatever was queued before is decided now
    _, rows = await till.books()
    assert {row["on_hand"] for row in rows} <= {-20, -1}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.needs_tmpfs
async def test_a_full_disk_is_said_and_nothing_answered_is_lost(
    small_disk: Path, aiohttp_client: AiohttpClient
) -> None:
    shop = await asyncio.to_thread(enrolled_folder, small_disk / "S01")
    node = await Node.open(shop.folder, World())
    http = await aiohttp_client(make_app(node, NodeSettings()))
    till = ApiCaller(http, shop.operator_token)
    answered, refused = await _sell_until_full(till)
    assert answered > 10, "full before anything was sold"
    assert (refused.status, refused.code) == (507, "disk_full")
    assert await till.on_hand("A1") == -answered
    assert (await till.ask("GET", "/healthz")).status == 200
    assert (await till.record("k0", BULKY)).headers["Idempotency-Replayed"] == "true"
    await asyncio.to_thread(_make_room, shop)
    assert (await till.record(f"k{answered}", BULKY)).status == 201
    assert await till.on_hand("A1") == -answered - 1
    await http.close()  # before the disk goes


async def _sell_until_full(till: ApiCaller) -> tuple[int, Reply]:
    for number in range(100_000):
        reply = await till.record(f"k{number}", BULKY)
        if reply.status != 201:
            return number, reply
    raise AssertionError("the disk never filled")


def _make_room(shop: Shop) -> None:
    disk = shop.folder.path.parent
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    assert os.statvfs(disk).f_bavail > 0
