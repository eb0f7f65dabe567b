"""The soak's office and clerks: a catalogue, stock to begin with, and people at work beside the tills.

Invariant: what clerks handle tills sell too, so every count, transfer and order is of shelves that move meanwhile.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Self

from deploy.local_chain import LocalChain
from tests.shopwork.clerk import Clerk, Staff
from tests.shopwork.drafts import Wares
from tests.shopwork.reckoning import Desk, until_right
from tests.soak.tills import SKU_COUNT, SoakError, Trade, sku_of

OFFICE: Final = "office"
HANDLED: Final = 24
"""So many SKUs clerks handle: few enough that they meet."""
UNDESCRIBED: Final = 20
"""So many SKUs nobody describes: they are sold all the same, and listed."""
OPENING: Final = 10_000
"""Of each SKU at each shop: an hour sells a few hundred."""
ROWS_PER_REQUEST: Final = 500
REQUEST_S_MAX: Final = 60.0
WARES: Final = Wares(tuple(map(sku_of, range(HANDLED))), ("", "", "A"))


@dataclass(frozen=True, slots=True)
class Paperwork:
    """Everybody who is no till."""

    staff: Staff
    desks: tuple[Desk, ...]

    @classmethod
    async def opened(cls, chain: LocalChain, seed: int) -> Self:
        """Describe the SKUs, fill the shelves, and put a clerk at every node.

        Raises:
            SoakError: what the shops open with was refused.
        """
        desks = tuple(
            Desk(name, chain.operator(name), node.writes) for name, node in chain.nodes.items()
        )
        staff = Staff(WARES, [location for desk in desks for location in desk.locations])
        for number, desk in enumerate(desks):
            rng = Random(f"{seed} clerk {number}")
            Clerk(staff, desk.client, f"{desk.name}-clerk", desk.locations, rng)
        for desk in desks:
            await (_fill(desk) if desk.locations else _describe(desk))
        return cls(staff, desks)

    def work(
        self, acts_per_s: float, closing_time: asyncio.Event
    ) -> list[Coroutine[Any, Any, None]]:
        """Each clerk's day."""
        clerks = self.staff.clerks
        return [clerk.work_until(closing_time, acts_per_s / len(clerks)) for clerk in clerks]

    async def reckon(self, trades: Iterable[Trade], *, patience_s: float) -> str:
        """Hold every node to what tills and clerks did; what was looked at, in a sentence.

        Raises:
            ReckoningError: something is lost, made up, owed to nobody or different somewhere.
        """
        sold = Counter[tuple[str, str]]()
        for trade in trades:
            sold.update({(trade.location, sku_of(n)): OPENING for n in range(SKU_COUNT)})
            sold.update({(trade.location, sku): delta for sku, delta in trade.sold.items()})
        found = await until_right(self.desks, self.staff, sold, patience_s=patience_s)
        return (
            f"{len(found.papers)} documents, {self.staff.done.total()} acts done, "
            f"{self.staff.refused.total()} refused, {self.staff.replayed} answered again: whole, the same "
            f"everywhere, and nothing owed to nobody"
        )


async def _describe(desk: Desk) -> None:
    rows = [
        {"key": f"describe-{n}", "id": sku_of(n), "name": f"Goods {n}", "minimum": 5}
        for n in range(SKU_COUNT - UNDESCRIBED)
    ]
    await _send(desk, "/v1/skus/batch", "documents", rows)


async def _fill(desk: Desk) -> None:
    (location,) = desk.locations
    rows = [
        {
            "key": f"opening-{n}",
            "kind": "opening",
            "location": location,
            "lines": [{"sku": sku_of(n), "delta": OPENING}],
        }
        for n in range(SKU_COUNT)
    ]
    await _send(desk, "/v1/movements/batch", "movements", rows)


async def _send(desk: Desk, path: str, name: str, rows: list[dict[str, Any]]) -> None:
    for first in range(0, len(rows), ROWS_PER_REQUEST):
        body = {name: rows[first : first + ROWS_PER_REQUEST]}
        answer = await desk.client.send(path, body, None, timeout_s=REQUEST_S_MAX)
        results = answer.json().get("results", [])
        if bad := [each for each in results if each["status"] not in {200, 201}] or not results:
            raise SoakError(f"{path} at {desk.name}: {answer.status} {bad}")
