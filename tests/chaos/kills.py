"""kill -9 at random, under load: the chain that is killed, its tills, and the reckoning after each round of kills.

Real processes, several tills and a clerk at each node, the public HTTP interface as the only witness. The seed decides who is killed
and when. A round ends with everybody alive, what was never answered asked again with its key, and then the ledger must
hold exactly what was answered, and every total exactly its sum.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Final

from deploy.agreement import settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.crash_tills import SKUS, CrashTill, check_ledger, ledger_sums, of_tills
from tests.chaos.paperwork import Paperwork

SHOPS: Final = {"S01": ("S01",), "S02": ("S02a", "S02b")}
OFFICE: Final = "office"
TILLS_PER_LOCATION: Final = 2
HANDLED: Final = 8
"""So many of what tills sell clerks handle, too: few enough that they meet."""
ACTS_PER_S: Final = 3.0
"""Of each clerk."""
KILLS_PER_ROUND: Final = 100
UPTIME_S_MAX: Final = 0.6
"""Longest time between two kills: enough for hundreds of sales, short enough to strike a start-up."""
KILLED_STARTING_CHANCE: Final = 0.25
BOTH_CHANCE: Final = 0.15
"""How often a node and the hub die at the same moment, as when the power fails in a shop with the hub in its back room."""
START_S: Final = 1.0
"""About what a start takes: a kill within it strikes anything from the interpreter to recovery."""
SETTLE_S_MAX: Final = 240.0
"""A node that met a dead hub a few times waits up to a minute before it tries again."""


class KilledChain:
    """A hub, two shops, their tills; `kills` counts by victim."""

    def __init__(self, chain: LocalChain, rng: Random, say: Callable[[str], None]) -> None:
        self.chain = chain
        self.tills: list[CrashTill] = []
        self.kills: Counter[str] = Counter()
        self.paperwork: Paperwork
        self._rng = rng
        self._say = say

    async def open(self) -> None:
        """Start everything: the paperwork is there from then on."""
        await self.chain.start_hub()
        for shop, locations in SHOPS.items():
            await self.chain.add_node(shop, locations)
            for location in locations:
                for number in range(TILLS_PER_LOCATION):
                    name = f"till-{location}-{number}"
                    client = await self.chain.till(shop, name)
                    self.tills.append(CrashTill(client, location, name, Random(self._rng.random())))
        await self.chain.add_office(OFFICE)
        self.paperwork = Paperwork(self.chain, SKUS[:HANDLED], str(self._rng.random()))

    async def run(self, kill_count: int) -> None:
        """Kill so many, in rounds.

        Raises:
            LedgerError, ReckoningError, WorkError, DisagreementError, ProcessError: after a round something was wrong.
        """
        while self.kills.total() < kill_count:
            up_to = min(kill_count, self.kills.total() + KILLS_PER_ROUND)
            closing_time = asyncio.Event()
            async with asyncio.TaskGroup() as day:
                for till in self.tills:
                    day.create_task(till.sell_until(closing_time))
                self.paperwork.work(day, ACTS_PER_S, closing_time)
                await self._kill(up_to)
                closing_time.set()
            await self._reckon()
            self._say(self.summary())

    def summary(self) -> str:
        """What was done so far, in one line."""
        sent, answered = (
            sum(len(sales) for sales in each)
            for each in ([t.sent for t in self.tills], [t.answered for t in self.tills])
        )
        repeated, settled = (
            sum(t.repeated for t in self.tills),
            sum(t.settled for t in self.tills),
        )
        return (
            f"kills {dict(self.kills)}: {self.kills.total()}; sales sent {sent}, answered {answered}, "
            f"repeated {repeated}, walked away from and settled by their key {settled}; "
            f"{self.paperwork.staff.done.total()} acts on {len(self.paperwork.staff.filed)} documents; lost 0, doubled 0"
        )

    async def _kill(self, up_to: int) -> None:
        """Kill one daemon after another and start it again; some are killed again while they start."""
        while self.kills.total() < up_to:
            await asyncio.sleep(self._rng.uniform(0.02, UPTIME_S_MAX))
            targets = [self._rng.choice([HUB, OFFICE, *SHOPS])]
            if targets != [HUB] and self._rng.random() < BOTH_CHANCE:
                targets.append(HUB)
            await asyncio.gather(*(self.chain.kill(target) for target in targets))
            self.kills.update(targets)
            for target in targets:
                while self.kills.total() < up_to and self._rng.random() < KILLED_STARTING_CHANCE:
                    await self._kill_starting(target, self._rng.uniform(0.05, START_S))
                    self.kills[target] += 1
                await self.chain.start(target)

    async def _kill_starting(self, target: str, after_s: float) -> None:
        try:
            async with asyncio.timeout(after_s):
                await self.chain.start(target)
        except TimeoutError:
            return  # killed by the start that was cancelled
        await self.chain.kill(target)

    async def _reckon(self) -> None:
        every_location = [location for locations in SHOPS.values() for location in locations]
        for shop in SHOPS:
            check_ledger(self._tills_of(shop), await self._movements(shop))
        for till in self.tills:
            await till.settle()
        await settle(self.chain, every_location, patience_s=SETTLE_S_MAX)
        sums: dict[str, dict[str, int]] = {}
        for shop in SHOPS:
            movements = await self._movements(shop)
            tills = self._tills_of(shop)
            check_ledger(tills, movements)
            assert len(movements) == sum(len(till.sent) for till in tills), "each was settled"
            sums |= ledger_sums(movements)
        await self.paperwork.reckon(sums, patience_s=SETTLE_S_MAX)
        await self.chain.verify([HUB, *self.chain.nodes])

    async def _movements(self, shop: str) -> list[dict[str, object]]:
        return of_tills([row async for row in self.chain.operator(shop).rows("/v1/movements")])

    def _tills_of(self, shop: str) -> list[CrashTill]:
        return [till for till in self.tills if till.location in SHOPS[shop]]


@contextlib.asynccontextmanager
async def killed_chain(
    folder: Path, seed: int, say: Callable[[str], None]
) -> AsyncIterator[KilledChain]:
    """Open one, and leave nothing of it running."""
    async with LocalChain(folder) as chain:
        killed = KilledChain(chain, Random(seed), say)
        await killed.open()
        yield killed
