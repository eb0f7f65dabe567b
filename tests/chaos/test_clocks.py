"""Clocks wrong by decades, then put right: no sale is lost, doubled or refused, and nobody stays away for it."""

import asyncio
from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.asking import sync_status
from tests.chaos.other_world import YEAR_MS, in_other_world
from tests.chaos.sales import sell_many, shelf

SETTLED_S = 90
IDLE_MS = 401 * 24 * 3600 * 1000
FORGETTING_S = 2.0
"""A node looks for answers too old to be remembered right after its start."""


async def serve_with_clock(chain: LocalChain, name: str, clock_off_ms: int) -> None:
    """Restart a daemon with its clock wrong by so much."""
    await chain.stop(name)
    daemon = chain.hub if name == HUB else chain.nodes[name].daemon
    chain.replace(name, in_other_world(daemon, clock_off_ms=clock_off_ms))
    await chain.start(name)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_clock_2099_then_fix_costs_no_sale(tmp_path: Path) -> None:
    await _sell_by_a_wrong_clock(tmp_path, "S01", 73)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "years"),
    [("S01", -55), (HUB, 73), (HUB, -55)],
    ids=["clock_1970", "the hub's in 2099", "the hub's in 1971"],
)
@pytest.mark.timeout(300)
async def test_a_clock_that_was_wrong_by_decades_costs_no_sale(
    tmp_path: Path, wrong: str, years: int
) -> None:
    await _sell_by_a_wrong_clock(tmp_path, wrong, years)


async def _sell_by_a_wrong_clock(tmp_path: Path, wrong: str, years: int) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        for name in ("S01", "S02"):
            await chain.add_node(name, [name])
            await sell_many(await chain.till(name), name, range(20))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)

        await serve_with_clock(chain, wrong, years * YEAR_MS)
        for name in ("S01", "S02"):
            await sell_many(await chain.till(name), name, range(20, 60))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {name: shelf(range(60)) for name in ("S01", "S02")})

        await serve_with_clock(chain, wrong, 0)
        for name in ("S01", "S02"):
            await sell_many(await chain.till(name), name, range(60, 90))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {name: shelf(range(90)) for name in ("S01", "S02")})
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_idle_400_days(tmp_path: Path) -> None:
    """A shop that was closed for more than a year opens again: the hub still knows its log, and goes on with it."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        for name in ("S01", "S02"):
            await chain.add_node(name, [name])
            await sell_many(await chain.till(name), name, range(30))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        replica = (await sync_status(chain, "S01"))["replica"]
        await chain.stop("S01")
        for name in (HUB, "S02"):
            await serve_with_clock(chain, name, IDLE_MS)
        await sell_many(await chain.till("S02"), "S02", range(30, 60))
        await serve_with_clock(chain, "S01", IDLE_MS)
        await sell_many(await chain.till("S01"), "S01", range(30, 60))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {name: shelf(range(60)) for name in ("S01", "S02")})
        assert (await sync_status(chain, "S01"))["replica"] == replica
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
@pytest.mark.parametrize("years", [73, -55], ids=["2099", "1971"])
@pytest.mark.timeout(300)
async def test_a_clock_that_jumps_makes_a_node_forget_no_answer(tmp_path: Path, years: int) -> None:
    """A till that was not answered before the jump asks again: it is told what was recorded, as at any other time."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till = await chain.till("S01")
        await sell_many(till, "S01", range(10))
        await serve_with_clock(chain, "S01", years * YEAR_MS)
        await sell_many(till, "S01", range(10, 20))
        await serve_with_clock(chain, "S01", 0)
        await asyncio.sleep(FORGETTING_S)
        await sell_many(till, "S01", range(20))
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": shelf(range(20))})
