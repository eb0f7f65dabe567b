"""Departures: that a node was revoked or is retired, signed by the hub, so that even a hub that forgot it can tell.

Invariant: a departure is valid when the chain's hub key signed exactly its bytes, and it is never taken back: a machine
that returns is enrolled anew, under another name. Every node keeps all of them and hands them back to a hub that has
others. Of two for one node, revoked stands before retired, and the later before the earlier, on every machine.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from protocol.certificate import check_signature
from protocol.codec import pack, read_blob, read_bytes, read_int, read_list, refuse, unpack
from protocol.ids import ChainId, NodeId
from protocol.limits import DEPARTURE_BYTES_MAX, TIME_MS_MAX

DIGEST_BYTES: Final = 16
_FORM: Final = 1
_PURPOSE: Final = b"everstock departure 1\0"


class Reason(StrEnum):
    """Why a node is let in no more."""

    RETIRED = "retired"
    """It has delivered everything; its rights were ended before."""
    REVOKED = "revoked"
    """It was stolen, or is not trusted: nothing it still holds is taken."""


class Departure(NamedTuple):
    """One node that left for good."""

    chain: ChainId
    node: NodeId
    reason: Reason
    at_ms: int

    def stands_before(self, other: "Departure") -> bool:
        """Whether this one is kept of two for one node."""
        return self._rank > other._rank

    @property
    def _rank(self) -> tuple[bool, int]:
        return self.reason is Reason.REVOKED, self.at_ms


def sign(departure: Departure, hub_key: SigningKey) -> bytes:
    """Sign a departure; returns the bytes that travel: `[body, signature]`."""
    body = pack([_FORM, departure.chain, departure.node, departure.reason.value, departure.at_ms])
    return pack([body, hub_key.sign(_PURPOSE + body).signature])


def verify(data: bytes, hub_public_key: bytes, chain: ChainId) -> Departure:
    """Read a departure and check the hub's signature on it.

    Raises:
        ProtocolError: `authentication_failed` when the signature is not the hub's, `bad_value`/`bad_frame` otherwise.
    """
    body, signature = read_list(
        unpack(data, bytes_max=DEPARTURE_BYTES_MAX), "a departure", least=2, most=2
    )
    body = read_blob(body, "a departure", bytes_max=DEPARTURE_BYTES_MAX)
    check_signature(
        hub_public_key, _PURPOSE + body, read_bytes(signature, "a signature", length=64)
    )
    # A newer hub may add parts; they are covered by the signature and ignored here.
    parts = read_list(unpack(body, bytes_max=DEPARTURE_BYTES_MAX), "a departure", least=5)
    form, of_chain, node, reason, at_ms = parts[:5]
    read_int(form, "the departure's form", least=_FORM)
    if of_chain != chain:
        refuse("a departure", "is of another chain")
    if type(reason) is not str or reason not in set(Reason):
        refuse("a departure's reason", "is unknown")
    return Departure(
        chain,
        NodeId(read_bytes(node, "node", length=16)),
        Reason(reason),
        read_int(at_ms, "a departure's time", most=TIME_MS_MAX),
    )


def digest(records: Iterable[bytes]) -> bytes:
    """16 bytes that two machines share when they keep the same departures; zeros for none."""
    in_order = sorted(records)
    if not in_order:
        return bytes(DIGEST_BYTES)
    return blake2b(pack(in_order), digest_size=DIGEST_BYTES).digest()


def joined(
    kept: Mapping[NodeId, bytes], told: Iterable[bytes], hub_public_key: bytes, chain: ChainId
) -> dict[NodeId, bytes]:
    """Those of `told` that are news beside `kept`, by node. Records that are kept already cost no signature's check.

    Raises:
        ProtocolError: see `verify`.
    """
    known = set(kept.values())
    news: dict[NodeId, tuple[Departure, bytes]] = {}
    for record in told:
        if record in known:
            continue
        departure = verify(record, hub_public_key, chain)
        node = departure.node
        if node in news:
            stands = departure.stands_before(news[node][0])
        elif node in kept:
            stands = departure.stands_before(verify(kept[node], hub_public_key, chain))
        else:
            stands = True
        if stands:
            news[node] = (departure, record)
    return {node: record for node, (_, record) in news.items()}
