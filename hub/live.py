"""Which sessions are open here, and how one is told from outside to end or to go on under other rights.

Invariant: at most one session a replica. The database fences the older one before the newer is entered here, so what
this keeps in memory decides nothing about data.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from protocol.certificate import Certificate
from protocol.errors import Code
from protocol.ids import Epoch, NodeId, ReplicaId
from protocol.limits import FLIPS_MAX, FLIPS_WITHIN_S

LOGS_KEPT: Final = 1_000
BOOTS_KEPT: Final = 8


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

    def tell_departures(self, records: Sequence[bytes]) -> None:
        """Tell the node which others left for good, if it keeps such records."""


class Takeovers:
    """Who was superseded lately, and came back: a process that is started anew has a boot id that nobody knows.

    Invariant: of at most LOGS_KEPT logs, those that were taken over last.
    """

    def __init__(self) -> None:
        self._superseded: OrderedDict[ReplicaId, deque[bytes]] = OrderedDict()
        self._flips_s: dict[ReplicaId, deque[float]] = {}

    def note(self, replica: ReplicaId, superseded: bytes, newest: bytes, now_s: float) -> None:
        """A process took a log over from another."""
        boots = self._superseded.setdefault(replica, deque(maxlen=BOOTS_KEPT))
        self._superseded.move_to_end(replica)
        flips_s = self._flips_s.setdefault(replica, deque(maxlen=FLIPS_MAX))
        if newest in boots:
            flips_s.append(now_s)
        if superseded not in boots:
            boots.append(superseded)
        if len(self._superseded) > LOGS_KEPT:
            forgotten, _ = self._superseded.popitem(last=False)
            del self._flips_s[forgotten]

    def count(self, replica: ReplicaId, boot: bytes, now_s: float) -> int:
        """How often within FLIPS_WITHIN_S one came back, with this one if it does."""
        recent = [at for at in self._flips_s.get(replica, ()) if now_s - at <= FLIPS_WITHIN_S]
        comes_back = boot in self._superseded.get(replica, ())
        return len(recent) + 1 if comes_back else 0


class LiveSessions:
    """The open sessions, by replica."""

    def __init__(self) -> None:
        self._by_replica: dict[ReplicaId, LiveSession] = {}
        self._takeovers = Takeovers()
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

    def enter(self, session: LiveSession, now_s: float) -> LiveSession | None:
        """Enter a session; returns the one it took the place of, which the caller ends."""
        older = self._by_replica.get(session.replica)
        self._by_replica[session.replica] = session
        if older is not None and older.boot != session.boot:
            self._takeovers.note(session.replica, older.boot, session.boot, now_s)
        return older

    def flips(self, replica: ReplicaId, boot: bytes, now_s: float) -> int:
        """How often lately a superseded process took this log back, with the one that is about to."""
        live = self._by_replica.get(replica)
        if live is None or live.boot == boot:
            return 0
        return self._takeovers.count(replica, boot, now_s)

    def leave(self, session: LiveSession) -> None:
        """Take a session out, unless a newer one stands in its place."""
        if self._by_replica.get(session.replica) is session:
            del self._by_replica[session.replica]
