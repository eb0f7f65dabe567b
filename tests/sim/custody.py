"""Who holds what: which answered operations were lost with the only disk they were on, and are excused.

Invariant: an operation is excused only by a disaster (a disk destroyed, stolen or rolled back) that took the last copy of
it, decided from the bytes on all disks before and after; or because a thief answered it, or a node that had been let
go, by a right that a hub gave it which had forgotten that. If nothing of this explains that a copy is gone, the product
lost it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from protocol.ids import OpId
from tests.sim import reading
from tests.sim.ledger import Ledger

if TYPE_CHECKING:
    from tests.sim.chain import Chain
    from tests.sim.machines import NodeMachine


class Custody:
    """The book of disasters."""

    def __init__(self, chain: "Chain") -> None:
        self.excused: set[OpId] = set()
        self.disasters = 0
        self.of_thieves: set[OpId] = set()
        """Answered by a stolen machine, after that, and never delivered."""
        self.of_the_departed: set[OpId] = set()
        """Answered by a machine that was let go, by a right given to it after that, and never delivered."""
        self.left_out: set[str] = set()
        """Machines whose disks do not count any more."""
        self._chain = chain
        self._ledger = Ledger()
        self._stolen: dict[str, frozenset[OpId]] = {}
        """Machines, each with what had been answered by anybody when it was stolen."""
        self._let_go: dict[str, int] = {}
        """Machines, each with the serial of the certificate by which it was let go."""

    def watch(self, ledger: Ledger) -> None:
        """Begin; what is answered from now on has to be kept."""
        self._ledger = ledger

    def steal(self, machines: Sequence["NodeMachine"]) -> None:
        """Count what is on their disks no more, and ask for nothing that they answer from now on."""
        with self.disaster():
            for machine in machines:
                self._stolen[machine.name] = frozenset(self._ledger.answered)
                self.left_out.add(machine.name)

    def leave_out(self, machine: "NodeMachine") -> None:
        """Count what is on a disk no more, inside a disaster: its node was let go, and nobody asks it again.

        A hub that is put back to a backup from before takes nothing of it any more once it hears that it had gone. If it
        gave the node other rights before that, the node records by them until it is told again.
        """
        self.left_out.add(machine.name)
        self._let_go.setdefault(machine.name, machine.certificate.serial)

    @contextmanager
    def disaster(self) -> Iterator[None]:
        """Roll disks back, or destroy them, inside."""
        before = self._held()
        self._demand(before)
        yield
        after = self._held()
        lost = self._ledger.known(before - after)
        self.excused = (self.excused | lost) - after
        self.disasters += 1
        self._chain.note("disaster", len(lost), "operations were nowhere else")

    def is_excused(self, id_: OpId) -> bool:
        """Whether nobody can be asked for an operation that was answered."""
        return id_ in self.excused or id_ in self.of_thieves or id_ in self.of_the_departed

    def close_books(self) -> None:
        """Nothing but disasters may have taken anything."""
        self._demand(self._held())

    def _demand(self, held: set[OpId]) -> None:
        self.of_the_departed = self._never_taken() - held
        for id_, machine in self._ledger.answered.items():
            if id_ not in held and not self.is_excused(id_):
                if machine in self._stolen and id_ not in self._stolen[machine]:
                    self.of_thieves.add(id_)
                    continue
                key = self._ledger.requests[id_].key
                self._chain.complain(f"I2: {key} was answered, and is on no disk any more")
                self.excused.add(id_)  # said once

    def _never_taken(self) -> set[OpId]:
        """What those that were let go recorded by newer certificates than that, and the hub has not acknowledged."""
        never_taken: set[OpId] = set()
        for name, serial in self._let_go.items():
            machine = self._chain.nodes[name]
            if machine.certificate.serial > serial:
                acked = reading.acked(self._chain.hub.disk.db, machine.disk.db)
                never_taken |= reading.log_ids_after(machine.disk.db, acked)
        return {id_ for id_ in never_taken if id_ in self._ledger.answered}

    def _held(self) -> set[OpId]:
        held = reading.hub_ids(self._chain.hub.disk.db)
        for name, machine in self._chain.nodes.items():
            if name not in self.left_out:
                held |= reading.log_ids(machine.disk.db)
        return held
