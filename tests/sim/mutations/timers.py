"""Bugs of time: timers that outlive what they were for, and everybody coming back at once."""

import asyncio
from contextlib import AbstractContextManager
from typing import Final

from node.hub_link import HubLink
from protocol.frames.handshake import Close
from runtime.world import World
from tests.sim.mutations import scripts
from tests.sim.mutations.planting import Mutation, replaced


def timer_leaks() -> AbstractContextManager[None]:
    """Each session leaves a timer behind that nobody ends.

    A line that breaks again and again (I15).
    """
    run = HubLink.run
    left: set[asyncio.Task[None]] = set()

    async def leave_one(self: HubLink) -> Close:
        left.add(asyncio.create_task(self._compare_clocks()))
        return await run(self)

    return replaced((HubLink, "run", leave_one))


def all_at_once() -> AbstractContextManager[None]:
    """Waits are as long as they may be, for everybody.

    A hub that was away: all nodes are at its door in the same moment (G18).
    """

    def longest(_self: World, most: int) -> int:
        return most

    return replaced((World, "jitter_ms", longest))


MUTATIONS: Final = (
    Mutation(
        "timer leaks",
        "I15: a line that breaks again and again",
        timer_leaks,
        {"weights": {"cut": 1.0}, "fault_every_s": 0.5, "requests": 60},
    ),
    Mutation(
        "back-off without jitter",
        "G18: a hub that was away",
        all_at_once,
        history=scripts.a_herd_comes_back,
    ),
)
