"""A shop sells from the first second after it joined: with the hub dead, and while its snapshot loads."""

import asyncio
from pathlib import Path
from typing import Any, Final

from deploy.agreement import check_stock, settle
from deploy.client import Client
from deploy.local_chain import HUB, LocalChain

SALES: Final = 20
FILLED_SKUS: Final = 20_000
FILLING_LINES: Final = 1_000
SLOW_LINE_BYTES_PER_S: Final = 20_000
"""At this rate the snapshot of FILLED_SKUS rows takes longer than any of these tests."""


async def test_a_node_sells_when_the_hub_died_right_after_it_joined(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"], serve="later")
        await chain.kill(HUB)
        await chain.start("S01")
        shown = await _sell(await chain.till("S01"), "S01")
        assert shown == [-number for number in range(1, SALES + 1)]
        sync = await chain.operator("S01").get("/v1/sync")
        # Its sales, and the note that a token was made for its till.
        assert (sync["connected"], sync["pending"]) == (False, SALES + 1)
        await chain.start(HUB)
        await settle(chain, ["S01"], patience_s=60)
        await check_stock(chain, {"S01": {"A1": -SALES}})


async def test_a_node_sells_while_its_snapshot_loads(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        filled = await _fill(await chain.till("S01"), "S01")
        await settle(chain, ["S01"], patience_s=60)
        newcomer = await chain.add_node("S02", ["S02"], line="cuttable", serve="later")
        assert newcomer.link is not None
        newcomer.link.bytes_per_s = SLOW_LINE_BYTES_PER_S
        await chain.start("S02")
        await _sell(await chain.till("S02"), "S02")
        # Only now, so that the sales above are known to have been made before it was complete.
        assert not (await chain.operator("S02").get("/v1/sync"))["caught_up"]
        newcomer.link.bytes_per_s = None
        await settle(chain, ["S01", "S02"], patience_s=90)
        await check_stock(chain, {"S01": filled, "S02": {"A1": -SALES}})


async def _sell(till: Client, location: str) -> list[Any]:
    """Sell A1 one by one and return the `on_hand` of each answer."""
    shown = []
    for number in range(SALES):
        sale = {"kind": "sale", "location": location, "lines": [{"sku": "A1", "delta": -1}]}
        answer = await till.record(f"alone-{number}", sale, patience_s=20)
        shown.append(answer.json()["lines"][0]["on_hand"])
    return shown


async def _fill(till: Client, location: str) -> dict[str, int]:
    """Open with FILLED_SKUS SKUs and return what is then on the shelf."""
    filled = {f"{number:08d}": number % 100 for number in range(FILLED_SKUS)}
    skus = list(filled)
    async with asyncio.TaskGroup() as opening:
        for start in range(0, FILLED_SKUS, FILLING_LINES):
            lines = [{"sku": s, "delta": filled[s]} for s in skus[start : start + FILLING_LINES]]
            movement = {"kind": "opening", "location": location, "lines": lines}
            opening.create_task(till.record(f"opening-{start}", movement))
    return filled
