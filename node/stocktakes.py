"""The node's stocktakes: what surfaces do with them and ask of them.

Invariant: an act is one transaction, durable before its answer leaves; nothing here waits for the hub. What a caller is
shown of a blind count is decided in `commands.variance`. With a count is kept what it knew of (`exceptions.lateness`).
"""

import sqlite3
from collections.abc import Awaitable, Callable

from node.commands import stocktakes as commands
from node.commands import variance
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller
from node.commands.stocktakes import Wish
from node.exceptions import lateness
from protocol.workflows.stocktakes import Verb
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

        def act(db: sqlite3.Connection) -> Written:
            here = self._here()
            written = commands.act(db, here, caller, id_, wish, key)
            if wish.verb is Verb.COUNT and not written.replayed:
                lateness.note_counts(db, here, id_)
            return written

        return await self._write(act)

    async def variance(self, caller: Caller, id_: str) -> dict[str, object]:
        """The report as this caller may see it; see `commands.variance.report`.

        Raises:
            Refusal: `not_found`.
        """
        return await self._store.read(lambda db: variance.report(db, caller, id_))
