"""Every delivery of ten years as a purchase through the orders' addresses, and the end of every order compared.

A year at a time: orders are drafted in packs, large ones are approved by the office over the hub, all are placed, and what
came is received note by note, over and short as it came, some notes scanned twice. What old orders lack is given up.
"""

import asyncio
import csv
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from deploy.agreement import check_stock, settle
from deploy.client import RefusedError
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.data.asking import Asker, AskingError, Figures, Say
from tests.data.purchases import Delivery, Purchase, Purchases, read_purchases

NODE: Final = "procurement"
OFFICE: Final = "office"
SEED: Final = 2006
AT_ONCE: Final = 4
DRAFTS_AT_ONCE: Final = 100
SCANNED_TWICE: Final = 20
"""Every so manyeth note is scanned by a second person as well."""
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.2

T = TypeVar("T")


async def replay_orders(data: Path, folder: Path, say: Say) -> Figures:
    """Order and receive everything, then compare every order, every stock and every store.

    Raises: AskingError, DataError, DisagreementError, ProcessError, RefusedError, TimeoutError.
    """
    purchases = read_purchases(data)
    countries = list(purchases.stock)
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        await chain.add_office(OFFICE)
        await chain.add_node(NODE, countries)
        await _import_catalogue(data, folder, purchases)
        buyers = Buyers(chain, purchases)
        await buyers.meet_suppliers()
        started_s = time.monotonic()
        for year, orders in groupby(purchases.orders, key=lambda one: one.deliveries[0].on[:4]):
            of_year = list(orders)
            say(f"{year}: {len(of_year)} orders")
            await buyers.work(of_year)
        took_s = time.monotonic() - started_s
        say("waiting until all agree")
        await settle(chain, countries, say=say)
        await check_stock(chain, purchases.stock)
        for name in (NODE, OFFICE):
            await buyers.check_orders(name)
        await chain.verify([HUB, OFFICE, NODE])
    return {"seconds for the orders": f"{took_s:.1f}", **buyers.figures()}


async def _import_catalogue(data: Path, folder: Path, purchases: Purchases) -> None:
    articles, office = folder / "articles.csv", ("--data", str(folder / OFFICE))
    with articles.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(("id", "name", "strength", "dosage_form", "packs"))
        for one in purchases.articles.values():
            packs = f"{one.pack}={one.units}"
            sheet.writerow((one.sku, one.name, one.strength, one.dosage_form, packs))
    await run_command("node", "import", "skus", str(articles), *office)
    suppliers = str(data / "deliveries.csv.gz")
    columns = ("--map", "supplier=name", "--map", "id=")
    await run_command("node", "import", "suppliers", suppliers, *office, *columns)


