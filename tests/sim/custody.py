"""Who holds what: which answered operations were lost with the only disk they were on, and are excused.

Invariant: an operation is excused only by a disaster (a disk destroyed or rolled back) that took the last copy of it,
decided from the bytes on all disks before and after. If no disaster explains that a copy is gone, the product lost it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from protocol.ids import OpId
from tests.sim import reading
from tests.sim.ledger import Ledger

if TYPE_CHECKING:
    from tests.sim.chain import Chain


class Custody:
    """The book of disasters."""

    def __init__(self, chain: "Chain") -> None:
        self.excused: set[OpId] = set()
        self.disasters = 0
        self._chain = chain
        self._ledger = Ledger()

    def watch(self, ledger: Ledger) -> None:
        """Begin; what is answered from now on has to be kept."""
        self._ledger = ledger

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

    def close_books(self) -> None:
        """Nothing but disasters may have taken anything."""
        self._demand(self._held())

    def _demand(self, held: set[OpId]) -> None:
        for id_ in self._ledger.answered:
            if id_ not in held and id_ not in self.excused:
                key = self._ledger.requests[id_].key
                self._chain.complain(f"I2: {key} was answered, and is on no disk any more")
                self.excused.add(id_)  # said once

    def _held(self) -> set[OpId]:
        held = reading.hub_ids(self._chain.hub.disk.db)
        for machine in self._chain.nodes.values():
            held |= reading.log_ids(machine.disk.db)
        return held
