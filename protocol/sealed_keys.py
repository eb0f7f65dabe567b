"""The keys of sealed records, kept beside the logs: a fact is for ever, and what opens it need not be.

Invariants:
- A record's key is destroyed for good: of two states the destroyed one stands, on every machine, whatever comes later.
  Of two that are not, the later version does; two of one version are decided by their bytes.
- A key is of one sealed part, not merely of one record: what two nodes recorded under one id is two sealed parts, and
  whoever holds either opens it. Destroying is of the record, and so of both.
- A node's own word of its key counts by its signature, under a certificate that the chain's hub signed. Nobody else can
  put a key in its place; the hub could only by issuing a certificate, which every node of the location then shows.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from protocol.certificate import Certificate, check_signature, verify
from protocol.codec import pack, read_blob, read_bytes, read_int, read_list, refuse, unpack
from protocol.ids import ChainId, Location, NodeId, OpId
from protocol.limits import (
    CERTIFICATE_BYTES_MAX,
    INT_MAX,
    SEALING_KEY_BYTES_MAX,
    TIME_MS_MAX,
    WRAPS_MAX,
)
from protocol.sealing import (
    BOX_DIGEST_BYTES,
    KEY_ID_BYTES,
    WRAPPED_BYTES,
    Binding,
    KeyPair,
    key_id,
    read_public_key,
    unwrap,
    wrap,
)

_FORM: Final = 1
_PURPOSE: Final = b"everstock sealing key 1\0"


class Wrap(NamedTuple):
    """A data key for one public key."""

    key_id: bytes
    wrapped: bytes


class RecordKey(NamedTuple):
    """What opens one sealed part of a record, or that nothing opens any of the record any more."""

    op_id: OpId
    box: bytes
    """Which sealed part: `sealing.box_digest`; empty once it is destroyed, which is so for all of the record."""
    version: int
    """Of those who may open it; a change of keys gives the next."""
    wraps: tuple[Wrap, ...] | None
    """By key id; None once it is destroyed."""

    @property
    def is_destroyed(self) -> bool:
        """Whether nobody opens the record any more."""
        return self.wraps is None

    def stands_before(self, other: "RecordKey") -> bool:
        """Whether this one is kept of two for one sealed part, or of two of one record where one is destroyed."""
        return self._rank > other._rank

    def opened(self, binding: Binding, pairs: Iterable[KeyPair]) -> bytes | None:
        """The data key, by the first of some key pairs that it is for; None when it is for none of them.

        Raises:
            ProtocolError: `authentication_failed` when it was changed, or is another record's.
        """
        by_id = {each.key_id: each.wrapped for each in self.wraps or ()}
        for pair in pairs:
            if (wrapped := by_id.get(key_id(pair.public))) is not None:
                return unwrap(wrapped, binding, pair)
        return None

    @property
    def _rank(self) -> tuple[bool, int, bytes]:
        return self.is_destroyed, self.version, pack(record_key_to_wire(self))


class Sealer(NamedTuple):
    """A node and the key to which is sealed what it may read."""

    certificate: Certificate
    public: bytes


def wrapped_for(
    data_key: bytes, binding: Binding, publics: Iterable[bytes], seeds: Iterable[bytes]
) -> tuple[Wrap, ...]:
    """A data key for several public keys, each with 32 random bytes of its own."""
    wraps = [
        Wrap(key_id(public), wrap(data_key, binding, public, seed))
        for public, seed in zip(publics, seeds, strict=False)
    ]
    return tuple(sorted(wraps))


def destroyed(op_id: OpId) -> RecordKey:
    """That nothing opens the record any more; the same on every machine."""
    return RecordKey(op_id, b"", 0, None)


def record_key_to_wire(key: RecordKey) -> list[object]:
    """`[op_id, box, version, null | [[key id, wrapped], …]]`."""
    wraps = None if key.wraps is None else wraps_to_wire(key.wraps)
    return [key.op_id, key.box, key.version, wraps]


def record_key_from_wire(value: object) -> RecordKey:
    """Read what `record_key_to_wire` wrote.

    Raises:
        ProtocolError: `bad_value`.
    """
    op_id, box, version, wraps = read_list(value, "a record's key", least=4, most=4)
    of = OpId(read_bytes(op_id, "op_id", length=16))
    read = read_int(version, "version", most=INT_MAX)
    if wraps is None:
        read_bytes(box, "box", length=0)
        return destroyed(of)
    named = read_bytes(box, "box", length=BOX_DIGEST_BYTES)
    return RecordKey(of, named, read, wraps_from_wire(wraps))


def wraps_to_wire(wraps: tuple[Wrap, ...]) -> list[object]:
    """`[[key id, wrapped], …]`."""
    return [list(each) for each in wraps]


def wraps_from_wire(value: object) -> tuple[Wrap, ...]:
    """Read what `wraps_to_wire` wrote.

    Raises:
        ProtocolError: `bad_value`.
    """
    listed = read_list(value, "wraps", least=1, most=WRAPS_MAX)
    found = tuple(map(_wrap_from_wire, listed))
    ids = [each.key_id for each in found]
    if ids != sorted(set(ids)):
        refuse("wraps", "must be by key, without repeats")
    return found


def announce(chain: ChainId, node: NodeId, public: bytes, at_ms: int, key: SigningKey) -> bytes:
    """A node's word of its sealing key; returns the bytes that travel: `[body, signature]`."""
    body = pack([_FORM, chain, node, public, at_ms])
    return pack([body, key.sign(_PURPOSE + body).signature])


