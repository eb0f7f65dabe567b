"""Departures: that a node was revoked or is retired, signed by the hub, so that even a hub that forgot it can tell.

A revocation says besides whose credentials the machine held, by location: such a credential opens nothing, at any node, until
it was set by somebody who knew of that (`mark`). No clock decides it, and no machine could have written it down before.

Invariant: a departure is valid when the chain's hub key signed exactly its bytes, and it is never taken back: a machine
that returns is enrolled anew, under another name. Every node keeps all of them and hands them back to a hub that has
others. Of two for one node, revoked stands before retired, and the later before the earlier, on every machine.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from protocol.certificate import check_signature
from protocol.codec import pack, read_blob, read_bytes, read_int, read_list, refuse, unpack
from protocol.ids import ChainId, NodeId
from protocol.limits import DEPARTURE_BYTES_MAX, DEPARTURE_PLACES_MAX, TIME_MS_MAX

DIGEST_BYTES: Final = 16
MARK_CHARS: Final = 16
_MARK_BYTES: Final = MARK_CHARS // 2
_PLACE_BYTES: Final = 4
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
    held: tuple[bytes, ...] = ()
    """`place_digest` of each location whose credentials it held, in order; of a node that did not work with people, none."""

    def stands_before(self, other: "Departure") -> bool:
        """Whether this one is kept of two for one node."""
        return self._rank > other._rank

    @property
    def _rank(self) -> tuple[bool, int]:
        return self.reason is Reason.REVOKED, self.at_ms


def sign(departure: Departure, hub_key: SigningKey) -> bytes:
    """Sign a departure; returns the bytes that travel: `[body, signature]`."""
    parts = [_FORM, departure.chain, departure.node, departure.reason.value, departure.at_ms]
    body = pack([*parts, b"".join(departure.held)] if departure.held else parts)
    return pack([body, hub_key.sign(_PURPOSE + body).signature])


def verify(data: bytes, hub_public_key: bytes, chain: ChainId) -> Departure:
    """Read a departure and check the hub's signature on it.

    Raises:
        ProtocolError: `authentication_failed` when the signature is not the hub's, `bad_value`/`bad_frame` otherwise.
    """
    body, signature = _parts_of(data)
    check_signature(
        hub_public_key, _PURPOSE + body, read_bytes(signature, "a signature", length=64)
    )
    departure = _read(body)
    if departure.chain != chain:
        refuse("a departure", "is of another chain")
    return departure


def read_kept(data: bytes) -> Departure:
    """Read a departure that was verified before it was kept."""
    return _read(_parts_of(data)[0])


def place_digest(location: str) -> bytes:
    """4 bytes in the place of a location's code; two that share them are both taken to have been held."""
    return blake2b(location.encode(), digest_size=_PLACE_BYTES, person=b"everstock held").digest()


def held_of(locations: Collection[str], everywhere: str) -> tuple[bytes, ...]:
    """What a departure says of these locations; of too many to name, that it held `everywhere`'s."""
    places = locations if len(locations) <= DEPARTURE_PLACES_MAX else [everywhere]
    return tuple(sorted({place_digest(each) for each in places}))


def mark(record: bytes) -> str:
    """What a credential carries that was set by somebody who knew of this departure; nobody can tell it before it is signed."""
    return blake2b(record, digest_size=_MARK_BYTES, person=b"everstock mark").hexdigest()


def _parts_of(data: bytes) -> tuple[bytes, object]:
    body, signature = read_list(
        unpack(data, bytes_max=DEPARTURE_BYTES_MAX), "a departure", least=2, most=2
    )
    return read_blob(body, "a departure", bytes_max=DEPARTURE_BYTES_MAX), signature


def _read(body: bytes) -> Departure:
    # A newer hub may add parts; they are covered by the signature and ignored here.
    parts = read_list(unpack(body, bytes_max=DEPARTURE_BYTES_MAX), "a departure", least=5)
    form, chain, node, reason, at_ms, *more = parts
    read_int(form, "the departure's form", least=_FORM)
    if type(reason) is not str or reason not in set(Reason):
        refuse("a departure's reason", "is unknown")
    held = b""
    if more:
        held = read_blob(more[0], "what was held", bytes_max=DEPARTURE_PLACES_MAX * _PLACE_BYTES)
    if len(held) % _PLACE_BYTES:
        refuse("what was held", f"must be whole digests of {_PLACE_BYTES} bytes")
    return Departure(
        ChainId(read_bytes(chain, "chain", length=16)),
        NodeId(read_bytes(node, "node", length=16)),
        Reason(reason),
        read_int(at_ms, "a departure's time", most=TIME_MS_MAX),
        tuple(held[at : at + _PLACE_BYTES] for at in range(0, len(held), _PLACE_BYTES)),
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
