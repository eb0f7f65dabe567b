"""The node's orders and transfers on their course: what surfaces do with them.

Invariant: an act is one transaction, durable before its answer leaves, and nothing here waits for the hub. They are drafted,
shown and listed as documents, by `node.documents`.
"""

import sqlite3
from collections.abc import Awaitable, Callable

from node.commands import orders, transfers
from node.commands.courses import Request
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller

Write = Callable[[Callable[[sqlite3.Connection], Written]], Awaitable[Written]]


class Workflows:
    """Those of one node. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""

    def __init__(self, write: Write, here: Callable[[], Here]) -> None:
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
