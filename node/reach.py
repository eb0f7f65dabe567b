"""The scopes within a node's reach, over one session: they come, they are let go, and what is left behind follows.

Invariant: a scope is let go when SCOPES or the certificate says so, never because the hub does not name it; and own
operations of a scope let go stay shown until the hub has acknowledged them.
"""

import sqlite3
from collections.abc import Iterable
from functools import partial

from node.intake import Intake, Step
from node.local import Local
from node.replica import recovery, scopes
from protocol.frames.handshake import Welcome
from protocol.ids import Scope
from runtime.store import Store


class Reach:
    """The scopes of one session."""

    def __init__(self, store: Store, intake: Intake, local: Local) -> None:
        self._store = store
        self._intake = intake
        self._local = local
        self._leaving: set[Scope] = set()
        """Let go, and perhaps not all of it is gone: own operations may still be on top."""

    def resume(self, db: sqlite3.Connection, welcome: Welcome) -> set[Scope]:
        """Look, in the transaction that takes up a session, at what is held: which scopes are to be let go.

        That the hub does not name one is not enough: put back to an old backup, it may not have heard of this shop's
        own shelf yet.
        """
        self._leaving = recovery.left_behind(db)
        reads = self._local.identity.certificate.reads_scope
        unnamed = scopes.held(db).keys() - set(welcome.scopes)
        # A stop in the middle of letting go: that ends now, since a node that sells nothing hears no acknowledgement.
        return {scope for scope in unnamed if not reads(scope)} | scopes.going(db)

    async def begin(self, added: Iterable[Scope]) -> None:
        """Read more scopes, from their beginning. Durable on return."""
        await self._store.write(lambda db: scopes.begin(db, added), background=True)

    async def let_go(self, dropped: Iterable[Scope]) -> None:
        """Drop the rows of scopes, in pieces; what is on top stays. Durable on return."""
        for scope in dropped:
            piece = partial(scopes.let_go_piece, scope=scope)
            while not await self._store.write(piece, background=True):
                pass
            self._leaving.add(scope)

    async def let_go_unread(self) -> None:
        """Let go of what a new certificate no longer reads. Durable on return.

        The hub says SCOPES for what it has; put back to an old backup, it may not have heard of a scope held here.
        """
        reads = self._local.identity.certificate.reads_scope
        held = await self._store.read(scopes.held)
        await self.let_go([each for each in sorted(held) if not reads(each)])

    async def acknowledged(self) -> None:
        """An acknowledgement was put into the intake: have what it contains taken off what is left behind."""
        if self._leaving:
            await self._intake.put(Step(self._finish_leaving, lambda: None))

    def _finish_leaving(self, db: sqlite3.Connection) -> None:
        self._leaving -= recovery.let_acknowledged_go(db, self._leaving)
