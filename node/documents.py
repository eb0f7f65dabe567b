"""The node's documents: what surfaces ask of them, each one transaction.

Invariant: an edit is durable before its answer leaves, and nothing here waits for the hub. What a caller is shown is
decided by who it is, in `commands.depicting`.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import orjson

from node.commands import documents as commands
from node.commands import saving
from node.commands.depicting import document_body, document_shown
from node.commands.documents import Written
from node.commands.editable import values_of
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import has_right, sees
from node.commands.saving import Row, Saved
from node.live.events import id_of
from node.replica import documents
from node.replica.documents import DocumentQuery, Held
from protocol.access.table import action
from protocol.declarations.editing import Asked
from protocol.declarations.naming import locations_of
from protocol.declarations.vocabulary import Collection
from runtime.store import Store

T = TypeVar("T")
PIECE_ROWS: Final = 250
"""Rows of a list that wait for the writer together: about one commit's worth."""


class Write(Protocol):
    """Runs a transaction, durable on return, and wakes the uplink; in the background it lets others go first."""

    def __call__(
        self, transaction: Callable[[sqlite3.Connection], T], *, background: bool = False
    ) -> Awaitable[T]: ...


class Documents:
    """Those that one node shows. `here` is what recording needs to know."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here]) -> None:
        self._store = store
        self._write = write
        self._here = here

    def now_ms(self) -> int:
        """The machine's clock, UTC milliseconds."""
        return self._here().now_ms

    async def create(
        self, caller: Caller, collection: Collection, asked: Asked, key: str
    ) -> Written:
        """Create a document; see `commands.documents.create`. Durable on return."""
        return await self._write(
            lambda db: commands.create(db, self._here(), caller, collection, asked, key)
        )

    async def change(
        self,
        caller: Caller,
        collection: Collection,
        id_: str,
        asked: Asked,
        key: str,
        if_match: Sequence[str] | None = None,
    ) -> Written:
        """Change a document; see `commands.documents.change`. Durable on return."""
        return await self._write(
            lambda db: commands.change(
                db, self._here(), caller, collection, id_, asked, key, if_match
            )
        )

    async def archive(
        self,
        caller: Caller,
        collection: Collection,
        id_: str,
        key: str,
        if_match: Sequence[str] | None = None,
    ) -> Written:
        """Take a document out of use; see `commands.documents.archive`. Durable on return."""
        return await self._write(
            lambda db: commands.archive(db, self._here(), caller, collection, id_, key, if_match)
        )

    async def save(
        self, caller: Caller, collection: Collection, rows: Sequence[Row]
    ) -> list[Saved | Refusal]:
        """Save rows of a list in order, each alone; see `commands.saving.save`. Durable on return.

        Rows yield to tills one by one. They share a transaction while none is refused, since the index of words is written
        out for each; those of a piece in which one is refused are a transaction each. When the store fails, some may have
        been saved: sent again they are answered from memory.

        Raises: StoreFull, StoreUnavailable.
        """
        found: list[Saved | Refusal] = []
        while piece := rows[len(found) : len(found) + PIECE_ROWS]:
            together = partial(self._save_some, caller=caller, collection=collection, rows=piece)
            try:
                found += await self._write(together, background=True)
            except Refusal:
                found += await self._save_each(caller, collection, piece)
        return found

    def _save_some(
        self, db: sqlite3.Connection, caller: Caller, collection: Collection, rows: Sequence[Row]
    ) -> list[Saved]:
        """Save rows, one at least, until a till waits.

        Raises:
            Refusal: of one of them; nothing of any may be kept then.
        """
        found: list[Saved] = []
        for row in rows:
            if found and self._store.foreground_waits():
                break
            found.append(saving.save(db, self._here(), caller, collection, row))
        return found

    async def _save_each(
        self, caller: Caller, collection: Collection, rows: Sequence[Row]
    ) -> list[Saved | Refusal]:
        """The same with a transaction for each, so that one which is refused spoils no other."""
        results = await asyncio.gather(
            *(self._save_one(caller, collection, row) for row in rows), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Refusal):
                raise result
        return [one for one in results if isinstance(one, Saved | Refusal)]

    async def _save_one(self, caller: Caller, collection: Collection, row: Row) -> Saved:
        return await self._write(
            lambda db: saving.save(db, self._here(), caller, collection, row), background=True
        )

    async def one(self, caller: Caller, collection: Collection, id_: str) -> bytes | None:
        """A document as JSON, as this caller may see it; None when there is none."""
        held = await self._store.read(lambda db: documents.one(db, collection, id_))
        if held is None or not self._sees(caller, collection)(held):
            return None
        return document_body(collection, held, caller)

    async def page(self, caller: Caller, query: DocumentQuery) -> bytes:
        """A page of a list as JSON, as this caller may see it.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        shown = partial(document_shown, query.collection, caller)
        sees_it = self._sees(caller, query.collection)
        # Written by the reader's thread: a thousand documents take the event loop long enough to be felt at a till.
        return await self._store.read(lambda db: _page(db, query, sees_it, shown))

    def _sees(self, caller: Caller, collection: Collection) -> Callable[[Held], bool]:
        """Whether a document is shown to a caller: to whoever may read one of its locations'."""
        right = action(f"{collection.name}.read")
        if not collection.locations:
            return lambda _: has_right(caller, right)
        return lambda held: sees(
            caller, right, locations_of(collection, values_of(collection, held))
        )


def _page(
    db: sqlite3.Connection,
    query: DocumentQuery,
    sees_it: Callable[[Held], bool],
    show: Callable[[Held], Mapping[str, object]],
) -> bytes:
    found = documents.page(db, query)
    items = [show(held) for held in found.items if sees_it(held)]
    shown = {"items": items, "next": found.following, "changes": id_of(found.life, found.head)}
    return orjson.dumps(shown)
