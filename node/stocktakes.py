"""The node's stocktakes: what surfaces do with them and ask of them.

Invariant: an act is one transaction, durable before its answer leaves; nothing here waits for the hub. What a caller is
shown of a blind count is decided in `commands.variance`.
"""

import sqlite3
from collections.abc import Awaitable, Callable

from node.commands import stocktakes as commands
from node.commands import variance
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller
from node.commands.stocktakes import Wish
from runtime.store import Store

Write = Callable[[Callable[[sqlite3.Connection], Written]], Awaitable[Written]]


class Stocktakes:
    """Those of one node. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here]) -> None:
        self._store = store
        self._write = write
        self._here = here

    async def act(self, caller: Caller, id_: str, wish: Wish, key: str) -> Written:
        """Do something with a stocktake; see `commands.stocktakes.act`. Durable on return."""
        return await self._write(lambda db: commands.act(db, self._here(), caller, id_, wish, key))

    async def variance(self, caller: Caller, id_: str) -> dict[str, object]:
        """The report as this caller may see it; see `commands.variance.report`.

        Raises:
            Refusal: `not_found`.
        """
        return await self._store.read(lambda db: variance.report(db, caller, id_))