class Buyers:
    """Those at the node who order and receive, and those at the office who approve."""

    def __init__(self, chain: LocalChain, purchases: Purchases) -> None:
        self._chain = chain
        self._purchases = purchases
        rng = Random(SEED)
        self._node = Asker(chain.operator(NODE), rng)
        self._office = Asker(chain.operator(OFFICE), rng)
        self._suppliers: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._scanned_twice = 0

    async def meet_suppliers(self) -> None:
        """Wait until the node has the whole catalogue, and learn the suppliers' ids."""
        wanted = {order.supplier for order in self._purchases.orders}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                client = self._node.client
                self._suppliers = {
                    one["name"]: one["id"] async for one in client.rows("/v1/suppliers")
                }
                skus = {one["id"] async for one in client.rows("/v1/skus")}
                if self._suppliers.keys() == wanted and skus == self._purchases.articles.keys():
                    return
                await asyncio.sleep(POLL_S)

    async def work(self, orders: Sequence[Purchase]) -> None:
        """Draft, have approved, place, receive and close.

        Raises: as `replay_orders`.
        """
        for start in range(0, len(orders), DRAFTS_AT_ONCE):
            some = orders[start : start + DRAFTS_AT_ONCE]
            made = await self._node.save("orders", list(map(self._draft, some)))
            self._ids |= {order.number: one["id"] for order, one in zip(some, made, strict=True)}
        large = [order for order in orders if order.is_approved]
        await _each(large, lambda order: self._act(order, "submit"))
        await _each(large, lambda order: self._act(order, "approve", by=self._office))
        await _each(orders, lambda order: self._act(order, "place"))
        await _each(orders, self._receive)

    async def _act(
        self,
        order: Purchase,
        verb: str,
        body: dict[str, Any] | None = None,
        *,
        by: Asker | None = None,
    ) -> dict[str, Any]:
        """Do it, as soon as what it needs has come over the hub."""
        path, key = f"/v1/orders/{self._ids[order.number]}/{verb}", f"{verb}-{order.number}"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await (by or self._node).post(path, body or {}, key)
                except RefusedError as refused:
                    is_early = order.is_approved and verb in ("approve", "place")
                    if not is_early or refused.answer.status not in (404, 409):
                        raise
                await asyncio.sleep(POLL_S)

    async def _receive(self, order: Purchase) -> None:
        for delivery in order.deliveries:
            told = await self._scan(order, delivery, "first")
            if told["warnings"]:
                raise AskingError(f"{order.number} {delivery.note}: {told['warnings']}")
            if int(delivery.note.rpartition("-")[2]) % SCANNED_TWICE == 0:
                again = await self._scan(order, delivery, "second")
                self._scanned_twice += 1
                if {one["code"] for one in again["warnings"]} != {"already_scanned"}:
                    raise AskingError(f"{order.number} {delivery.note}: again, {again['warnings']}")
        if order.is_closed:
            await self._act(order, "close")

    async def _scan(self, order: Purchase, delivery: Delivery, who: str) -> dict[str, Any]:
        lines = [self._packs(sku, packs) for sku, packs in delivery.lines]
        path = f"/v1/orders/{self._ids[order.number]}/fulfil"
        body = {"lines": lines, "parcel": delivery.note}
        return await self._node.post(path, body, f"{who}-{delivery.note}-{delivery.on}")

    def _draft(self, order: Purchase) -> dict[str, Any]:
        lines = [self._packs(sku, packs) for sku, packs in order.ordered.items()]
        named = {"key": f"draft-{order.number}", "reference": order.number, "kind": "purchase"}
        place = {"location": order.country, "supplier": self._suppliers[order.supplier]}
        return {**named, **place, "lines": lines}

    def _packs(self, sku: str, packs: int) -> dict[str, Any]:
        return {"sku": sku, "pack": self._purchases.articles[sku].pack, "packs": packs}

    async def check_orders(self, name: str) -> None:
        """Compare every order that a node shows: how it stands, and what was ordered and came of each SKU.

        Raises: AskingError, TimeoutError.
        """
        expected = {self._ids[one.number]: self._shown(one) for one in self._purchases.orders}
        client = self._chain.operator(name)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                shown = {one["id"]: one async for one in client.rows("/v1/orders")}
                other = [id_ for id_ in expected if outcome_of(shown.get(id_)) != expected[id_]]
                if not other and shown.keys() == expected.keys():
                    return
                if name == NODE:  # it did all that itself
                    first = outcome_of(shown.get(other[0])) if other else len(shown)
                    raise AskingError(f"{name}: {len(other)} orders differ, as {first}")
                await asyncio.sleep(POLL_S)

    def _shown(self, order: Purchase) -> dict[str, Any]:
        units = {sku: self._purchases.articles[sku].units for sku in order.ordered}
        lines = {
            sku: (order.ordered[sku] * units[sku], order.received[sku] * units[sku])
            for sku in units
        }
        return {
            "reference": order.number,
            "location": order.country,
            "supplier": self._suppliers[order.supplier],
            "stage": order.stage,
            "status": order.status,
            "lines": lines,
        }

    def figures(self) -> Figures:
        """What was ordered, and what became of it."""
        orders = self._purchases.orders
        return {
            "orders": f"{len(orders):,}",
            "approved by the office": f"{sum(one.is_approved for one in orders):,}",
            "delivery notes received": f"{sum(len(one.deliveries) for one in orders):,}",
            "of them scanned twice": f"{self._scanned_twice:,}",
            "orders delivered over": f"{sum(one.is_over for one in orders):,}",
            "orders delivered short": f"{sum(one.is_short for one in orders):,}",
            "fulfilled at the end": f"{sum(one.status == 'fulfilled' for one in orders):,}",
            "pending at the end": f"{sum(one.status == 'pending' for one in orders):,}",
            "requests": f"{self._node.sent + self._office.sent:,}",
            "requests sent twice": f"{self._node.repeats + self._office.repeats:,}",
        }


def outcome_of(shown: dict[str, Any] | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    lines = {one["sku"]: (one["ordered"], one["fulfilled"]) for one in shown["progress"]}
    names = ("reference", "location", "supplier", "stage", "status")
    return {**{name: shown[name] for name in names}, "lines": lines}


async def _each(items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> None:
    """Work on several at a time, begun in order."""
    waiting = iter(items)

    async def go_on() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as working:
        for _ in range(AT_ONCE):
            working.create_task(go_on())
