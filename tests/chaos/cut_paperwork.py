"""The paperwork of the canonical sync: what a shop and the depot do with documents while the line between them is shut.

Each round the shop receives what the depot shipped in the round before, ships something to the depot, fulfils an order,
finalises a count and edits a level; the depot receives what the shop shipped, and ships something to it. So a sync brings
decisions, goods and edits both ways, of documents that the other end holds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from deploy.client import Client, RefusedError

ASK_S_MAX: Final = 30.0
QUANTITY_MAX: Final = 9
Coming = tuple[str, str, int]
"""A transfer on its way: id, SKU, quantity."""


@dataclass(slots=True)
class End:
    """A shop or the depot: who asks there, and what must be on its shelf.

    Args:
        name: of its location, with which its keys begin.
        client: the node, as an operator.
        skus: what it handles.
        rng: what it decides by.
    """

    name: str
    client: Client
    skus: list[str]
    rng: Random
    on_hand: Counter[str] = field(default_factory=Counter)
    in_transit: Counter[str] = field(default_factory=Counter)
    coming: list[Coming] = field(default_factory=list)
    acts: int = 0

    async def ask(self, path: str, **body: Any) -> dict[str, Any]:
        """Ask once; it has to be done."""
        self.acts += 1
        key = f"{self.name}-act-{self.acts}"
        answer = await self.client.send(path, body, key, timeout_s=ASK_S_MAX)
        assert answer.status in {200, 201}, (path, answer)
        return answer.json()

    def take_coming(self) -> list[Coming]:
        """What is on its way here and has come, for `receive`; what is shipped from now on is of the next round."""
        taken, self.coming = self.coming, []
        return taken

    async def receive(self, come: Iterable[Coming]) -> None:
        """Receive these transfers."""
        for id_, sku, quantity in come:
            await self.ask(f"/v1/transfers/{id_}/receive")
            self.on_hand[sku] += quantity
            self.in_transit[sku] -= quantity

    async def ship(self, to: "End") -> str:
        """Ship something; the transfer's id."""
        line = self._line()
        sku, quantity = line["sku"], line["quantity"]
        drafted = await self.ask(
            "/v1/transfers", source=self.name, destination=to.name, lines=[line]
        )
        await self.ask(f"/v1/transfers/{drafted['id']}/ship")
        self.on_hand[sku] -= quantity
        to.in_transit[sku] += quantity
        to.coming.append((drafted["id"], sku, quantity))
        return str(drafted["id"])

    async def fulfil(self) -> None:
        """Reserve something for a customer, and hand it over."""
        line = self._line()
        order = f"/v1/orders/{await self._drafted('orders', kind='customer', lines=[line])}"
        await self.ask(f"{order}/place")
        await self.ask(f"{order}/fulfil")
        self.on_hand[line["sku"]] -= line["quantity"]

    async def count(self) -> None:
        """Count a shelf, and end it."""
        sku, counted = self.rng.choice(self.skus), self.rng.randrange(50)
        stocktake = f"/v1/stocktakes/{await self._drafted('stocktakes')}"
        await self.ask(f"{stocktake}/lines", sku=sku, counted=counted)
        await self.ask(f"{stocktake}/submit")
        await self.ask(f"{stocktake}/finalise", reason="counted")
        self.on_hand[sku] = counted

    async def edit(self) -> None:
        """Say how much of something is too little."""
        key = f"{self.name}-row-{self.acts}"
        row = {"location": self.name, "sku": self.skus[0], "minimum": self.acts}
        answer = await self.ask("/v1/levels/batch", documents=[{"key": key, **row}])
        assert answer["results"][0]["status"] in {200, 201}, answer

    async def _drafted(self, collection: str, **fields: Any) -> str:
        return str((await self.ask(f"/v1/{collection}", location=self.name, **fields))["id"])

    def _line(self) -> dict[str, Any]:
        return {"sku": self.rng.choice(self.skus), "quantity": self.rng.randint(1, QUANTITY_MAX)}


async def accounts(client: Client, location: str) -> tuple[Counter[str], Counter[str]]:
    """What a node shows on hand and in transit at a location; nothing is reserved when no order is open.

    Raises:
        AssertionError: something is reserved.
    """
    rows = [row async for row in client.rows("/v1/stock", location=location)]
    assert not any(row["reserved"] for row in rows), "the orders are all fulfilled"
    return (
        Counter({row["sku"]: row["on_hand"] for row in rows}),
        Counter({row["sku"]: row["in_transit"] for row in rows}),
    )


async def transfer(client: Client, id_: str) -> Mapping[str, Any] | None:
    """A transfer as it is shown; None where it is not known yet."""
    try:
        return await client.get(f"/v1/transfers/{id_}")
    except RefusedError as refused:
        if refused.answer.status == 404:
            return None
        raise
