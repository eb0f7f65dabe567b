"""One replay: a data set through a chain of real processes under faults, and the proof at the end.

Setup, load under faults, quiesce, checks, in this order (the phases of FoundationDB's and TigerBeetle's
harnesses). The checks are the product's own two (digests, `verify`) and one it knows nothing of: the sums.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain
from tests.data.faults import Fault, carry_out, plan_faults
from tests.data.movements import DataSet
from tests.data.shop_till import ShopTill, Tally

PROGRESS_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """How a data set is sent and what happens meanwhile."""

    seed: int
    hub_kills: int
    node_kills: int
    batch_chance: float
    """Chance that the next request is a batch of 2 to 50 movements."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one green replay did."""

    movements: int
    lines: int
    repeats: int
    unanswered: int
    hub_kills: int
    node_kills: int
    cuts: int
    load_s: float
    settle_s: float
    total_s: float


class Watcher(Protocol):
    """Who is told how it goes."""

    def phase(self, name: str) -> None: ...

    def progress(self, tally: Tally) -> None: ...

    def event(self, words: str) -> None: ...


async def replay(data: DataSet, folder: Path, load: Load, watcher: Watcher) -> Outcome:
    """Send everything, break everything, wait until all agree, and compare to the unit.

    Raises:
        DisagreementError, ReplayError, RefusedError, ProcessError: with the first thing that was wrong.
    """
    rng = Random(load.seed)
    started = time.monotonic()
    async with LocalChain(folder) as chain:
        watcher.phase("starting the chain")
        await _start(chain, data)
        by_size = sorted(data.movements, key=lambda node: len(data.movements[node]))
        plan = plan_faults(rng, by_size, hub_kills=load.hub_kills, node_kills=load.node_kills)
        watcher.phase("selling")
        load_started = time.monotonic()
        tally = await _sell(chain, data, load, plan, rng, watcher)
        load_s = time.monotonic() - load_started
        # Once more while the backlog is draining.
        await chain.kill(HUB)
        await chain.start(HUB)
        watcher.phase("waiting until all agree")
        settle_started = time.monotonic()
        await settle(chain, data.locations, say=watcher.event)
        settle_s = time.monotonic() - settle_started
        watcher.phase("comparing every row at every node")
        await check_stock(chain, data.expected)
        watcher.phase("verifying every store")
        await chain.verify([HUB, *chain.nodes])
    return _outcome(tally, plan, load_s, settle_s, time.monotonic() - started)


async def _start(chain: LocalChain, data: DataSet) -> None:
    await chain.start_hub()
    async with asyncio.TaskGroup() as joining:
        for node, locations in data.writes.items():
            joining.create_task(chain.add_node(node, locations, line="cuttable"))


async def _sell(
    chain: LocalChain, data: DataSet, load: Load, plan: list[Fault], rng: Random, watcher: Watcher
) -> Tally:
    tally = Tally(data.movement_count)
    tills = {
        node: ShopTill(
            await chain.till(node), Random(rng.random()), tally, batch_chance=load.batch_chance
        )
        for node in data.movements
    }
    async with asyncio.TaskGroup() as day:
        reporter = day.create_task(_report(chain, tally, watcher))
        async with asyncio.TaskGroup() as work:
            work.create_task(carry_out(plan, chain, tally, rng, watcher.event))
            for node, movements in data.movements.items():
                work.create_task(tills[node].send_all(movements))
        reporter.cancel()
    watcher.progress(tally)
    return tally


async def _report(chain: LocalChain, tally: Tally, watcher: Watcher) -> None:
    while True:
        chain.check_running()  # sooner and clearer than a till that loses its patience
        watcher.progress(tally)
        await asyncio.sleep(PROGRESS_S)


def _outcome(
    tally: Tally, plan: list[Fault], load_s: float, settle_s: float, total_s: float
) -> Outcome:
    kinds = [fault.kind for fault in plan]
    return Outcome(
        movements=tally.movements,
        lines=tally.lines,
        repeats=tally.repeats,
        unanswered=tally.unanswered,
        hub_kills=kinds.count("hub killed") + 1,
        node_kills=kinds.count("node killed"),
        cuts=kinds.count("cut") + kinds.count("stalled"),
        load_s=load_s,
        settle_s=settle_s,
        total_s=total_s,
    )
