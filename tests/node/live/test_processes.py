"""Real daemons: what one shop sells is told at another, and nothing of it is missed over restarts, kills and copies."""

import asyncio
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.client import Client
from deploy.local_chain import LocalChain
from deploy.process import run_command
from tests.node.live.listener import Listener, Mirror

GOODS = {"kind": "adjust", "reason": "found", "location": "S01"}
PATIENCE_S = 60.0


async def sell(till: Client, key: str, sku: str, delta: int = -1) -> None:
    """Record one line at S01."""
    await till.record(key, {**GOODS, "lines": [{"sku": sku, "delta": delta}]})


def listener(chain: LocalChain, http: aiohttp.ClientSession, node: str, **given: Any) -> Listener:
    """A till of a node, listening."""
    held = chain.nodes[node]
    return Listener(http, held.daemon.url, held.till_tokens["till-1"], **given)


async def become_like_rest(listening: Listener, till: Client) -> None:
    """Wait until the mirror holds what REST shows and nothing is on its way any more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if listening.mirror.rows() == await rows(till):
                return
            await asyncio.sleep(0.05)


async def rows(till: Client) -> list[Mapping[str, Any]]:
    """What `GET /v1/stock` lists."""
    found: list[Mapping[str, Any]] = (await till.get("/v1/stock", limit="1000"))["items"]
    return found


async def test_a_sale_at_one_shop_is_told_at_another(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain, aiohttp.ClientSession() as http:
        await chain.start_hub()
        async with asyncio.TaskGroup() as joining:  # no node is left starting when one fails
            for name in ("S01", "S02"):
                joining.create_task(chain.add_node(name, [name]))
        here, there = await chain.till("S01"), await chain.till("S02")
        async with (
            listener(chain, http, "S02", way="/v1/events", scopes="stock:S01") as events,
            listener(chain, http, "S02", way="/v1/live") as socket,
        ):
            await asyncio.gather(events.until("sync"), socket.until("sync"))
            await sell(here, "k1", "A1", -3)
            for listening in (events, socket):
                told = await listening.until("stock")
                assert (told.data["location"], told.data["sku"]) == ("S01", "A1")
                await become_like_rest(listening, there)
            await run_command(
                *("hub", "access", "--data", str(chain.hub.data), "S02"),
                *("--writes", "S02", "--reads", "S02"),
            )
            for listening in (events, socket):
                await listening.until_true(partial(heard_of, listening, {"scope": "stock:S01"}))
                assert listening.mirror.rows() == await rows(there) == []


def heard_of(listening: Listener, data: Mapping[str, str]) -> bool:
    """Whether an event said exactly this."""
    return data in [told.data for told in listening.mirror.events]


@pytest.mark.slow
async def test_a_reader_resumes_over_a_restart_and_a_kill_and_is_not_given_a_snapshot(
    tmp_path: Path,
) -> None:
    async with LocalChain(tmp_path) as chain, aiohttp.ClientSession() as http:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till, mirror = await chain.till("S01"), Mirror()
        async with listener(chain, http, "S01", mirror=mirror, since="0") as listening:
            await listening.until("sync")  # a snapshot has no movements
            await sell(till, "k1", "A1")
            await listening.until("movement")
            began_s = asyncio.get_running_loop().time()
            await chain.stop("S01")
            assert asyncio.get_running_loop().time() - began_s < 4, "the stream was waited for"
            await listening.ended()
        await chain.start("S01")
        async with listener(chain, http, "S01", mirror=mirror, since=mirror.id) as listening:
            await sell(till, "k2", "A1")
            await listening.until("movement", 2)
            await chain.kill("S01")
        await chain.start("S01")
        await sell(till, "k3", "B2")
        async with listener(
            chain, http, "S01", mirror=mirror, since=mirror.id, way="/v1/live"
        ) as listening:
            await listening.until("movement", 3)
            await become_like_rest(listening, till)
        assert mirror.names().count("resync") == 1, "only the one that was asked for"


@pytest.mark.slow
async def test_a_restored_copy_does_not_go_on_with_the_numbers_of_the_original(
    tmp_path: Path,
) -> None:
    async with LocalChain(tmp_path) as chain, aiohttp.ClientSession() as http:
        await chain.start_hub()
        data = (await chain.add_node("S01", ["S01"])).daemon.data
        till, mirror = await chain.till("S01"), Mirror()
        await sell(till, "k1", "A1")
        await chain.stop("S01")
        await asyncio.to_thread(shutil.copytree, data, tmp_path / "copy")
        await chain.start("S01")
        async with listener(chain, http, "S01", mirror=mirror, since="0") as listening:
            await listening.until("sync")  # a snapshot has no movements
            await sell(till, "k2", "A1")
            await listening.until("movement")
            await until_sent(till)
        await chain.stop("S01")
        before = mirror.id.partition(".")[0]
        await asyncio.to_thread(shutil.rmtree, data)
        await asyncio.to_thread(shutil.move, tmp_path / "copy", data)
        await chain.start("S01")
        for number in range(3, 6):
            await sell(till, f"k{number}", "B2")
        async with listener(chain, http, "S01", mirror=mirror, since=mirror.id) as listening:
            await listening.until_true(
                lambda: mirror.names()[-1] == "sync" and not mirror.id.startswith(before)
            )
            await until_sent(till)
            await become_like_rest(listening, till)
        assert mirror.stock["S01", "B2"]["on_hand"] == -3
        assert mirror.stock["S01", "A1"]["on_hand"] == -2


async def until_sent(till: Client) -> None:
    """Wait until the hub has everything and the node everything of the hub's."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            sync = await till.get("/v1/sync")
            if sync["pending"] == 0 and sync["caught_up"]:
                return
            await asyncio.sleep(0.05)
