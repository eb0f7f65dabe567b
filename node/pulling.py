"""Other replicas' movements at the locations whose history this node keeps, fetched from the hub's ledger into the list.

Invariant: how far the ledger was read moves in the transaction that lists what was read, so nothing is missed or listed
twice; own operations are known by their ids. It comes after everything else, and only when another replica has written.
"""

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Final

from node.inquiry import Ends
from node.local import Local
from node.replica import movements
from node.replica.kept import locations
from protocol.certificate import Certificate
from protocol.frames.feed import Page
from protocol.frames.repair import Answer, AskLedger, Ledger
from protocol.ids import Location, ReplicaId, Seq, stock_scope
from runtime.store import Store

PULL_OPERATIONS: Final = 500
"""Asked for at once."""
PIECE_OPERATIONS: Final = 50
"""Listed in one transaction: at most 5 ms."""


class Pulling:
    """The history of one session. `local` says which locations those are by now."""

    def __init__(self, store: Store, local: Local, ends: Ends) -> None:
        self._store = store
        self._local = local
        self._ends = ends
        self._has_begun = False
        self._due: set[Location] = set()
        self._others: dict[Location, Mapping[ReplicaId, Seq]] = {}

    async def next_question(self) -> AskLedger | None:
        """See `Asker`."""
        # Rows first: what a shelf shows matters more than how it came about.
        ready = [place for place in self._due if self._ends.of(stock_scope(place)) >= 0]
        if not ready:
            return None
        location = min(ready)
        self._due.discard(location)
        after = await self._store.read(partial(movements.pulled_upto, location=location))
        return AskLedger(location, after, PULL_OPERATIONS)

    async def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        assert isinstance(answer, Ledger), "nothing else was asked"
        for at in range(0, len(answer.items), PIECE_OPERATIONS):
            piece = answer.items[at : at + PIECE_OPERATIONS]
            pull = partial(
                movements.pull, location=answer.location, items=piece, upto=piece[-1].position
            )
            await self._store.write(pull, background=True)
        await self._store.write(partial(_ended, answer=answer), background=True)
        if answer.more:
            self._due.add(answer.location)

    async def page_put(self, page: Page) -> None:
        """See `Asker`. The page says how far each log is inside its scope."""
        family, _, place = page.scope.partition(":")
        if family != "stock" or not self._local.kept.includes(self._certificate, place):
            return
        location = Location(place)
        others = {each: seq for each, seq in page.inside.items() if each != self._local.replica}
        if others != self._others.get(location, {}):
            self._others[location] = others
            self._due.add(location)

    async def all_put(self) -> None:
        """See `Asker`. A session that was cut may have left something to fetch."""
        if not self._has_begun:
            self._has_begun = True
            certificate, kept = self._certificate, self._local.kept
            due = await self._store.read(lambda db: locations(db, certificate, kept))
            self._due.update(map(Location, due))

    @property
    def _certificate(self) -> Certificate:
        return self._local.identity.certificate


def _ended(db: sqlite3.Connection, answer: Ledger) -> None:
    movements.pull(db, answer.location, (), answer.upto)
    if not answer.more:
        movements.note_whole(db, answer.location)
