"""A storm: shops sell and do their paperwork over lines that cut, delay, repeat, garble and replay, drawn from a seed; then the lines heal.

Each connection suffers up to three faults. The nodes never wait longer than they must (`other_world`), so that a minute
holds hundreds of connections. Flipped bits are left out: a line without checksums is not what this runs over (`wss://` is,
see test_flipped_bits), and nothing below TLS could tell them from what was said.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from deploy.agreement import settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.crash_tills import SKUS, CrashTill, check_ledger, ledger_sums, of_tills
from tests.chaos.other_world import in_other_world
from tests.chaos.paperwork import Paperwork
from tests.chaos.proxy.chaos_proxy import ChaosProxy, no_faults
from tests.chaos.proxy.faults import BREAKING, Fault, Swallow, draw

SHOPS: Final = ("S01", "S02", "S03")
HANDLED: Final = 8
ACTS_PER_S: Final = 5.0
"""Of each clerk."""
FAULTS_PER_CONNECTION_MAX: Final = 3
FAIR_WEATHER_CHANCE: Final = 0.2
GUST_S_MAX: Final = 2.0
"""Longest time that a connection without a deadly fault is left alone, so that there are many."""
HALF_OPEN_FROM_S: Final = 150.0
"""A half-open line takes 15 to 40 seconds to be noticed, so only a long storm has any."""
SETTLE_S_MAX: Final = 240.0
PULLED: Final = "Pulled"
"""Counted beside the faults of a plan: a cable pulled out of a line."""


class Storm(NamedTuple):
    """What happened in one."""

    sales: int
    acts: int
    connections: int
    struck: Counter[str]
    """How often each kind of fault did."""

    def __str__(self) -> str:
        """In one line; a storm that lost or doubled anything has ended with an error instead."""
        return (
            f"{self.sales} sales and {self.acts} acts over {self.connections} connections, "
            f"faults {dict(self.struck)}: {self.struck.total()}; lost 0, doubled 0, all agree"
        )


async def run_storm(folder: Path, seed: int, lasting_s: float) -> Storm:
    """Sell through a storm, then compare everything.

    Raises:
        LedgerError, ReckoningError, WorkError, DisagreementError, ProcessError: something was lost, doubled or broken by it.
    """
    rng = Random(seed)
    kinds = (*BREAKING, Swallow) if lasting_s >= HALF_OPEN_FROM_S else BREAKING
    async with AsyncExitStack() as opened:
        chain = await opened.enter_async_context(LocalChain(folder))
        await chain.start_hub()
        lines = [
            await opened.enter_async_context(ChaosProxy(chain.hub.port, Random(rng.random())))
            for _ in SHOPS
        ]
        for shop, line in zip(SHOPS, lines, strict=True):
            await _open_shop(chain, shop, line)
        await chain.add_office()
        paperwork = Paperwork(chain, SKUS[:HANDLED], str(rng.random()))
        tills = [
            CrashTill(await chain.till(shop), shop, f"till-{shop}", Random(rng.random()))
            for shop in SHOPS
        ]
        async with asyncio.TaskGroup() as weather:
            gusts = [
                weather.create_task(_gusts(line, Random(rng.random()), kinds)) for line in lines
            ]
            closing_time = asyncio.Event()
            async with asyncio.TaskGroup() as day:
                for till in tills:
                    day.create_task(till.sell_until(closing_time))
                paperwork.work(day, ACTS_PER_S, closing_time)
                await asyncio.sleep(lasting_s)
                closing_time.set()
            for gust in gusts:
                gust.cancel()
        struck: Counter[str] = Counter()
        for line in lines:
            line.plan = no_faults
            line.end_all()
            struck += line.struck
        await _reckon(chain, tills, paperwork)
    sales, connections = sum(len(till.sent) for till in tills), sum(line.count for line in lines)
    return Storm(sales, paperwork.staff.done.total(), connections, struck)


async def _open_shop(chain: LocalChain, name: str, line: ChaosProxy) -> None:
    node = await chain.add_node(name, [name], via=line.port, serve="later")
    chain.replace(name, in_other_world(node.daemon, patience="none"))
    await chain.start(name)


async def _gusts(line: ChaosProxy, rng: Random, kinds: Sequence[type[Fault]]) -> None:
    """Draw what each connection suffers, and pull the cable now and then."""

    def plan(_: int) -> Sequence[Fault]:
        if rng.random() < FAIR_WEATHER_CHANCE:
            return ()
        return [draw(rng, kinds) for _ in range(rng.randint(1, FAULTS_PER_CONNECTION_MAX))]

    line.plan = plan
    while True:
        await asyncio.sleep(rng.uniform(0, GUST_S_MAX))
        line.end_all()
        line.struck[PULLED] += 1


async def _reckon(chain: LocalChain, tills: list[CrashTill], paperwork: Paperwork) -> None:
    for till in tills:
        await till.settle()
    await settle(chain, SHOPS, patience_s=SETTLE_S_MAX)
    sums: dict[str, dict[str, int]] = {}
    for till in tills:
        rows = chain.operator(till.location).rows("/v1/movements")
        movements = of_tills([row async for row in rows])
        check_ledger([till], movements)
        assert len(movements) == len(till.sent), "each was settled"
        sums |= ledger_sums(movements)
    await paperwork.reckon(sums, patience_s=SETTLE_S_MAX)
    await chain.verify([HUB, *chain.nodes])
