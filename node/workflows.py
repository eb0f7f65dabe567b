"""The node's orders and transfers on their course: what surfaces do with them.

Invariant: an act is one transaction, durable before its answer leaves, and nothing here waits for the hub. They are drafted,
shown and listed as documents, by `node.documents`.
"""

import sqlite3
from collections.abc import Awaitable, Callable

from node.commands import orders, suggesting, transfers
from node.commands.courses import Request
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller
from node.commands.suggesting import Suggested, Wanted
from runtime.store import Store

Write = Callable[[Callable[[sqlite3.Connection], Written]], Awaitable[Written]]


class Workflows:
    """Those of one node. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here]) -> None:
        self._store = store
        self._write = write
        self._here = here

    async def act_on_order(self, caller: Caller, id_: str, request: Request, key: str) -> Written:
        """Do something with an order; see `commands.orders.act`. Durable on return."""
        return await self._write(lambda db: orders.act(db, self._here(), caller, id_, request, key))

    async def act_on_transfer(
        self, caller: Caller, id_: str, request: Request, key: str
    ) -> Written:
        """Do something with a transfer; see `commands.transfers.act`. Durable on return."""
        return await self._write(
            lambda db: transfers.act(db, self._here(), caller, id_, request, key)
        )

    async def suggested_orders(self, wanted: Wanted) -> list[Suggested]:
        """What a location should order; see `commands.suggesting.suggested`."""
        now_ms = self._here().now_ms
        return await self._store.read(lambda db: suggesting.suggested(db, wanted, now_ms))

    async def draft_suggested(self, caller: Caller, wanted: Wanted, key: str) -> Written:
        """Draft those orders; see `commands.suggesting.draft`. Durable on return."""
        # Worked out by a reader: tills do not wait for it.
        found = await self.suggested_orders(wanted)
        return await self._write(
            lambda db: suggesting.draft(db, self._here(), caller, wanted, found, key)
        )
