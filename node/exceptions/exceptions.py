"""What surfaces ask of a node's exceptions, and the task behind them.

Invariant: to list and to resolve waits for neither the hub nor the task: what the task has not noticed yet is listed a
second later.
"""

import sqlite3
from collections.abc import Callable

from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller
from node.documents import Write
from node.exceptions import listed
from node.exceptions.listed import ExceptionQuery
from node.exceptions.resolving import resolve
from node.exceptions.telling import exception_json
from node.exceptions.watching import Watching
from runtime.store import Store


class Exceptions:
    """Those of one node. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here]) -> None:
        self._store = store
        self._write = write
        self._here = here
        self.watching = Watching(store, write, here)

    async def page(self, query: ExceptionQuery) -> tuple[list[dict[str, object]], str | None]:
        """Exceptions, noticed last first, and the cursor of the next page.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """

        def read(db: sqlite3.Connection) -> tuple[list[dict[str, object]], str | None]:
            found, following = listed.page(db, query)
            return [exception_json(db, one) for one in found], following

        return await self._store.read(read)

    async def one(self, id_: str) -> dict[str, object] | None:
        """One exception."""

        def read(db: sqlite3.Connection) -> dict[str, object] | None:
            row = listed.one(db, id_)
            return None if row is None else exception_json(db, row)

        return await self._store.read(read)

    async def resolve(
        self, caller: Caller, id_: str, note: str, version: str | None, key: str
    ) -> Written:
        """Note what became of one; see `resolving`. Durable on return."""
        return await self._write(
            lambda db: resolve(db, self._here(), caller, id_, note, version, key)
        )
