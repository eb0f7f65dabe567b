"""A hub and nodes around the real halves of a session, with disks that can be copied and put back.

Everything that decides is `protocol`'s: the halves, the hello table, the merge. Unlike `session_model`, the hub folds
what it takes and feeds it back, so that the whole can be judged: nothing lost, nothing twice, everybody shows the hub's
totals.

Rule: a driver does what the actions say and nothing of its own.
"""

from collections import deque
from collections.abc import Sequence

from protocol import operation
from protocol.effects import Effect
from protocol.errors import Code
from protocol.frames.log import Acknowledge, Item, Negative, Operations
from protocol.ids import Epoch, HubSeq, OpId, ReplicaId, Scope, Seq
from protocol.session import hub as hub_half
from protocol.session import node_actions as node_half
from protocol.session.hello import HubStanding, LocalLog, NodeStanding, ReplicaStanding
from protocol.session.hub import HubSession
from protocol.session.node import NodeSession
from protocol.wire import encode
from tests.protocol import examples
from tests.protocol.chain_disks import SCOPES, HubDisk, Log, NodeDisk, fresh
from tests.protocol.examples import NODE, NOW
from tests.protocol.session_model import HUB_IDENTITY, node_identity

BATCH = 2


class Line:
    """One connection with both halves, what is on its way, and the disks that they had when it was made."""

    def __init__(self, node: "Node", hub: "Hub") -> None:
        self.node, self.hub = node, hub
        said = examples.hello(
            replica=node.disk.replica,
            boot=node.boot,
            last_seq=len(node.disk.bodies),
            acked_seen=node.disk.acked,
            epoch=node.disk.epoch,
            exceptions=dict(sorted(node.disk.cursors.items())),
        )
        self.node_session = NodeSession(node_identity(), said, fresh(32))
        self.hub_session = HubSession(HUB_IDENTITY, fresh(32), fresh())
        self.bases: dict[Scope, int] = {}
        self.up: deque[bytes] = deque()
        self.down = deque(hub.drive(self, self.hub_session.start()))

    @property
    def is_live(self) -> bool:
        """Whether pages may be sent."""
        return self.hub_session.state is hub_half.State.LIVE

    def step_up(self) -> bool:
        """Deliver a message to the hub; False when there is none."""
        if self.up:
            self.down += self.hub.drive(self, self.hub_session.receive(self.up.popleft()))
            return True
        return False

    def step_down(self) -> bool:
        """Deliver a message to the node; False when there is none."""
        if self.down:
            actions = self.node_session.receive(self.down.popleft(), NOW)
            self.up += [*self.node.drive(self, actions), *self.node.push(self)]
            return True
        return False


