"""A chain for tests: its id, the hub's key, and certificates signed by it."""

from nacl.signing import SigningKey

from protocol.certificate import Certificate, Role
from protocol.effects import Account, CounterEffect
from protocol.ids import ChainId, Location, Lot, NodeId, OpId, ReplicaId, Sku
from protocol.operation import Operation, encode

CHAIN = ChainId(b"the chain of all")
HUB_KEY = SigningKey(b"h" * 32)
NODE_KEY = SigningKey(b"n" * 32)
ME = ReplicaId(b"this very replic")


def certificate_of(
    *,
    writes: tuple[str, ...],
    reads: tuple[str, ...] = ("*",),
    role: Role = Role.STORE,
    serial: int = 1,
) -> Certificate:
    """What the hub of this chain would say of a node."""
    locations = tuple(Location(location) for location in writes)
    key = bytes(NODE_KEY.verify_key)
    return Certificate(
        CHAIN, NodeId(b"this very device"), key, "S01", role, locations, reads, serial, 1_000
    )


def movement(number: int, *lines: tuple[str, int], location: str = "S01") -> bytes:
    """The bytes of a small adjustment: (SKU, delta) on hand."""
    effects = tuple(
        CounterEffect(Location(location), Sku(sku), Lot(""), int(Account.ON_HAND), delta)
        for sku, delta in lines
    )
    op_id = OpId(number.to_bytes(16))
    return encode(
        Operation(op_id, 1_000, 1_000, None, "till", "till", "move.adjust", 1, effects, {})
    )
