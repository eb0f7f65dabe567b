"""Signed statements about the history, which each side keeps of the other, so that neither rewrites the past alone.

A *head* says how long one replica's log is and its hash there; the node signs it about its own log, and the hub signs one
as a receipt. A *checkpoint* is the hub's, the same bytes for every node: how long its ledger is, one hash over the heads
of all logs in it, and the hash of the checkpoint before it. A hash chain alone does not show that its end was cut off;
what was signed and is kept elsewhere does.

Invariant: a statement is valid when exactly its bytes were signed by the right key (Ed25519). Of one epoch a hub signs one
checkpoint under a number, each names the one before it, and the ledger never becomes shorter: two that break this prove
by themselves that two histories were told (equivocation).
"""

from collections.abc import Iterable
from enum import Enum
from hashlib import blake2b
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from protocol.certificate import check_signature
from protocol.codec import pack, read_blob, read_bytes, read_int, read_list, refuse, unpack
from protocol.ids import ChainHash, ChainId, Epoch, NodeId, ReplicaId, Seq
from protocol.limits import CHECKPOINT_BYTES_MAX, TIME_MS_MAX

_FORM: Final = 1
_CHECKPOINT: Final = b"everstock checkpoint 1\0"
NO_CHECKPOINT: Final = bytes(32)
"""What the first checkpoint of a hub names as the one before it."""


class Signer(Enum):
    """Who signed a head; a signature of one is none of the other."""

    NODE = b"everstock head node 1\0"
    HUB = b"everstock head hub 1\0"


class Head(NamedTuple):
    """How far a log is."""

    chain_id: ChainId
    node: NodeId
    replica: ReplicaId
    seq: Seq
    hash: ChainHash
    """Of the log up to and with `seq`; see `protocol.chain`."""
    at_ms: int
    """By the signer's clock."""


class Checkpoint(NamedTuple):
    """How far the hub's ledger is."""

    chain_id: ChainId
    epoch: Epoch
    number: int
    """From 1, without gaps."""
    operations: int
    """Positions of the ledger."""
    root: bytes
    """See `root_of`; of all logs that have an operation among these."""
    notes: int
    """What the hub noted of its own doings."""
    notes_hash: ChainHash
    """Of these notes, chained as a log is."""
    before: bytes
    """Hash of the checkpoint before, or NO_CHECKPOINT."""
    at_ms: int


def sign_head(head: Head, key: SigningKey, signer: Signer) -> bytes:
    """Sign a head; returns the bytes that travel: `[body, signature]`."""
    return _signed(signer.value, [_FORM, *head], key)


def verify_head(data: bytes, public_key: bytes, chain_id: ChainId, signer: Signer) -> Head:
    """Read a head and check its signature.

    Raises:
        ProtocolError: `authentication_failed` when it is not by this key and signer; `bad_value`, `bad_frame`, `too_large`.
    """
    body, signature = _opened(data)
    check_signature(public_key, signer.value + body, signature)
    head = read_head(data)
    if head.chain_id != chain_id:
        refuse("a head", "is of another chain")
    return head


def read_head(data: bytes) -> Head:
    """Read a head whose signature somebody else has checked.

    Raises:
        ProtocolError: `bad_value`, `bad_frame`, `too_large`.
    """
    of_chain, node, replica, seq, hash_, at_ms = _parts(data, 7)[1:7]
    return Head(
        ChainId(read_bytes(of_chain, "chain", length=16)),
        NodeId(read_bytes(node, "node", length=16)),
        ReplicaId(read_bytes(replica, "replica", length=16)),
        Seq(read_int(seq, "seq")),
        ChainHash(read_bytes(hash_, "a head's hash", length=32)),
        read_int(at_ms, "a head's time", most=TIME_MS_MAX),
    )


def sign_checkpoint(checkpoint: Checkpoint, hub_key: SigningKey) -> bytes:
    """Sign a checkpoint; returns the bytes that travel: `[body, signature]`."""
    return _signed(_CHECKPOINT, [_FORM, *checkpoint], hub_key)


