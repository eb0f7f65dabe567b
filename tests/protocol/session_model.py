"""Drivers of both halves of a session without sockets: a hub and a node in memory, and the line between.

Invariant: a driver does what the actions say and nothing of its own, so what goes wrong in a test
is the halves' doing. Within one connection the line keeps order; a cut loses what is on its way.
"""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol import chain
from protocol.chain import CHAIN_START
from protocol.errors import Code, ProtocolError
from protocol.frames.handshake import Close, Hello, Welcome
from protocol.frames.log import Acknowledge, Item, Negative, Operations, StatusEntry
from protocol.ids import ChainHash, Epoch, HubSeq, NodeId, ReplicaId, Salt, Scope, Seq
from protocol.session import hub as hub_half
from protocol.session import node as node_half
from protocol.session.hello import HubStanding, LocalLog, NodeStanding, ReplicaStanding
from protocol.session.hub import HubIdentity, HubSession
from protocol.session.node import Identity, NodeSession
from protocol.wire import decode
from tests.protocol import examples
from tests.protocol.examples import CHAIN, EPOCH, HUB_KEY, HUB_PUBLIC, NODE_KEY, NOW

HUB_IDENTITY = HubIdentity(CHAIN, HUB_KEY)


def node_identity(**changes: object) -> Identity:
    """The node of S01, which trusts the hub."""
    parts = {
        "certificate": examples.certificate_bytes(),
        "signing_key": NODE_KEY,
        "chain": CHAIN,
        "hub_public_key": HUB_PUBLIC,
    }
    return Identity(**(parts | changes))  # type: ignore[arg-type]


@dataclass
class Replica:
    """What the hub has of one log."""

    node: NodeId
    session: bytes = b""
    boot: bytes | None = None
    bodies: list[bytes] = field(default_factory=list)
    chain: ChainHash = CHAIN_START

    @property
    def acked(self) -> Seq:
        return Seq(len(self.bodies))


@dataclass
class ModelHub:
    """A hub's store and driver; each connection has its own `HubSession`."""

    epoch: Epoch = EPOCH
    standing: NodeStanding = NodeStanding.ACTIVE
    newer_certificate: bytes | None = None
    busy_retry_ms: int | None = None
    replicas: dict[ReplicaId, Replica] = field(default_factory=dict)
    quarantined: list[StatusEntry] = field(default_factory=list)
    minted: int = 0
    alarms: int = 0
    commits: list[Operations] = field(default_factory=list)

    def drive(self, session: HubSession, actions: Sequence[hub_half.Action]) -> list[bytes]:
        """Carry out actions, and those they lead to; returns what goes on the line."""
        said: list[bytes] = []
        waiting = deque(actions)
        while waiting:
            match waiting.popleft():
                case hub_half.Send(data):
                    said.append(data)
                case hub_half.CheckNode():
                    waiting += session.node_checked(self.standing, self.newer_certificate)
                case hub_half.CheckReplica(hello):
                    waiting += self._checked(session, hello)
                case hub_half.Open(hello, accept):
                    waiting += self._opened(session, hello, accept)
                case hub_half.Commit(operations):
                    waiting += self._committed(session, operations)
                case hub_half.Note(ping):
                    waiting += session.pong(ping, now_ms=NOW, stable=Seq(0))
                case hub_half.Answer() | hub_half.End():
                    pass
        return said

    def _checked(self, session: HubSession, hello: Hello) -> list[hub_half.Action]:
        held = self.replicas.get(hello.replica)
        known = None if held is None else ReplicaStanding(held.node, held.acked, held.boot)
        standing = HubStanding(self.epoch, HubSeq(0), HubSeq(0), {}, self.busy_retry_ms)
        return session.replica_checked(hello, known, standing)

    def _opened(
        self, session: HubSession, hello: Hello, accept: hub_half.Accept
    ) -> list[hub_half.Action]:
        assert session.certificate is not None
        held = self.replicas.setdefault(hello.replica, Replica(session.certificate.node))
        held.session, held.boot = session.session, hello.boot
        self.alarms += accept.alarm_duplicate
        if accept.mint_epoch:
            self.minted += 1
            self.epoch = Epoch(self.minted.to_bytes(16))
        return session.opened(
            epoch=self.epoch,
            acked=held.acked,
            chain=held.chain,
            stable=Seq(0),
            scopes=(Scope("stock:S01"),),
            reset=accept.reset,
            quarantined=[entry for entry in self.quarantined if entry.seq > hello.status_seen],
            now_ms=NOW,
        )

    def _committed(self, session: HubSession, batch: Operations) -> list[hub_half.Action]:
        assert session.replica is not None
        held = self.replicas[session.replica]
        self.commits.append(batch)
        if held.session != session.session:
            return session.end(Code.SUPERSEDED, "a newer session was opened", retry_ms=60_000)
        code = None
        if batch.first > held.acked + 1:
            code = Code.GAP
        elif batch.first <= held.acked:
            code = Code.REWIND
        elif batch.prev != held.chain:
            code = Code.FORK
        if code is not None:
            return session.stepped_back(Negative(code, held.acked, held.chain))
        held.bodies += [item.body for item in batch.items]
        held.chain = chain.extend_all(held.chain, [item.body for item in batch.items])
        news = [entry for entry in self.quarantined if batch.first <= entry.seq <= held.acked]
        return session.committed(Acknowledge(held.acked, held.chain, NOW, Seq(0)), news)


