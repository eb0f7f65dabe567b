"""What the hub asks of a store about the history's own history: its notes, its checkpoints, the heads that nodes signed.

Invariant: notes and checkpoints are only ever added; of a log the longest head that its node signed is kept. Each method
is one transaction.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from protocol.checkpoint import Checkpoint
from protocol.ids import ChainHash, Epoch, ReplicaId, Seq
from protocol.notes import Note

OPERATOR = "operator"
"""Who acts by the operator's token or in the hub's folder."""
ITSELF = "hub"


class HubNote(NamedTuple):
    """Something that the hub did, or that was done to it."""

    at_ms: int
    actor: str
    note: Note


class KeptCheckpoint(NamedTuple):
    """A checkpoint as it was signed."""

    number: int
    record: bytes


class KeepsWitness(Protocol):
    """The part of `interface.HubStore` that is about all this."""

    async def add_note(self, note: HubNote) -> None:
        """Note something that no other method notes with what it does."""

    async def epoch(self) -> Epoch:
        """Of the history that runs now."""

    async def make_checkpoint(
        self, sign: Callable[[Checkpoint], bytes], now_ms: int, every_ms: int
    ) -> bool:
        """Sign and keep how things stand, if they have changed since the newest checkpoint and that is `every_ms` old.

        A newest one dated in the future counts as old: one of the two clocks was wrong. Returns whether one was made.
        """

    async def checkpoint(self, number: int) -> bytes | None:
        """The checkpoint of this number."""

    async def checkpoints(self, after: int, limit: int) -> list[KeptCheckpoint]:
        """The newest checkpoints after a number, at most `limit`, by rising number."""

    async def log_end(self, replica: ReplicaId) -> tuple[Seq, ChainHash]:
        """How far a log is in the ledger, and its hash there. The replica is known."""

    async def keep_head(self, replica: ReplicaId, seq: Seq, record: bytes) -> None:
        """Keep the head that a node signed about its log, unless a longer one is kept."""