def read_sealer(certificate: bytes, announcement: bytes, hub_public_key: bytes) -> Sealer:
    """Read a node's word of its key, under its certificate.

    Raises:
        ProtocolError: `authentication_failed` when the hub has not signed the one or that node not the other;
            `bad_value`, `bad_frame`, `too_large` otherwise.
    """
    known = verify(certificate, hub_public_key)
    body, signature = read_list(
        unpack(announcement, bytes_max=SEALING_KEY_BYTES_MAX), "a sealing key", least=2, most=2
    )
    body = read_blob(body, "a sealing key", bytes_max=SEALING_KEY_BYTES_MAX)
    signature = read_bytes(signature, "a signature", length=64)
    check_signature(known.public_key, _PURPOSE + body, signature)
    parts = read_list(unpack(body, bytes_max=SEALING_KEY_BYTES_MAX), "a sealing key", least=5)
    form, chain, node, public, at_ms = parts[:5]
    read_int(form, "the form of a sealing key", least=_FORM)
    read_int(at_ms, "the time of a sealing key", most=TIME_MS_MAX)
    if chain != known.chain or node != known.node:
        refuse("a sealing key", "is another node's")
    return Sealer(known, read_public_key(public, "a sealing key"))


def may_seal_for(sealer: Sealer, location: Location) -> bool:
    """Whether what happens at a location is sealed for this node too."""
    return location in sealer.certificate.writes


def read_announced(value: object) -> tuple[bytes, bytes]:
    """`[certificate, announcement]`, not verified.

    Raises:
        ProtocolError: `bad_value`.
    """
    certificate, announcement = read_list(value, "a sealer", least=2, most=2)
    return (
        read_blob(certificate, "a certificate", bytes_max=CERTIFICATE_BYTES_MAX),
        read_blob(announcement, "a sealing key", bytes_max=SEALING_KEY_BYTES_MAX),
    )


def _wrap_from_wire(value: object) -> Wrap:
    named, wrapped = read_list(value, "a wrap", least=2, most=2)
    return Wrap(
        read_bytes(named, "a key id", length=KEY_ID_BYTES),
        read_bytes(wrapped, "a wrapped key", length=WRAPPED_BYTES),
    )
