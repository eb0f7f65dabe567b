"""Clerks beside the tills of a chaos test: the same shop's work, and the same three invariants, at nodes that are killed and cut off.

Rule: clerks handle SKUs that the tills sell, so every document is about shelves that move meanwhile.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from deploy.local_chain import LocalChain
from tests.shopwork.clerk import Clerk, Staff
from tests.shopwork.drafts import Wares
from tests.shopwork.reckoning import Desk, until_right

LOTS: Final = ("", "", "A")


class Paperwork:
    """A clerk at each of a chain's nodes, and their desks to look at.

    Args:
        chain: whose nodes are there by now; all of them get one.
        skus: what the clerks handle.
        seed: of what they decide.
        avoids: what none of them does; see `Staff`.
    """

    def __init__(
        self,
        chain: LocalChain,
        skus: Sequence[str],
        seed: str,
        *,
        avoids: frozenset[str] = frozenset(),
    ) -> None:
        self.desks: list[Desk] = []
        self.staff = Staff(Wares(skus, LOTS), [], avoids)
        self._seed = seed
        for name in chain.nodes:
            self.open_desk(chain, name)

    def open_desk(self, chain: LocalChain, node: str) -> None:
        """Put a clerk at a node that has come."""
        desk = Desk(node, chain.operator(node), chain.nodes[node].writes)
        self.desks.append(desk)
        new = [each for each in desk.locations if each not in self.staff.everywhere]
        self.staff.everywhere = [*self.staff.everywhere, *new]
        rng = Random(f"{self._seed} {node}")
        Clerk(self.staff, desk.client, f"clerk-{node}", desk.locations, rng)

    def work(
        self, group: asyncio.TaskGroup, acts_per_s: float, closing_time: asyncio.Event
    ) -> None:
        """Let each of them do so many things a second until closing time, and settle the last one."""
        for clerk in self.staff.clerks:
            group.create_task(clerk.work_until(closing_time, acts_per_s))

    async def act(self, count: int) -> None:
        """Let each of them do so many things, all at once."""
        async with asyncio.TaskGroup() as group:
            for clerk in self.staff.clerks:
                group.create_task(clerk.act_often(count))

    def forget(self, node: str) -> None:
        """A node was put back: its clerk repeats nothing of before."""
        for clerk in self.staff.clerks:
            if clerk.name == f"clerk-{node}":
                clerk.forget()

    async def reckon(
        self,
        sold: Mapping[str, Mapping[str, int]],
        *,
        patience_s: float,
        has_all_logs: bool = True,
    ) -> str:
        """Hold every node to what was done; what was looked at, in a few words.

        `sold` is what tills moved, by location and SKU. Raises: ReckoningError.
        """
        flat = Counter(
            {(place, sku): n for place, shelf in sold.items() for sku, n in shelf.items()}
        )
        found = await until_right(
            self.desks, self.staff, flat, has_all_logs=has_all_logs, patience_s=patience_s
        )
        return f"{len(found.papers)} documents, {self.staff.done.total()} acts"
