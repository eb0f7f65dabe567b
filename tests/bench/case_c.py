"""Case C: a shop comes back with 100,000 sales made offline; until the hub and another shop hold exactly them.

The clock runs from the moment the shop's node serves, with the hub and the other shop there, until the scope's digest
is equal at all three and nothing is pending. That every movement is in the hub's ledger and every total is the
generator's is checked afterwards.
"""

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

from deploy.agreement import stock_rows
from deploy.local_chain import HUB, LocalChain
from node.replica import DATABASE_NAME
from tests.bench import floor_transfer
from tests.bench.figures import Figure, Outcome
from tests.bench.scale import scaled
from tests.bench.settling import connected, equal_digests
from tests.bench.wire_sizes import outbox_sizes

CASE: Final = "C"
TITLE: Final = (
    "100,000 sales made offline over 2,000 SKUs, until the hub and another shop hold them"
)

SALES: Final = 100_000
SKUS: Final = 2_000
_BATCH: Final = 1_000
_SEED: Final = 7


async def run(folder: Path) -> Outcome:
    """One run; making the sales is not timed."""
    count = scaled(SALES, least=_BATCH)
    async with LocalChain(folder / "chain") as chain:
        chain.folder.mkdir()
        await chain.start_hub()
        await chain.add_node("A", ["A"])
        await chain.add_node("B", ["B"])
        await chain.stop(HUB)
        expected = await _sell(chain, count)
        await chain.stop("A")
        database = chain.nodes["A"].daemon.data / DATABASE_NAME
        sizes = await asyncio.to_thread(outbox_sizes, database)
        floor_s = await floor_transfer.upload(folder, database)
        await chain.start(HUB)
        await connected(chain, "B")
        seconds = await _come_back(chain)
        await _check(chain, count, expected)
    return Outcome(
        (
            Figure("until all agree", seconds, "s", 6.0),
            Figure("each sale", sizes.packed / count, "bytes/op", 110.0),
            Figure("each sale, as sent", sizes.sent / count, "bytes/op"),
        ),
        (
            Figure("until all agree", floor_s, "s"),
            Figure("each sale", sizes.bodies / count, "bytes/op"),
        ),
    )


async def _sell(chain: LocalChain, count: int) -> Counter[str]:
    rng = Random(_SEED)
    client = chain.operator("A")
    expected: Counter[str] = Counter()
    for first in range(0, count, _BATCH):
        movements: list[dict[str, Any]] = []
        for number in range(first, first + _BATCH):
            sku, delta = f"SKU{rng.randrange(SKUS):05d}", -rng.randrange(1, 10)
            expected[sku] += delta
            sale = {"kind": "sale", "location": "A", "lines": [{"sku": sku, "delta": delta}]}
            movements.append({"key": f"offline-{number:010d}", **sale})
        await client.record_batch({"movements": movements})
    return expected


async def _come_back(chain: LocalChain) -> float:
    await chain.start("A")
    began_s = time.perf_counter()
    await equal_digests(chain, ["stock:A"], of="A", also=["B"])
    return time.perf_counter() - began_s


async def _check(chain: LocalChain, count: int, expected: Counter[str]) -> None:
    status = await chain.operator(HUB).get("/v1/status")
    assert status["ledger"] == count, f"{status['ledger']} movements in the hub's ledger"
    shown = await stock_rows(chain.operator("B"), "A")
    assert shown == dict(expected), "B shows other totals than A sold"
