"""A piece of a node's log that proves itself: who recorded it, that nothing in it was changed, and who signed that.

It needs no store and trusts no file: the hub's key signed the node's certificate, the node's key signed how its log ends,
the hub's receipt signed it again, and the hash chain leads there from the hash before the first operation.

Invariant: what is proved was signed as a whole by the node, and up to the receipt by the hub too. What is not in the piece
is not proved: neither that there was nothing before it, nor that nothing came after.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from protocol.certificate import Certificate
from protocol.certificate import verify as verify_certificate
from protocol.chain import extend
from protocol.checkpoint import Signer, verify_checkpoint, verify_head
from protocol.errors import ProtocolError
from protocol.ids import ChainHash, ReplicaId, Seq


class Beginning(NamedTuple):
    """What stands before the operations."""

    certificate: bytes
    hub_public_key: bytes
    replica: ReplicaId
    first: Seq
    before: ChainHash
    """The log's hash before the first operation."""


class Entry(NamedTuple):
    """One operation, and the log's hash after it as the file says."""

    seq: int
    body: bytes
    hash: bytes


class Ending(NamedTuple):
    """What was signed of it."""

    head: bytes
    """By the node, at the last operation."""
    receipt: bytes | None
    """By the hub, at one of the operations; None when it had given none."""
    checkpoint: bytes | None
    """The newest of the hub's that the node kept."""


class Proved(NamedTuple):
    """What a piece of a log proves."""

    certificate: Certificate
    first: Seq
    last: Seq
    receipt_seq: Seq | None
    """Up to here the hub signed it too."""


class NotProved(Exception):
    """The piece does not prove itself; the message names the first place that is wrong."""


class Prover:
    """Reads a piece from its beginning to its end.

    Raises, when made: NotProved when the certificate is not by the hub's key.
    """

    def __init__(self, beginning: Beginning) -> None:
        try:
            self._certificate = verify_certificate(beginning.certificate, beginning.hub_public_key)
        except ProtocolError as error:
            raise NotProved(f"the certificate: {error.detail}") from error
        self._beginning = beginning
        self._last = Seq(beginning.first - 1)
        self._hash = beginning.before
        self._hashes: dict[int, ChainHash] = {}
        self._receipt_at: int | None = None

    def take(self, entries: Iterable[Entry], watch: Seq | None) -> Iterator[Entry]:
        """Check operations in order, giving each back; the hash at `watch` is remembered for the receipt.

        Raises:
            NotProved: one is missing, or is not what the file's own hash says.
        """
        for entry in entries:
            if entry.seq != self._last + 1:
                raise NotProved(f"operation {self._last + 1}: is missing")
            self._last = Seq(entry.seq)
            self._hash = extend(self._hash, entry.body)
            if self._hash != entry.hash:
                raise NotProved(
                    f"operation {entry.seq}: the hash chain breaks here: it or one before it was changed"
                )
            if entry.seq == watch:
                self._hashes[entry.seq] = self._hash
            yield entry

    def conclude(self, ending: Ending) -> Proved:
        """Check what was signed.

        Raises:
            NotProved: a signature is not the one that it should be, or is of another log.
        """
        own, chain = self._certificate, self._certificate.chain
        hub_key = self._beginning.hub_public_key
        try:
            head = verify_head(ending.head, own.public_key, chain, Signer.NODE)
            receipt = None
            if ending.receipt is not None:
                receipt = verify_head(ending.receipt, hub_key, chain, Signer.HUB)
            if ending.checkpoint is not None:
                verify_checkpoint(ending.checkpoint, hub_key, chain)
        except ProtocolError as error:
            raise NotProved(f"what was signed: {error.detail}") from error
        whose = (own.node, self._beginning.replica)
        if (head.node, head.replica) != whose:
            raise NotProved("what the node signed is about another log")
        if (head.seq, head.hash) != (self._last, self._hash):
            raise NotProved(
                f"operation {self._last}: the node signed another log up to {head.seq}: its end was cut off, or one "
                "of the operations was changed"
            )
        if receipt is None:
            return Proved(own, self._beginning.first, self._last, None)
        if (receipt.node, receipt.replica) != whose:
            raise NotProved("the hub's receipt is about another log")
        if self._hashes.get(receipt.seq) != receipt.hash:
            raise NotProved(f"operation {receipt.seq}: the hub signed another log up to here")
        return Proved(own, self._beginning.first, self._last, receipt.seq)