def verify_checkpoint(data: bytes, hub_public_key: bytes, chain_id: ChainId) -> Checkpoint:
    """Read a checkpoint and check the hub's signature.

    Raises:
        ProtocolError: as `verify_head`.
    """
    body, signature = _opened(data)
    check_signature(hub_public_key, _CHECKPOINT + body, signature)
    checkpoint = read_checkpoint(data)
    if checkpoint.chain_id != chain_id:
        refuse("a checkpoint", "is of another chain")
    return checkpoint


def read_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint whose signature somebody else has checked.

    Raises:
        ProtocolError: as `read_head`.
    """
    parts = _parts(data, 10)
    of_chain, epoch, number, operations, root, notes, notes_hash, before, at_ms = parts[1:10]
    return Checkpoint(
        ChainId(read_bytes(of_chain, "chain", length=16)),
        Epoch(read_bytes(epoch, "epoch", length=16)),
        read_int(number, "a checkpoint's number", least=1),
        read_int(operations, "operations"),
        read_bytes(root, "a root", length=32),
        read_int(notes, "notes"),
        ChainHash(read_bytes(notes_hash, "the notes' hash", length=32)),
        read_bytes(before, "the hash before", length=32),
        read_int(at_ms, "a checkpoint's time", most=TIME_MS_MAX),
    )


def record_hash(record: bytes) -> bytes:
    """What the next checkpoint names this one by: 32 bytes over the signed record."""
    return blake2b(record, digest_size=32).digest()


def root_of(heads: Iterable[tuple[ReplicaId, Seq, ChainHash]]) -> bytes:
    """One hash over where every log ends: 32 bytes. The order in which they are given does not matter."""
    hasher = blake2b(digest_size=32)
    for replica, seq, hash_ in sorted(heads):
        hasher.update(replica + seq.to_bytes(8) + hash_)
    return hasher.digest()


def contradiction(one: bytes, other: bytes, hub_public_key: bytes, chain_id: ChainId) -> str | None:
    """What is wrong with a hub that signed both of these checkpoints, as a sentence; None when nothing is.

    Raises:
        ProtocolError: one of them is not signed by the hub.
    """
    a = verify_checkpoint(one, hub_public_key, chain_id)
    b = verify_checkpoint(other, hub_public_key, chain_id)
    if a.number > b.number:
        a, b, one = b, a, other
    # A hub that was put back to a backup begins another epoch, and may count on from an earlier number.
    if a.epoch != b.epoch or (a == b):
        return None
    if a.number == b.number:
        return f"the hub signed two checkpoints under number {a.number}"
    if b.number == a.number + 1 and b.before != record_hash(one):
        return f"checkpoint {b.number} does not follow checkpoint {a.number} as it is known here"
    if b.operations < a.operations or b.notes < a.notes:
        return f"checkpoint {b.number} is of a shorter history than checkpoint {a.number}"
    if b.operations == a.operations and b.root != a.root:
        return f"checkpoints {a.number} and {b.number} tell two histories of one length"
    return None


def _signed(purpose: bytes, parts: list[object], key: SigningKey) -> bytes:
    body = pack(parts)
    return pack([body, key.sign(purpose + body).signature])


def _opened(data: bytes) -> tuple[bytes, bytes]:
    body, signature = read_list(
        unpack(data, bytes_max=CHECKPOINT_BYTES_MAX), "a signed statement", least=2, most=2
    )
    body = read_blob(body, "a signed statement", bytes_max=CHECKPOINT_BYTES_MAX)
    return body, read_bytes(signature, "a signature", length=64)


def _parts(data: bytes, least: int) -> list[object]:
    # A newer version may add parts; they are covered by the signature and ignored here.
    body, _ = _opened(data)
    parts = read_list(
        unpack(body, bytes_max=CHECKPOINT_BYTES_MAX), "a signed statement", least=least
    )
    read_int(parts[0], "the statement's form", least=_FORM)
    return parts
