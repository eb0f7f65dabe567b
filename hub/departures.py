"""Which nodes left for good: known here, told to every node, and learnt again from them after a restore.

Invariant: a departure counts by this hub's own signature, whoever brings it; it is durable here before anybody is told.
From then on the node has no session, and none is opened for it.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from hub.live import LiveSessions
from hub.store.interface import HubStore, Refused
from hub.store.records import HeldCredential, KnownDeparture
from protocol.declarations.naming import EVERY_LOCATION
from protocol.departure import Departure, Reason, digest, held_of, joined, sign, verify
from protocol.errors import Code
from protocol.ids import NodeId
from protocol.session.hub import HubIdentity
from runtime.world import World

GONE_RETRY_MS: Final = 60_000
_ID: Final = re.compile("[0-9a-f]{32}")

_log = structlog.get_logger(__name__)


class Departures:
    """One for all sessions; `load` it before it is asked."""

    def __init__(
        self, store: HubStore, identity: HubIdentity, live: LiveSessions, world: World
    ) -> None:
        self.digest = digest(())
        self._store = store
        self._identity = identity
        self._live = live
        self._world = world
        self._records: dict[NodeId, bytes] = {}
        self._reasons: dict[NodeId, Reason] = {}
        self._listeners: list[Callable[[], None]] = []
        self._learning = asyncio.Lock()

    @property
    def records(self) -> list[bytes]:
        """All of them, as signed."""
        return list(self._records.values())

    def reason(self, node: NodeId) -> Reason | None:
        """Why a node is let in no more; None when it may come."""
        return self._reasons.get(node)

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called after news were kept."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Read what is kept."""
        self._remember(await self._store.departures())

    async def depart(self, node: NodeId, reason: Reason) -> None:
        """Let a node in no more; durable on return, its sessions told to end, every other one told of it.

        Raises:
            Refused: `too_large`.
        """
        held: tuple[bytes, ...] = ()
        if reason is Reason.REVOKED:
            held = held_of(await self._store.people_held(node), EVERY_LOCATION)
        departure = Departure(self._identity.chain, node, reason, self._world.now_ms(), held)
        await self.learn([sign(departure, self._identity.signing_key)])

    async def revoke(self, name: str) -> list[HeldCredential]:
        """Let the node of this name, or of this id, in no more, and take nothing that it still holds; see `depart`.

        What it held of what proves people opens nothing any more, at any node that hears of it; the answer is those that
        were not set anew yet, also when the node was revoked before. The id of a node may be one that this hub has not heard of: it was put back to a backup from before.

        Raises:
            Refused: `not_found`, `too_large`.
        """
        named = next((each.node for each in await self._store.nodes() if each.name == name), None)
        node = NodeId(bytes.fromhex(name)) if named is None and _ID.fullmatch(name) else named
        if node is None:
            raise Refused(Code.NOT_FOUND, f"no node is called {name}")
        if self.reason(node) is not Reason.REVOKED:
            await self.depart(node, Reason.REVOKED)
        return await self._store.to_reset(node)

    async def learn(self, records: Iterable[bytes]) -> None:
        """Keep those that are news; see `depart`.

        Raises:
            ProtocolError: one is not signed by this hub; none was kept.
            Refused: `too_large`.
        """
        identity = self._identity
        async with self._learning:  # which one stands is decided against what is kept
            news = joined(self._records, records, identity.public_key, identity.chain)
            if not news:
                return
            kept = [
                KnownDeparture(node, self._read(each).reason, each) for node, each in news.items()
            ]
            await self._store.keep_departures(kept, self._world.now_ms())
            self._remember(news)
        for each in kept:
            _log.warning("a node left for good", node=each.node.hex(), reason=each.reason.value)
        for listener in self._listeners:
            listener()
        for session in self._live:
            reason = self._reasons.get(session.node)
            if session.node in news and reason is not None:
                detail = f"this node was {reason.value}"
                session.stop(Code(reason.value), detail, retry_ms=GONE_RETRY_MS)
            else:
                session.tell_departures(list(news.values()))

    def _remember(self, news: Mapping[NodeId, bytes]) -> None:
        self._records |= news
        self._reasons |= {node: self._read(record).reason for node, record in news.items()}
        self.digest = digest(self._records.values())

    def _read(self, record: bytes) -> Departure:
        return verify(record, self._identity.public_key, self._identity.chain)
