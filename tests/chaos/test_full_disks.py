"""A disk without room, under a real daemon: nothing is answered that is not kept, and nothing needs an operator.

The disk is a small tmpfs that gets room again while the daemon runs.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle
from deploy.client import Client, RefusedError
from deploy.local_chain import HUB, LocalChain
from tests.chaos.asking import sync_status
from tests.chaos.one_by_one import sell

SALES_AT_ONCE = 200


def mount(disk: Path, options: str) -> None:
    """Mount a tmpfs, or mount it again with another size."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], check=True)


@pytest.fixture
def hub_disk(tmp_path: Path) -> Iterator[Path]:
    """The hub's folder, on a disk of two megabytes."""
    disk = tmp_path / HUB
    disk.mkdir(mode=0o700)
    mount(disk, "size=2m,mode=0700")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def is_ready(daemon: Client) -> bool:
    """Whether it says that it can record; it answers 503 when it cannot."""
    try:
        await daemon.get("/readyz")
    except RefusedError as refused:
        if refused.answer.status != 503:
            raise
        return False
    return True


@pytest.mark.needs_tmpfs
@pytest.mark.timeout(240)
async def test_a_hub_without_room_acknowledges_nothing_and_catches_up_when_there_is_room(
    tmp_path: Path, hub_disk: Path
) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        await chain.add_node("S02", ["S02"])
        till = await chain.till("S01")
        sold = 0
        while await is_ready(chain.operator(HUB)):
            await sell(till, "S01", range(sold, sold + SALES_AT_ONCE))
            sold += SALES_AT_ONCE
            await asyncio.sleep(1)
            assert sold < 20_000, "two megabytes hold less than this"
        await sell(till, "S01", range(sold, sold + 10))
        await asyncio.sleep(2)
        assert (await sync_status(chain, "S01"))["pending"] >= 10
        chain.check_running()
        assert not await is_ready(chain.operator(HUB))

        await asyncio.to_thread(mount, hub_disk, "remount,size=64m")
        await settle(chain, ["S01", "S02"], patience_s=120)
        await check_stock(chain, {"S01": {"A1": -(sold + 10)}, "S02": {}})
        await chain.verify([HUB, "S01", "S02"])
        assert await is_ready(chain.operator(HUB))
