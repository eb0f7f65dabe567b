"""Frames for what follows a loss, and for history on demand.

Invariant: none of them changes what a log or a ledger holds; they let a node find out what the hub has.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from protocol.codec import read_blob, read_bytes, read_int, read_list, refuse
from protocol.digest import BUCKETS
from protocol.frames.handshake import Body, read_scope
from protocol.ids import HubSeq, Location, OpId, ReplicaId, Scope, Seq, check_code
from protocol.limits import CLAIM_IDS_MAX, LIST_LIMIT_MAX, OPERATION_BYTES_MAX, TIME_MS_MAX


@dataclass(frozen=True, slots=True)
class Claim:
    """Node → hub: which of these operations are already inside your totals?"""

    TYPE: ClassVar = 30
    op_ids: tuple[OpId, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {"op_ids": list(self.op_ids)}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        ids = read_list(body.get("op_ids"), "op_ids", least=1, most=CLAIM_IDS_MAX)
        return cls(tuple(OpId(read_bytes(id_, "op_id", length=16)) for id_ in ids))


@dataclass(frozen=True, slots=True)
class Claimed:
    """Hub → node: the answer, one bit an id, in order, most significant bit first."""

    TYPE: ClassVar = 31
    bits: bytes

    def to_body(self) -> Body:
        """The map form."""
        return {"bits": self.bits}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(read_blob(body.get("bits"), "bits", bytes_max=CLAIM_IDS_MAX // 8))


@dataclass(frozen=True, slots=True)
class AskBuckets:
    """Node → hub: the digests of a scope's 256 buckets, please."""

    TYPE: ClassVar = 32
    scope: Scope

    def to_body(self) -> Body:
        """The map form."""
        return {"scope": self.scope}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(read_scope(body.get("scope")))


@dataclass(frozen=True, slots=True)
class Buckets:
    """Hub → node: 256 digests of 16 bytes, as at hub_seq `at`."""

    TYPE: ClassVar = 33
    scope: Scope
    at: HubSeq
    digests: bytes

    def to_body(self) -> Body:
        """The map form."""
        return {"scope": self.scope, "at": self.at, "digests": self.digests}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        digests = read_bytes(body.get("digests"), "digests", length=BUCKETS * 16)
        return cls(read_scope(body.get("scope")), HubSeq(read_int(body.get("at"), "at")), digests)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Node → hub: send the rows of these buckets again, as pages."""

    TYPE: ClassVar = 34
    scope: Scope
    buckets: bytes
    """One byte a bucket, rising."""

    def to_body(self) -> Body:
        """The map form."""
        return {"scope": self.scope, "buckets": self.buckets}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        buckets = read_blob(body.get("buckets"), "buckets", bytes_max=BUCKETS)
        if sorted(set(buckets)) != list(buckets):
            refuse("buckets", "must rise")
        return cls(read_scope(body.get("scope")), buckets)


@dataclass(frozen=True, slots=True)
class AskLedger:
    """Node → hub: other replicas' operations at a location, after a ledger position."""

    TYPE: ClassVar = 35
    location: Location
    after: int
    limit: int

    def to_body(self) -> Body:
        """The map form."""
        return {"location": self.location, "after": self.after, "limit": self.limit}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            Location(check_code(body.get("location"), "location")),
            read_int(body.get("after"), "after"),
            read_int(body.get("limit"), "limit", least=1, most=LIST_LIMIT_MAX),
        )


class LedgerItem(NamedTuple):
    """One operation of the ledger."""

    position: int
    replica: ReplicaId
    seq: Seq
    accepted_at_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Ledger:
    """Hub → node: operations in ledger order; an empty page is the end."""

    TYPE: ClassVar = 36
    location: Location
    items: tuple[LedgerItem, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {"location": self.location, "items": [list(item) for item in self.items]}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        items = read_list(body.get("items"), "items", most=LIST_LIMIT_MAX)
        location = Location(check_code(body.get("location"), "location"))
        return cls(location, tuple(_ledger_item_from_wire(item) for item in items))


def _ledger_item_from_wire(value: object) -> LedgerItem:
    position, replica, seq, accepted_at, body = read_list(value, "an item", least=5, most=5)
    return LedgerItem(
        read_int(position, "position", least=1),
        ReplicaId(read_bytes(replica, "replica", length=16)),
        Seq(read_int(seq, "seq", least=1)),
        read_int(accepted_at, "accepted_at", most=TIME_MS_MAX),
        read_blob(body, "an operation", bytes_max=OPERATION_BYTES_MAX),
    )
