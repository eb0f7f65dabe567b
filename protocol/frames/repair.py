"""Frames for what follows a loss, and for history on demand.

Invariant: none of them changes what a log or a ledger holds; they let a node find out what the hub has. Each question has
one answer, and a node has one question unanswered at a time. They are sent to a hub that named the feature `repair`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from protocol.codec import read_blob, read_bytes, read_int, read_list, refuse
from protocol.digest import BUCKETS, Digest
from protocol.frames.feed import Page
from protocol.frames.handshake import Body, read_scope, read_scopes
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.ids import HubSeq, Location, OpId, ReplicaId, Scope, Seq, check_code
from protocol.limits import (
    CLAIM_IDS_MAX,
    DIGEST_SCOPES_MAX,
    INT_MAX,
    LIST_LIMIT_MAX,
    OPERATION_BYTES_MAX,
    TIME_MS_MAX,
)


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
    at: HubSeq
    """The hub's newest hub_seq then: rows that are as new contain every operation said to be inside."""
    bits: bytes

    def to_body(self) -> Body:
        """The map form."""
        return {"at": self.at, "bits": self.bits}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        bits = read_blob(body.get("bits"), "bits", bytes_max=CLAIM_IDS_MAX // 8)
        return cls(HubSeq(read_int(body.get("at"), "at")), bits)

    @classmethod
    def of(cls, at: HubSeq, inside: Sequence[bool]) -> Self:
        """The answer from one truth an id, in order."""
        whole = "".join("1" if is_inside else "0" for is_inside in inside)
        whole = whole.ljust(-(-len(whole) // 8) * 8, "0")
        return cls(at, int(whole, 2).to_bytes(len(whole) // 8) if whole else b"")

    def is_inside(self, number: int) -> bool:
        """Whether the id asked about in this place, from 0, is inside; one that the answer leaves out is not."""
        byte, bit = divmod(number, 8)
        return byte < len(self.bits) and bool(self.bits[byte] & 0x80 >> bit)


@dataclass(frozen=True, slots=True)
class AskDigests:
    """Node → hub: the digests of these scopes, please."""

    TYPE: ClassVar = 37
    scopes: tuple[Scope, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {"scopes": list(self.scopes)}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        scopes = read_scopes(body.get("scopes"))
        if not 1 <= len(scopes) <= DIGEST_SCOPES_MAX:
            refuse("scopes", f"must be 1 to {DIGEST_SCOPES_MAX}")
        return cls(scopes)


class DigestEntry(NamedTuple):
    """One scope's rows in short."""

    scope: Scope
    hub_seq: HubSeq
    """Of its newest row; 0 without rows."""
    digest: Digest


@dataclass(frozen=True, slots=True)
class Digests:
    """Hub → node: those scopes' digests, in the order asked for, of one snapshot."""

    TYPE: ClassVar = 38
    entries: tuple[DigestEntry, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {
            "entries": [
                [scope, hub_seq, digest.rows, digest.value.to_bytes(16)]
                for scope, hub_seq, digest in self.entries
            ]
        }

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        entries = read_list(body.get("entries"), "entries", most=DIGEST_SCOPES_MAX)
        return cls(tuple(map(_digest_entry_from_wire, entries)))


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
    base: HubSeq
    """Those after this hub_seq: 0, and then `to` of each answer that has `more`."""

    def to_body(self) -> Body:
        """The map form."""
        return {"scope": self.scope, "buckets": self.buckets, "base": self.base}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        buckets = read_blob(body.get("buckets"), "buckets", bytes_max=BUCKETS)
        if sorted(set(buckets)) != list(buckets):
            refuse("buckets", "must rise")
        base = HubSeq(read_int(body.get("base"), "base"))
        return cls(read_scope(body.get("scope")), buckets, base)


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
    """Hub → node: operations in ledger order."""

    TYPE: ClassVar = 36
    location: Location
    upto: int
    """Everything up to this position was looked at: where to go on."""
    more: bool
    """Whether there may be operations behind it."""
    items: tuple[LedgerItem, ...]

    def to_body(self) -> Body:
        """The map form."""
        items = [list(item) for item in self.items]
        return {"location": self.location, "upto": self.upto, "more": self.more, "items": items}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        items = read_list(body.get("items"), "items", most=LIST_LIMIT_MAX)
        location = Location(check_code(body.get("location"), "location"))
        upto, more = read_int(body.get("upto"), "upto"), body.get("more")
        if type(more) is not bool:
            refuse("more", "must be true or false")
        return cls(location, upto, more, tuple(_ledger_item_from_wire(item) for item in items))


Question = Claim | AskDigests | AskBuckets | Fetch | AskLedger | KeepKeys | AskKeys
"""Also those of `frames.keys`: a node has one unanswered, of them all."""
Answer = Claimed | Digests | Buckets | Page | Ledger | KeysKept | Keys


def _ledger_item_from_wire(value: object) -> LedgerItem:
    position, replica, seq, accepted_at, body = read_list(value, "an item", least=5, most=5)
    return LedgerItem(
        read_int(position, "position", least=1),
        ReplicaId(read_bytes(replica, "replica", length=16)),
        Seq(read_int(seq, "seq", least=1)),
        read_int(accepted_at, "accepted_at", most=TIME_MS_MAX),
        read_blob(body, "an operation", bytes_max=OPERATION_BYTES_MAX),
    )


def _digest_entry_from_wire(value: object) -> DigestEntry:
    scope, hub_seq, rows, digest = read_list(value, "an entry", least=4, most=4)
    return DigestEntry(
        read_scope(scope),
        HubSeq(read_int(hub_seq, "hub_seq")),
        Digest(
            read_int(rows, "rows", most=INT_MAX),
            int.from_bytes(read_bytes(digest, "digest", length=16)),
        ),
    )
