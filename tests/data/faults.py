"""What goes wrong during a replay, and when: a seeded plan, carried out as the movements progress.

Moments are shares of the movements answered, not times, so that a slow machine gets the same faults at the
same places. Invariant: every fault ends, so a plan that was carried out leaves the whole chain running.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from deploy.local_chain import HUB, LocalChain
from tests.data.shop_till import Tally

FAULT_S_MAX: Final = 30.0
"""A fault also ends after this long, for the tills may be waiting for what it holds back."""
DEAD_S_MAX: Final = 0.5
"""How long a killed node stays dead. Its tills wait meanwhile, so progress cannot end it."""
HUB_UPTIME_S: Final = 1.0
FIRST_FAULT: Final = 0.04
LAST_FAULT: Final = 0.92

Kind = Literal["hub killed", "node killed", "cut", "stalled"]


@dataclass(frozen=True, slots=True)
class Fault:
    """From when to when, in shares of the movements answered, and who is struck."""

    kind: Kind
    target: str
    start: float
    end: float


def plan_faults(
    rng: Random, nodes: Sequence[str], *, hub_kills: int, node_kills: int
) -> list[Fault]:
    """Every node is cut off once, in the order given, one after another; the rest falls anywhere.

    Every third cut is a stall, which neither side is told of. Returned in order of `start`.
    """
    room = (LAST_FAULT - FIRST_FAULT) / len(nodes)
    plan = [
        Fault("stalled" if i % 3 == 2 else "cut", node, start, start + room)
        for i, node in enumerate(nodes)
        for start in [FIRST_FAULT + i * room]
    ]
    for i in range(hub_kills):
        # One in each part of the run, so that two never overlap.
        start = FIRST_FAULT + (LAST_FAULT - FIRST_FAULT) * (i + rng.uniform(0, 0.6)) / hub_kills
        plan.append(Fault("hub killed", HUB, start, start + 0.3 / hub_kills * rng.random()))
    for node in rng.sample(list(nodes), node_kills):
        start = rng.uniform(FIRST_FAULT, LAST_FAULT)
        plan.append(Fault("node killed", node, start, start))
    return sorted(plan, key=lambda fault: fault.start)


async def carry_out(
    plan: Sequence[Fault], chain: LocalChain, tally: Tally, rng: Random, say: Callable[[str], None]
) -> None:
    """Strike as planned while the tills sell; return when every fault has ended.

    Raises:
        ProcessError: a daemon did not come back.
    """
    hub_up = asyncio.Lock()
    async with asyncio.TaskGroup() as faults:
        for fault in plan:
            dead_s = rng.uniform(0, DEAD_S_MAX)
            faults.create_task(_strike(fault, chain, tally, hub_up, dead_s, say))


async def _strike(
    fault: Fault,
    chain: LocalChain,
    tally: Tally,
    hub_up: asyncio.Lock,
    dead_s: float,
    say: Callable[[str], None],
) -> None:
    await tally.reached(fault.start)
    match fault.kind:
        case "hub killed":
            # Its last start may have taken until now: it shall have served a little before it dies again.
            async with hub_up:
                await asyncio.sleep(HUB_UPTIME_S)
                say(f"{tally.share:4.0%}  hub killed")
                await chain.kill(HUB)
                await _until(fault.end, tally)
                await chain.start(HUB)
        case "node killed":
            say(f"{tally.share:4.0%}  {fault.target} killed")
            await chain.kill(fault.target)
            await asyncio.sleep(dead_s)
            await chain.start(fault.target)
        case "cut" | "stalled":
            link = chain.nodes[fault.target].link
            assert link is not None, "only a node whose line can be cut is planned for"
            say(f"{tally.share:4.0%}  {fault.target} {fault.kind}")
            link.cut() if fault.kind == "cut" else link.stall()
            await _until(fault.end, tally)
            link.heal()
    say(f"{tally.share:4.0%}  {fault.target} is back")


async def _until(end: float, tally: Tally) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FAULT_S_MAX):
            await tally.reached(end)
