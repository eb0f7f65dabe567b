"""Bringing documents' books to what merged events left owing: who does it, and when.

Invariants:
- A node looks only once the hub has sent it everything in this session, and never while it reads a scope afresh or asks
  what the hub still has of its log: from half of the events it would book what the other half takes back.
- Every change of a document is looked at once it is shown, also one that came while the node was stopped: the mark of how
  far it looked is durable, and is never ahead of what was booked.
- At a location its own node books. An office books there too when that was not done for `OFFICE_WAITS_S`: the location
  has no node, or none that is there.
- Two that book what they see at one moment book it once, if they see the same. If they do not, both count, and whoever
  sees both books the difference: so nobody books while edits of its own are on their way, and who finds that the same
  document was booked before waits a random while, twice as long each time, that they do not answer each other for ever.
- It all goes in pieces of the background that no till notices.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import structlog

from node.chores import Chore
from node.commands import owing as books
from node.commands.movements import Here
from node.commands.owing import Owed
from node.commands.requests import Refusal
from node.local import Local
from node.replica import claims, identity, owing, scopes
from node.replica.owing import Mark
from protocol.certificate import Role
from protocol.effects import DocumentKey
from runtime.store import Store

INTERVAL_S: Final = 1.0
"""Changes of a second are looked at together."""
LOOK_AGAIN_S: Final = 30.0
"""How late it may notice what nothing tells it: that another node has not booked in time."""
OFFICE_WAITS_S: Final = 300.0
"""Longer than a shop that is there takes, so that an office does not write what the shop is about to."""
BACK_OFF_S_MAX: Final = 64.0
"""The bound of the random wait of who answers somebody else's booking."""
PIECE_DOCUMENTS: Final = 20
"""Looked at in one read: some tens of milliseconds of a reader where all are as large as they can be."""

_log = structlog.get_logger(__name__)


class _Looked(NamedTuple):
    """Some documents that changed, of one snapshot."""

    owed: dict[DocumentKey, Owed | None]
    """What each owes; None for nothing."""
    upto: Mark | None
    """Of the last of them; None where none had changed."""
    is_all: bool


class Reconciling:
    """The standing care of one node for its documents' books. Made stopped."""

    def __init__(
        self,
        store: Store,
        local: Local,
        here: Callable[[], Here],
        recorded: Callable[[], None],
        jitter_ms: Callable[[int], int],
        *,
        office_waits_s: float = OFFICE_WAITS_S,
    ) -> None:
        """`here` is what recording needs to know; `recorded()` is called when something was; see `World.jitter_ms`."""
        self._store = store
        self._local = local
        self._here = here
        self._recorded = recorded
        self._jitter_ms = jitter_ms
        self._office_waits_ms = int(office_waits_s * 1000)
        self._chore = Chore(store, "reconciling", self._look_when_caught_up)

    def start(self) -> None:
        """Begin to look after the books; returns at once."""
        self._chore.start(interval_s=INTERVAL_S, again_s=LOOK_AGAIN_S)

    async def stop(self) -> None:
        """End it. What was not looked at is looked at after the next start."""
        await self._chore.stop()

    async def look(self) -> None:
        """Look at every document that changed since the last look, and book what is due. Durable on return.

        Raises:
            StoreError: what was not looked at is looked at the next time.
        """
        for collection in books.COURSES:
            while not await self._look_at_piece(collection):
                pass
        while due := await self._store.read(self._due):
            for key in due:
                await self._book(key)

    async def _look_when_caught_up(self) -> None:
        if await self._has_work():
            await self.look()

    async def _has_work(self) -> bool:
        """Whether it may look, and would come upon anything: one reading for nearly every commit, after which it would not."""
        if not (self._local.connected and self._local.heard_all):
            return False
        rights = owing.rights_of(self._here().certificate)
        return await self._store.read(
            lambda db: (
                _is_settled(db)
                and bool(owing.changed_among(db, books.COURSES, rights) or self._due(db))
            )
        )

    async def _look_at_piece(self, collection: str) -> bool:
        """Look at some documents; whether those were the last."""
        rights = owing.rights_of(self._here().certificate)
        looked = await self._store.read(partial(_look, collection=collection, rights=rights))
        if (upto := looked.upto) is None:
            return True

        def go_on(db: sqlite3.Connection) -> None:
            for key, owed in looked.owed.items():
                wait_ms = None if owed is None else self._wait_ms(owed)
                if wait_ms is None:
                    owing.end(db, key)
                else:
                    owing.put_off(db, key, self._here().now_ms + wait_ms)
            owing.save_mark(db, collection, rights, upto)

        await self._store.write(go_on, background=True)
        return looked.is_all

    def _wait_ms(self, owed: Owed) -> int | None:
        """For how long to leave it to others; None for ever."""
        certificate = self._here().certificate
        longest_ms = int(1000 * min(BACK_OFF_S_MAX, 2.0**owed.tries)) if owed.tries else 0
        again_ms = self._jitter_ms(longest_ms)
        if not owed.places.isdisjoint(certificate.writes):
            return again_ms
        return self._office_waits_ms + again_ms if certificate.role is Role.OFFICE else None

    def _due(self, db: sqlite3.Connection) -> list[DocumentKey]:
        longest_ms = self._office_waits_ms + int(1000 * BACK_OFF_S_MAX)
        return owing.due(db, self._here().now_ms, longest_ms, PIECE_DOCUMENTS)

    async def _book(self, key: DocumentKey) -> None:
        def book(db: sqlite3.Connection) -> None:
            books.book(db, self._here(), key)
            owing.end(db, key)

        try:
            await self._store.write(book, background=True, committed=lambda _: self._recorded())
        except Refusal as refusal:
            # The document is full, or a total is: nothing that waiting would help.
            _log.error("what a document owes cannot be booked", document=key, reason=str(refusal))
            await self._store.write(lambda db: owing.end(db, key), background=True)


def _is_settled(db: sqlite3.Connection) -> bool:
    """Whether what is shown is what the hub has, and our own on top."""
    position = identity.read_position(db)
    return position.epoch is not None and scopes.all_caught_up(db) and not claims.are_due(db)


def _look(db: sqlite3.Connection, collection: str, rights: bytes) -> _Looked:
    at = owing.mark(db, collection, rights)
    changed = owing.changed_since(db, collection, at, PIECE_DOCUMENTS)
    keys = [DocumentKey(collection, one.id) for one in changed]
    # What has edits of our own on top is told as changed again once the hub has them.
    found = {key: books.owed(db, key) for key in keys if not owing.has_own_on_top(db, key)}
    is_all = len(changed) < PIECE_DOCUMENTS
    return _Looked(found, changed[-1] if changed else None, is_all)
