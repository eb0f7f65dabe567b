"""What cases D and H share: a shop joins a chain that holds 200,000 counters, and downloads them all.

The clock runs from the moment the new node serves until its digest of every scope is the hub's. The bytes are counted
on its line to the hub, both ways, handshake included.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from deploy.local_chain import LocalChain
from tests.bench.scale import scaled
from tests.bench.settling import equal_digests, pushed
from tests.soak.samples import Process, read_process

COUNTERS: Final = 200_000
SKUS: Final = 2_000
_LINES: Final = 1_000
_BATCH_LINES: Final = 10_000
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Download:
    """What was seen; `rows` is what the chain holds, as (location, sku, total)."""

    seconds: float
    line_bytes: int
    before: Process
    """The new node as it stood up, not yet connected."""
    after: Process
    rows: list[tuple[str, str, int]]


async def run(folder: Path) -> Download:
    """Build the chain, which is not timed, and time the newcomer."""
    shop_count = max(1, scaled(COUNTERS) // SKUS)
    rows = list(_rows(shop_count))
    locations = sorted({location for location, _, _ in rows})
    async with LocalChain(folder / "chain") as chain:
        chain.folder.mkdir()
        await chain.start_hub()
        await chain.add_node("founder", locations)
        await _open_shelves(chain, rows)
        await pushed(chain, "founder")
        await chain.stop("founder")
        newcomer = await chain.add_node("newcomer", ["new"], line="cuttable", serve="later")
        assert newcomer.link is not None
        newcomer.link.cut()
        await chain.start("newcomer")
        before = _look(newcomer.daemon.pid)
        await chain.stop("newcomer")
        newcomer.link.heal()
        joined_bytes = newcomer.link.passed_bytes
        await chain.start("newcomer")
        began_s = time.perf_counter()
        scopes = [f"stock:{location}" for location in locations]
        await equal_digests(chain, scopes, of=None, also=["newcomer"])
        seconds = time.perf_counter() - began_s
        await asyncio.sleep(1.0)  # what was only due to be told is told by then
        line_bytes = newcomer.link.passed_bytes - joined_bytes
        return Download(seconds, line_bytes, before, _look(newcomer.daemon.pid), rows)


def _rows(shop_count: int) -> Iterator[tuple[str, str, int]]:
    rng = Random(_SEED)  # totals without a pattern: compression must not look better than it is
    for shop in range(shop_count):
        for sku in range(SKUS):
            yield f"S{shop:03d}", f"SKU{sku:05d}", rng.randrange(1_000)


async def _open_shelves(chain: LocalChain, rows: list[tuple[str, str, int]]) -> None:
    client = chain.operator("founder")
    for first in range(0, len(rows), _BATCH_LINES):
        movements: list[dict[str, Any]] = []
        for at in range(first, min(first + _BATCH_LINES, len(rows)), _LINES):
            some = rows[at : at + _LINES]
            movements.append(
                {
                    "key": f"opening-{at}",
                    "kind": "opening",
                    "location": some[0][0],
                    "lines": [{"sku": sku, "delta": total} for _, sku, total in some],
                }
            )
        await client.record_batch({"movements": movements})


def _look(pid: int | None) -> Process:
    used = None if pid is None else read_process(pid)
    assert used is not None, "the node runs"
    return used
