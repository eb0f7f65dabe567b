"""The simulated chain: its machines, the lines between them, and the record of what happened.

Invariant: everything that can differ between two runs goes into `event_hash`: every message sent, every fault, every
answer, each with its virtual time. Two runs of one seed have the same.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.replica.retention import Retention
from protocol.ids import NodeId
from tests.sim.custody import Custody
from tests.sim.hub_machine import HubMachine
from tests.sim.lines import Connection, Tap
from tests.sim.loop import Process, SimLoop
from tests.sim.machines import Machine, NodeMachine

if TYPE_CHECKING:
    from tests.sim.fleet import Order

_FOLDER: Final = tempfile.TemporaryDirectory(prefix="everstock-sim-")
COMPLAINTS_MAX: Final = 20


class Chain:
    """One hub, its nodes and their lines."""

    def __init__(self, loop: SimLoop, seed: int, *, verbose: bool = False) -> None:
        self.loop = loop
        self.seed = seed
        self.folder = Path(_FOLDER.name)
        self.window_bytes = 256 * 1024
        self.retention = Retention()
        """How long nodes keep what the hub has in a verified backup."""
        self.faults: Counter[str] = Counter()
        self.probes: Counter[str] = Counter()
        self.violations: list[str] = []
        self.connections: list[Connection] = []
        self.frames = 0
        self.taps: list[Tap] = []
        self.custody = Custody(self)
        self.on_joined: Callable[[NodeMachine], None] = _nobody_cares
        self.hub = HubMachine(self)
        self.nodes: dict[str, NodeMachine] = {}
        self.orders: dict[NodeId, Order] = {}
        """Who is to leave, for good."""
        self.rotten: set[str] = set()
        """Scopes of which a disk has rotted."""
        self.is_read_in_pieces = False
        """Whether a page, or what a node stores of one at once, has a row or three."""
        self.rng = random.Random(f"{seed} chain")
        self._verbose = verbose
        self._hash = blake2b(digest_size=16)

    @property
    def event_hash(self) -> str:
        """Of everything that has happened so far."""
        return self._hash.copy().hexdigest()

    def node(self, name: str) -> NodeMachine:
        """Add a machine for a node."""
        machine = self.nodes[name] = NodeMachine(self, name)
        return machine

    def machine_of(self, process: Process) -> NodeMachine | None:
        """The node's machine that runs a process; None when it has died."""
        return next((each for each in self.nodes.values() if each.process is process), None)

    def copies_of(self, machine: NodeMachine) -> list[NodeMachine]:
        """The machines that run a node: one, or a copy of its folder as well."""
        return [each for each in self.nodes.values() if each.enrolled_as == machine.enrolled_as]

    @property
    def staying(self) -> list[NodeMachine]:
        """The machines of the nodes that nobody has told to leave."""
        return [each for each in self.nodes.values() if each.order is None]

    def is_unheard_of(self, location: str, family: str = "stock") -> bool:
        """Whether the hub holds nothing of a shelf (or of the documents there, `docs`; of no location, the `catalogue`), and
        nobody has anything to tell it.

        So it is after a hub was put back to a backup from before the shelf's first operation, when its writers have left or
        lost their disks: the others keep what they had read, show it, and say that they are not caught up. The first
        operation there ends that.
        """
        known = self.hub.disk.db.execute(
            "SELECT 1 FROM scope WHERE scope = ?",
            (f"{family}:{location}" if location else family,),
        )
        return known.fetchone() is None

    def joined(self, machine: NodeMachine) -> None:
        """A machine came to the chain while everything goes on."""
        self.on_joined(machine)

    def locations_of(self, machine: NodeMachine) -> list[str]:
        """Where a machine's tills record: its own locations; the office adjusts at all."""
        if not machine.is_office:
            return list(machine.locations)
        return sorted({each for node in self.nodes.values() for each in node.locations})

    def close(self) -> None:
        """Let go of every disk."""
        for machine in (self.hub, *self.nodes.values()):
            machine.disk.db.close()

    # --- what happens ----------------------------------------------------------------------------------------------

    def note(self, kind: str, *details: object) -> None:
        """Write into the record what happened."""
        line = f"{self.loop.now_s:.6f} {kind} {' '.join(map(str, details))}"
        self._hash.update(line.encode())
        if self._verbose:
            print(line)

    def fault(self, kind: str, *details: object) -> None:
        """Count a fault that was done to somebody."""
        self.faults[kind] += 1
        self.note(f"FAULT {kind}", *details)

    def probe(self, what: str) -> None:
        """Count that something rare was reached."""
        self.probes[what] += 1

    def complain(self, what: str) -> None:
        """Something that must never happen has happened."""
        if len(self.violations) < COMPLAINTS_MAX:
            self.violations.append(what)
            self.note("VIOLATION", what)

    def started(self, machine: Machine) -> None:
        """A process has come to serve."""
        self.note("serves", machine.name)

    # --- lines -----------------------------------------------------------------------------------------------------

    def connect(self, node: NodeMachine, process: Process, hub: Process) -> Connection:
        """A new line between a node and the hub."""
        self.connections = [each for each in self.connections if each.is_open]
        made = Connection(node.weather, process, hub, self.window_bytes, self._tap)
        self.connections.append(made)
        self.note("line", node.name)
        return made

    def lines_of(self, process: Process | None) -> list[Connection]:
        """The lines at whose end a process is."""
        return [
            each
            for each in self.connections
            if each.is_open and process in {each.node.process, each.hub.process}
        ]

    def lost(self, process: Process, *, silently: bool) -> None:
        """A process has died: its lines end."""
        for connection in self.lines_of(process):
            other = connection.hub if connection.node.process is process else connection.node
            connection.lost_peer(other, silently=silently)

    def _tap(self, connection: Connection, is_node: bool, data: bytes) -> None:
        self.frames += 1
        process = connection.node.process if is_node else connection.hub.process
        self._hash.update(f"{self.loop.now_s:.6f} {process.name}".encode() + data)
        for tap in self.taps:
            tap(connection, is_node, data)


def _nobody_cares(_machine: NodeMachine) -> None:
    pass