@dataclass
class ModelNode:
    """A node's log and driver; each connection has its own `NodeSession`."""

    identity: Identity = field(default_factory=node_identity)
    replica: ReplicaId = examples.REPLICA
    boot: bytes = b"\x33" * 16
    batch: int = 2
    bodies: list[bytes] = field(default_factory=list)
    accepted: dict[int, int] = field(default_factory=dict)
    acked_seen: int = 0
    epoch: Epoch | None = None
    quarantined: set[int] = field(default_factory=set)
    certificate: bytes | None = None
    welcomes: list[Welcome] = field(default_factory=list)
    endings: list[node_half.Ended] = field(default_factory=list)
    reincarnations: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    pages: list[object] = field(default_factory=list)

    def sells(self, *bodies: bytes) -> None:
        """Record operations."""
        self.bodies += bodies

    def connect(self, nonce: bytes = b"\xb2" * 32) -> NodeSession:
        """Begin a session from where the log stands."""
        said = examples.hello(
            replica=self.replica,
            boot=self.boot,
            last_seq=len(self.bodies),
            acked_seen=self.acked_seen,
            epoch=self.epoch,
            cursor=(HubSeq(0), Salt(bytes(8))),
            status_seen=max(self.quarantined, default=0),
        )
        return NodeSession(self.identity, said, nonce)

    def hash_at(self, seq: int) -> ChainHash:
        return chain.extend_all(CHAIN_START, self.bodies[:seq])

    def receive(self, session: NodeSession, data: bytes) -> list[bytes]:
        """Take one message and push what may be pushed; returns what goes on the line."""
        try:
            actions = session.receive(data, NOW)
        except ProtocolError as error:
            return [session.close(error.code, error.detail).data]
        return [*self._drive(session, actions), *self.push(session)]

    def push(self, session: NodeSession) -> list[bytes]:
        """Push while the window is open."""
        said = []
        while session.wants_operations and session.sent < len(self.bodies):
            at = session.sent
            items = [
                Item(body, self.accepted.get(seq))
                for seq, body in enumerate(self.bodies[at : at + self.batch], start=at + 1)
            ]
            said += self._drive(session, session.push(self.hash_at(at), items))
        return said

    def _drive(self, session: NodeSession, actions: Sequence[node_half.Action]) -> list[bytes]:
        said: list[bytes] = []
        waiting = deque(actions)
        while waiting:
            action = waiting.popleft()
            match action:
                case node_half.Send(data):
                    said.append(data)
                case node_half.Welcomed(welcome):
                    self.welcomes.append(welcome)
                    waiting += session.log_compared(welcome.chain, self._log(welcome.acked))
                    self.epoch, self.acked_seen = welcome.epoch, welcome.acked
                case node_half.CompareLog(acked, held):
                    waiting += session.log_compared(held, self._log(acked))
                case node_half.StoreAcknowledged(acked, accepted_at_ms):
                    self.accepted |= dict.fromkeys(
                        range(self.acked_seen + 1, acked + 1), accepted_at_ms
                    )
                    self.acked_seen = acked
                case node_half.StoreQuarantined(entries):
                    self.quarantined |= {entry.seq for entry in entries}
                case node_half.StartNewReplica(detail):
                    self._reincarnate(detail)
                case _:
                    self._keep(action)
        return said

    def _keep(self, action: node_half.Action) -> None:
        match action:
            case node_half.StoreCertificate(certificate):
                self.certificate = certificate
            case node_half.ClockMeasured(offset_ms):
                self.offsets.append(offset_ms)
            case node_half.Ended():
                self.endings.append(action)
            case _:
                self.pages.append(action)

    def _log(self, acked: int) -> LocalLog:
        held = self.hash_at(acked) if acked <= len(self.bodies) else None
        return LocalLog(Seq(len(self.bodies)), Seq(1), Seq(self.acked_seen), held)

    def _reincarnate(self, detail: str) -> None:
        self.reincarnations.append(detail)
        self.replica = ReplicaId((int.from_bytes(self.replica) + 1).to_bytes(16))
        self.acked_seen = 0
        self.quarantined.clear()


_sessions = itertools.count(1)


class Connection:
    """One connection: both halves and what is on its way, in order, each way."""

    def __init__(self, node: ModelNode, hub: ModelHub) -> None:
        number = next(_sessions).to_bytes(16)
        self.node, self.hub = node, hub
        self.node_session = node.connect(b"n" * 16 + number)
        self.hub_session = HubSession(HUB_IDENTITY, b"h" * 16 + number, number)
        self.up: deque[bytes] = deque()
        self.down = deque(hub.drive(self.hub_session, self.hub_session.start()))
        self.heard: list[bytes] = []

    def step_up(self) -> bool:
        """Deliver one message to the hub; False when there is none."""
        if not self.up:
            return False
        data = self.up.popleft()
        self.heard.append(data)
        self.down += self.hub.drive(self.hub_session, self.hub_session.receive(data))
        return True

    def step_down(self) -> bool:
        """Deliver one message to the node; False when there is none."""
        if not self.down:
            return False
        data = self.down.popleft()
        self.heard.append(data)
        self.up += self.node.receive(self.node_session, data)
        return True

    def sell(self, *bodies: bytes) -> None:
        """Record operations and push them."""
        self.node.sells(*bodies)
        self.up += self.node.push(self.node_session)

    def settle(self) -> "Connection":
        """Deliver everything."""
        while self.step_up() or self.step_down():
            pass
        return self


def sales(count: int, start: int = 0) -> list[bytes]:
    return [f"sale {number}".encode() for number in range(start, start + count)]


def closes(said: list[bytes]) -> list[Code]:
    """The codes of the CLOSE frames among messages."""
    return [frame.code for frame in map(decode, said) if isinstance(frame, Close)]


def live() -> Connection:
    """A connection whose handshake is over and whose node has nothing to send."""
    connection = Connection(ModelNode(), ModelHub()).settle()
    assert connection.node_session.state is node_half.State.LIVE
    assert connection.hub_session.state is hub_half.State.LIVE
    return connection
