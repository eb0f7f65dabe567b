"""kill -9 at random, under load: no answered sale is lost, none is recorded twice, and all agree afterwards.

Real processes, several tills at each node, the public HTTP interface as the only witness. The seed decides
who is killed and when; it is printed, and EVERSTOCK_SEED repeats it.
"""

import asyncio
import os
from collections import Counter
from pathlib import Path
from random import Random, SystemRandom
from typing import Final

import pytest
from rich.console import Console

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.crash_tills import CrashTill, check_ledger, ledger_sums

SHOPS: Final = {"S01": ("S01",), "S02": ("S02a", "S02b")}
TILLS_PER_LOCATION: Final = 2
UPTIME_S_MAX: Final = 0.6
"""Longest time between two kills: enough for hundreds of sales, short enough to strike a start-up."""
KILLED_STARTING_CHANCE: Final = 0.25
START_S: Final = 1.0
"""About what a start takes: a kill within it strikes anything from the interpreter to recovery."""
SETTLE_S_MAX: Final = 240.0
"""A node that met a dead hub a few times waits up to a minute before it tries again."""


@pytest.mark.timeout(400)
async def test_six_kills_lose_no_answered_sale_and_double_none(tmp_path: Path) -> None:
    await _sell_under_kills(tmp_path, kill_count=6)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_fifty_kills_lose_no_answered_sale_and_double_none(tmp_path: Path) -> None:
    await _sell_under_kills(tmp_path, kill_count=50)


async def _sell_under_kills(folder: Path, *, kill_count: int) -> None:
    seed = int(os.environ.get("EVERSTOCK_SEED") or SystemRandom().randrange(2**32))
    say = Console(soft_wrap=True).print  # pytest shows it when the test fails
    say(f"EVERSTOCK_SEED={seed}")
    rng = Random(seed)
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        for shop, locations in SHOPS.items():
            await chain.add_node(shop, locations)
        tills = await _tills(chain, rng)
        kills: Counter[str] = Counter()
        closing_time = asyncio.Event()
        async with asyncio.TaskGroup() as day:
            for till in tills:
                day.create_task(till.sell_until(closing_time))
            await _kill(chain, rng, kills, kill_count)
            closing_time.set()
        say(
            f"killed {dict(kills)}, sent {sum(len(till.sent) for till in tills)}, answered "
            f"{sum(len(till.answered) for till in tills)}, repeated {sum(t.repeated for t in tills)}"
        )
        await _check(chain, tills)


async def _tills(chain: LocalChain, rng: Random) -> list[CrashTill]:
    return [
        CrashTill(await chain.till(shop, name), location, name, Random(rng.random()))
        for shop, locations in SHOPS.items()
        for location in locations
        for number in range(TILLS_PER_LOCATION)
        for name in [f"till-{location}-{number}"]
    ]


async def _kill(chain: LocalChain, rng: Random, kills: Counter[str], kill_count: int) -> None:
    """Kill one daemon after another and start it again; some are killed again while they start."""
    while kills.total() < kill_count:
        await asyncio.sleep(rng.uniform(0.02, UPTIME_S_MAX))
        target = rng.choice([HUB, *SHOPS])
        await chain.kill(target)
        kills[target] += 1
        while kills.total() < kill_count and rng.random() < KILLED_STARTING_CHANCE:
            await _kill_starting(chain, target, rng.uniform(0.05, START_S))
            kills[target] += 1
        await chain.start(target)


async def _kill_starting(chain: LocalChain, target: str, after_s: float) -> None:
    try:
        async with asyncio.timeout(after_s):
            await chain.start(target)
    except TimeoutError:
        return  # killed by the start that was cancelled
    await chain.kill(target)


async def _check(chain: LocalChain, tills: list[CrashTill]) -> None:
    every_location = [location for locations in SHOPS.values() for location in locations]
    await settle(chain, every_location, patience_s=SETTLE_S_MAX)
    sums: dict[str, dict[str, int]] = {}
    for shop, locations in SHOPS.items():
        movements = [row async for row in chain.operator(shop).rows("/v1/movements")]
        check_ledger([till for till in tills if till.location in locations], movements)
        sums |= ledger_sums(movements)
    await check_stock(chain, sums)
    await chain.verify([HUB, *SHOPS])
