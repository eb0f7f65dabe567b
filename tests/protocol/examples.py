"""Plain examples that the tests of several modules start from, each with the parts a test changes."""

from typing import Any

from nacl.signing import SigningKey

from protocol import certificate
from protocol.certificate import Certificate, Role
from protocol.clock import Stamp
from protocol.effects import CounterEffect, Effect, FieldEffect
from protocol.frames.handshake import Hello
from protocol.ids import NO_SALT, ChainId, Epoch, Location, Lot, NodeId, OpId, ReplicaId, Scope, Sku
from protocol.operation import Operation

HUB_KEY = SigningKey(b"\x07" * 32)
HUB_PUBLIC = bytes(HUB_KEY.verify_key)
NODE_KEY = SigningKey(b"\x09" * 32)
CHAIN = ChainId(b"\xc0" * 16)
NODE = NodeId(b"\x11" * 16)
REPLICA = ReplicaId(b"\x22" * 16)
EPOCH = Epoch(b"\xe0" * 16)
NOW = 1_767_225_600_000


def counter(**changes: Any) -> CounterEffect:
    """Two of A-100 taken from the shelf of S01."""
    effect = CounterEffect(Location("S01"), Sku("A-100"), Lot(""), 0, -2)
    return effect._replace(**changes)


def field(**changes: Any) -> FieldEffect:
    """The name of A-100 in the catalogue."""
    stamp = Stamp(NOW, 0, REPLICA)
    scopes = (Scope("catalogue"),)
    effect = FieldEffect("sku", "A-100", "name", 0, 0, "Coffee", stamp, scopes)
    return effect._replace(**changes)


def fact(*effects: Effect, **changes: Any) -> Operation:
    """A sale with these effects."""
    sale = Operation(
        op_id=OpId(b"\x5a" * 16),
        recorded_at=NOW,
        occurred_at=NOW,
        clock_offset_ms=None,
        actor="ada",
        device="till-1",
        kind="move.sale",
        version=1,
        effects=effects,
        details={},
    )
    return sale._replace(**changes)


def credentials(**changes: Any) -> Certificate:
    """What the hub says of the node of S01."""
    held = Certificate(
        chain=CHAIN,
        node=NODE,
        public_key=bytes(NODE_KEY.verify_key),
        name="S01",
        role=Role.STORE,
        writes=(Location("S01"),),
        reads=("*",),
        serial=1,
        issued_at_ms=NOW,
    )
    return held._replace(**changes)


def certificate_bytes(**changes: Any) -> bytes:
    """The same, signed by the hub."""
    return certificate.issue(credentials(**changes), HUB_KEY)


def hello(**changes: Any) -> Hello:
    """A first HELLO of an empty log."""
    parts: dict[str, Any] = {
        "replica": REPLICA,
        "boot": b"\x33" * 16,
        "versions": (1, 1),
        "features": ("raw", "zlib"),
        "software": "everstock-node 0.1.0",
        "last_seq": 0,
        "log_base": 1,
        "acked_seen": 0,
        "epoch": None,
        "cursor": (0, NO_SALT),
        "exceptions": {},
        "status_seen": 0,
        "clock_ms": NOW,
    }
    return Hello(**(parts | changes))
