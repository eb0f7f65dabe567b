"""Whether the ledger is what was signed that it is: by this hub's own checkpoints, and by nodes about their logs.

Invariant: reads only. The ledger has no hash for each operation, so a changed one is named by the two signed places that
it lies between; what is missing, too many or in another order is named by its position.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from protocol.chain import CHAIN_START, extend
from protocol.checkpoint import (
    NO_CHECKPOINT,
    Checkpoint,
    read_checkpoint,
    read_head,
    record_hash,
    root_of,
)
from protocol.errors import ProtocolError
from protocol.ids import ChainHash, ReplicaId, Seq
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "proofs.sql")


def faults(db: sqlite3.Connection) -> Iterator[str]:
    """Every place where the ledger, the notes or a checkpoint is not what was signed, the ledger first. Reads all of it once."""
    proofs = _Proofs(db)
    yield from proofs.begin()
    ends: dict[int, ChainHash] = {}
    names = {id_: ReplicaId(bytes(replica)) for id_, replica in db.execute(SQL["logs"])}
    for position, log, seq, body in db.execute(SQL["ledger"]):
        if body is None:
            continue  # it repeats what is not there: that is told of already
        ends[log] = extend(ends.get(log, CHAIN_START), bytes(body))
        yield from proofs.step(position, names[log], Seq(seq), ends[log])
    yield from proofs.end()


class _Proofs:
    """Walks along the ledger in the order of its positions, knowing where every log stands after each operation."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._ends: dict[ReplicaId, tuple[Seq, ChainHash]] = {}
        self._due = db.execute(SQL["checkpoints"])
        self._before = NO_CHECKPOINT
        self._number = 0
        self._next: Checkpoint | None = None
        self._last: Checkpoint | None = None
        self._sound = 0
        """The ledger is as it was signed up to here."""
        self._differs = False
        self._position = 0
        self._signed: dict[ReplicaId, tuple[Seq, ChainHash]] = {}

    def begin(self) -> Iterator[str]:
        """Read what was signed; what of it cannot be read."""
        for replica, record in self._db.execute(SQL["signed_heads"]).fetchall():
            try:
                head = read_head(bytes(record))
                self._signed[ReplicaId(bytes(replica))] = head.seq, head.hash
            except ProtocolError as error:
                yield f"replica {bytes(replica).hex()}: what its node signed was changed: {error.detail}"
        yield from self._advance()

    def step(self, position: int, replica: ReplicaId, seq: Seq, hash_: ChainHash) -> Iterator[str]:
        """One more operation of the ledger."""
        while self._next is not None and self._next.operations < position:
            yield from self._check(self._next)
            yield from self._advance()
        if position != self._position + 1:
            yield f"ledger position {self._position + 1}: is missing"
        self._position = position
        self._ends[replica] = seq, hash_
        signed = self._signed.get(replica)
        if signed is not None and signed[0] == seq and signed[1] != hash_:
            yield (
                f"replica {replica.hex()}: up to operation {seq} its node signed another log: "
                "one of them was changed"
            )

    def end(self) -> Iterator[str]:
        """What was signed of more than there is."""
        while self._next is not None:
            if self._next.operations > self._position:
                yield (
                    f"ledger position {self._position + 1}: is missing, and checkpoint {self._next.number} was "
                    f"signed over {self._next.operations} operations: the end was cut off"
                )
                break
            yield from self._check(self._next)
            yield from self._advance()
        yield from self._notes()

    def _check(self, checkpoint: Checkpoint) -> Iterator[str]:
        if self._differs:
            return  # all that follow differ too
        heads = ((replica, *end) for replica, end in self._ends.items())
        if root_of(heads) != checkpoint.root:
            self._differs = True
            yield (
                f"ledger positions {self._sound + 1} to {checkpoint.operations}: are not what checkpoint "
                f"{checkpoint.number} was signed over: one of them was changed"
            )
        else:
            self._sound = checkpoint.operations

    def _advance(self) -> Iterator[str]:
        """Go to the next checkpoint that can be read and follows; at most one fault each."""
        self._next = None
        for number, record in self._due:
            self._number += 1
            if number != self._number:
                yield f"checkpoint {self._number}: is missing"
                self._number, self._before = number, b""
            try:
                checkpoint = read_checkpoint(bytes(record))
            except ProtocolError as error:
                yield f"checkpoint {number}: cannot be read: {error.detail}"
                self._before = b""
                continue
            if self._before and checkpoint.before != self._before:
                yield f"checkpoint {number}: does not follow the one before it"
            self._before = record_hash(bytes(record))
            self._last = self._next = checkpoint
            return

    def _notes(self) -> Iterator[str]:
        held, expected = CHAIN_START, 0
        signed = {} if self._last is None else {self._last.notes: self._last.notes_hash}
        for position, body, chain in self._db.execute(SQL["notes"]):
            expected += 1
            if position != expected:
                yield f"note {expected}: is missing"
                expected = position
            held = extend(held, bytes(body))
            if held != chain:
                yield f"note {position}: the hash chain breaks here: it or one before it was changed"
                held = ChainHash(bytes(chain))
            if signed.get(position, held) != held:
                yield f"note {position}: the newest checkpoint was signed over other notes"
        if self._last is not None and self._last.notes > expected:
            yield f"note {expected + 1}: is missing, and a checkpoint was signed over {self._last.notes}"