class Hub:
    """The hub's process."""

    def __init__(self) -> None:
        self.disk = HubDisk(Epoch(fresh()))

    def feed(self, line: Line, scope: Scope, limit: int) -> bool:
        """Send the next page of a scope; whether there is more."""
        page = self.disk.page(scope, line.bases[scope], limit)
        line.bases[scope] = page.to
        line.down.append(encode(page))
        return page.more

    def drive(self, line: Line, actions: Sequence[hub_half.Action]) -> list[bytes]:
        """Carry out what the hub's half says; returns what goes on the line."""
        said: list[bytes] = []
        waiting = deque(actions)
        while waiting:
            match waiting.popleft():
                case hub_half.Send(data):
                    said.append(data)
                case hub_half.CheckNode():
                    waiting += line.hub_session.node_checked(NodeStanding.ACTIVE, None)
                case hub_half.CheckReplica(hello):
                    log = self.disk.logs.get(hello.replica)
                    known = None
                    if log is not None:
                        known = ReplicaStanding(NODE, Seq(len(log.bodies)), log.boot)
                    epoch, head = self.disk.epoch, HubSeq(self.disk.head)
                    standing = HubStanding(epoch, head, HubSeq(0), self.disk.salts)
                    waiting += line.hub_session.replica_checked(hello, known, standing)
                case hub_half.Open() as opening:
                    waiting += self._open(line, opening)
                case hub_half.Commit(batch):
                    waiting += self._commit(line, batch)
                case _:
                    pass
        return said

    def _open(self, line: Line, opening: hub_half.Open) -> list[hub_half.Action]:
        hello, accept = opening.hello, opening.accept
        log = self.disk.logs.setdefault(hello.replica, Log())
        log.session, log.boot = line.hub_session.session, hello.boot
        if accept.mint_epoch:
            self.disk.epoch = Epoch(fresh())
        is_anew = accept.reset_all or hello.epoch != self.disk.epoch
        line.bases = {s: 0 if is_anew else hello.cursor_of(s)[0] for s in SCOPES}
        return line.hub_session.opened(
            epoch=self.disk.epoch,
            acked=Seq(len(log.bodies)),
            chain=log.chain,
            stable=Seq(0),
            scopes=SCOPES,
            reset=SCOPES if is_anew else (),
            quarantined=(),
            now_ms=NOW,
        )

    def _commit(self, line: Line, batch: Operations) -> list[hub_half.Action]:
        session = line.hub_session
        assert session.replica is not None
        log = self.disk.logs.get(session.replica)
        if log is None or log.session != session.session:
            return session.end(Code.SUPERSEDED, "a newer session was opened", retry_ms=0)
        code = self.disk.take(session.replica, batch)
        acked = Seq(len(log.bodies))
        if code is not None:
            return session.stepped_back(Negative(code, acked, log.chain))
        return session.committed(Acknowledge(acked, log.chain, NOW, Seq(0)), ())


class Node:
    """A node's process; its disk may be exchanged while it is down."""

    def __init__(self, disk: NodeDisk) -> None:
        self.disk = disk
        self.boot = fresh()
        self.line: Line | None = None

    def record(self, op_id: OpId, *effects: Effect) -> None:
        """Record an operation, and push it if there is a session."""
        fact = examples.fact(*effects, op_id=op_id, kind="move.adjust")
        self.disk.bodies = (*self.disk.bodies, operation.encode(fact))
        if self.line is not None:
            self.line.up += self.push(self.line)

    def push(self, line: Line) -> list[bytes]:
        """Push while the window is open."""
        said: list[bytes] = []
        session = line.node_session
        while session.wants_operations and session.sent < len(self.disk.bodies):
            prev = self.disk.hash_at(session.sent)
            assert prev is not None, "never beyond the log"
            bodies = self.disk.bodies[session.sent : session.sent + BATCH]
            said += self.drive(line, session.push(prev, [Item(body, None) for body in bodies]))
        return said

    def drive(self, line: Line, actions: Sequence[node_half.Action]) -> list[bytes]:
        """Carry out what the node's half says; returns what goes on the line."""
        said: list[bytes] = []
        waiting = deque(actions)
        while waiting:
            match waiting.popleft():
                case node_half.Send(data):
                    said.append(data)
                case node_half.Welcomed(welcome):
                    local_log = self._compare(welcome.acked)
                    if self.disk.epoch not in {None, welcome.epoch}:
                        self.disk.begin_epoch()
                    self.disk.epoch, self.disk.acked = welcome.epoch, welcome.acked
                    waiting += line.node_session.log_compared(welcome.chain, local_log)
                case node_half.CompareLog(acked, held):
                    waiting += line.node_session.log_compared(held, self._compare(acked))
                case node_half.StoreAcknowledged(acked, _):
                    self.disk.acked = acked
                case node_half.StorePage(page):
                    self.disk.take(page)
                case node_half.StartNewReplica():
                    self.disk.begin_replica()
                case _:
                    pass
        return said

    def _compare(self, acked: Seq) -> LocalLog:
        disk = self.disk
        return LocalLog(Seq(len(disk.bodies)), Seq(1), Seq(disk.acked), disk.hash_at(acked))


def new_node() -> Node:
    """An empty log under an id of its own."""
    return Node(NodeDisk(ReplicaId(fresh())))
