"""What cases A1 and A16 share: so many tills at one node, with its hub away and with its hub there, and the floor."""

import asyncio
import time
from pathlib import Path
from typing import Final

from deploy.local_chain import HUB, LocalChain
from tests.bench import load
from tests.bench.children import process_serving
from tests.bench.figures import Figure
from tests.bench.load import Load
from tests.bench.scale import is_quick

LOCATION: Final = "S01"
_MEASURED_S: Final = 5.0
_QUICK_S: Final = 0.2
_DRAINED_S_MAX: Final = 120.0


async def floor(folder: Path, clients: int) -> Load:
    """The same tills at the least server that is durable."""
    database = str(folder / "floor.db")
    log = folder / "floor.log"
    async with process_serving("tests.bench.floor_server", database, log=log) as served:
        return await load.drive(_order(*served, "floor", clients, "floor"))


async def node(folder: Path, clients: int) -> tuple[Load, Load]:
    """The tills at a node with the hub away, then with the hub there."""
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        shop = (await chain.add_node(LOCATION, [LOCATION])).daemon
        await chain.till(LOCATION)  # makes the token
        token = chain.nodes[LOCATION].till_tokens["till-1"]
        await chain.stop(HUB)
        assert shop.pid is not None
        away = await load.drive(_order(shop.port, shop.pid, token, clients, "away"))
        await chain.start(HUB)
        await drained(chain, LOCATION)
        there = await load.drive(_order(shop.port, shop.pid, token, clients, "there"))
    return away, there


async def drained(chain: LocalChain, name: str) -> None:
    """Wait until the node is connected and the hub has all it recorded."""
    client = chain.operator(name)
    until_s = time.monotonic() + _DRAINED_S_MAX
    while True:
        status = await client.get("/v1/sync")
        if status["connected"] and status["pending"] == 0:
            return
        assert time.monotonic() < until_s, f"{name} does not drain: {status}"
        await asyncio.sleep(0.1)


def as_figures(seen: Load, prefix: str = "") -> tuple[Figure, ...]:
    """The figures of a load, without budgets."""
    return (
        Figure(f"{prefix}sales", seen.per_s, "sales/s"),
        Figure(f"{prefix}p50", seen.p50_ms, "ms"),
        Figure(f"{prefix}p99", seen.p99_ms, "ms"),
        Figure(f"{prefix}processor a sale", seen.cpu_ms, "ms"),
    )


def _order(port: int, pid: int, token: str, clients: int, name: str) -> load.Order:
    measured_s = _QUICK_S if is_quick() else _MEASURED_S
    return load.Order(port, LOCATION, token, clients, measured_s, name, pid)
