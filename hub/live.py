"""Which sessions are open here, and how one is told from outside to end or to go on under other rights.

Invariant: at most one session a replica. The database fences the older one before the newer is entered here, so what
this keeps in memory decides nothing about data.
"""

from collections.abc import Iterator
from typing import Protocol

from protocol.certificate import Certificate
from protocol.errors import Code
from protocol.ids import Epoch, NodeId, ReplicaId


class LiveSession(Protocol):
    """What others may do to an open session; every call returns at once."""

    @property
    def node(self) -> NodeId:
        """Whose it is."""

    @property
    def replica(self) -> ReplicaId:
        """Which log it continues."""

    @property
    def boot(self) -> bytes:
        """The node's process."""

    @property
    def pending(self) -> int | None:
        """How much the node said it had still to send."""

    @property
    def behind(self) -> int:
        """How many row changes the node may still have to be sent."""

    def stop(self, code: Code, detail: str, *, retry_ms: int) -> None:
        """Say why and when to come back, then end."""

    def drop(self) -> None:
        """End without a word: the same process of the node has a newer session already."""

    def regrant(self, certificate: Certificate, signed: bytes) -> None:
        """Go on under a newer certificate."""


class LiveSessions:
    """The open sessions, by replica."""

    def __init__(self) -> None:
        self._by_replica: dict[ReplicaId, LiveSession] = {}
        self.epoch: Epoch | None = None
        """The newest epoch begun here; None while it is the one that the hub started in."""

    def __len__(self) -> int:
        return len(self._by_replica)

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(tuple(self._by_replica.values()))

    def of_replica(self, replica: ReplicaId) -> LiveSession | None:
        """The open session of a replica."""
        return self._by_replica.get(replica)

    def of_node(self, node: NodeId) -> list[LiveSession]:
        """The open sessions of a node; more than one while a copy of its folder runs elsewhere."""
        return [session for session in self if session.node == node]

    def enter(self, session: LiveSession) -> LiveSession | None:
        """Enter a session; returns the one it took the place of, which the caller ends."""
        older = self._by_replica.get(session.replica)
        self._by_replica[session.replica] = session
        return older

    def leave(self, session: LiveSession) -> None:
        """Take a session out, unless a newer one stands in its place."""
        if self._by_replica.get(session.replica) is session:
            del self._by_replica[session.replica]
