"""Frames that carry a replica's log up and its fate down.

Invariant: every Operations frame gets exactly one answer, Acknowledge or Negative, in the order sent.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from protocol.codec import read_blob, read_bytes, read_int, read_list, refuse
from protocol.errors import Code
from protocol.frames.handshake import Body
from protocol.ids import ChainHash, Seq
from protocol.limits import (
    BATCH_OPERATIONS_MAX,
    CERTIFICATE_BYTES_MAX,
    DETAIL_CHARS_MAX,
    OPERATION_BYTES_MAX,
    STATUS_CODE_CHARS_MAX,
    STATUS_ENTRIES_MAX,
    TIME_MS_MAX,
)


class Item(NamedTuple):
    """One operation as it travels."""

    body: bytes
    accepted_at_ms: int | None
    """The hub's clock when it was first acknowledged, if it ever was: kept and sent again with any re-push."""


@dataclass(frozen=True, slots=True)
class Operations:
    """Node → hub: operations `first`, `first + 1`, … of the session's replica."""

    TYPE: ClassVar = 7
    first: Seq
    prev: ChainHash
    """The hash of the log before `first`."""
    items: tuple[Item, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {
            "first": self.first,
            "prev": self.prev,
            "items": [list(item) for item in self.items],
        }

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form; the operations themselves stay bytes."""
        items = read_list(body.get("items"), "items", least=1, most=BATCH_OPERATIONS_MAX)
        return cls(
            Seq(read_int(body.get("first"), "first", least=1)),
            ChainHash(read_bytes(body.get("prev"), "prev", length=32)),
            tuple(_item_from_wire(item) for item in items),
        )


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Hub → node: everything up to `acked` is in the ledger, durably."""

    TYPE: ClassVar = 8
    acked: Seq
    chain: ChainHash
    accepted_at_ms: int
    stable: Seq

    def to_body(self) -> Body:
        """The map form."""
        return {
            "acked": self.acked,
            "chain": self.chain,
            "accepted_at": self.accepted_at_ms,
            "stable": self.stable,
        }

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            Seq(read_int(body.get("acked"), "acked")),
            ChainHash(read_bytes(body.get("chain"), "chain", length=32)),
            read_int(body.get("accepted_at"), "accepted_at", most=TIME_MS_MAX),
            Seq(read_int(body.get("stable"), "stable")),
        )


@dataclass(frozen=True, slots=True)
class Negative:
    """Hub → node: the batch was not taken; this is where the hub stands."""

    TYPE: ClassVar = 9
    code: Code
    """`gap`, `rewind` or `fork`. A fenced session is closed instead."""
    acked: Seq
    chain: ChainHash

    def to_body(self) -> Body:
        """The map form."""
        return {"code": self.code.value, "acked": self.acked, "chain": self.chain}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        code = body.get("code")
        if type(code) is not str or code not in {Code.GAP, Code.REWIND, Code.FORK}:
            refuse("code", "must be gap, rewind or fork")
        return cls(
            Code(code),
            Seq(read_int(body.get("acked"), "acked")),
            ChainHash(read_bytes(body.get("chain"), "chain", length=32)),
        )


class StatusEntry(NamedTuple):
    """One operation that is in the ledger without effect."""

    seq: Seq
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Status:
    """Hub → node: operations of this replica that were quarantined, oldest first."""

    TYPE: ClassVar = 10
    entries: tuple[StatusEntry, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {"entries": [list(entry) for entry in self.entries]}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            tuple(
                map(
                    _status_from_wire,
                    read_list(body.get("entries"), "entries", most=STATUS_ENTRIES_MAX),
                )
            )
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """Hub → node: a newer certificate; rights changed while the session runs."""

    TYPE: ClassVar = 11
    certificate: bytes

    def to_body(self) -> Body:
        """The map form."""
        return {"certificate": self.certificate}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            read_blob(body.get("certificate"), "certificate", bytes_max=CERTIFICATE_BYTES_MAX)
        )


@dataclass(frozen=True, slots=True)
class Ping:
    """Node → hub: the node's clock and how much it still has to send."""

    TYPE: ClassVar = 12
    sent_ms: int
    pending: int

    def to_body(self) -> Body:
        """The map form."""
        return {"sent": self.sent_ms, "pending": self.pending}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            read_int(body.get("sent"), "sent", most=TIME_MS_MAX),
            read_int(body.get("pending"), "pending"),
        )


@dataclass(frozen=True, slots=True)
class Pong:
    """Hub → node: the ping's clock and the hub's own."""

    TYPE: ClassVar = 13
    sent_ms: int
    now_ms: int
    stable: Seq

    def to_body(self) -> Body:
        """The map form."""
        return {"sent": self.sent_ms, "now": self.now_ms, "stable": self.stable}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            read_int(body.get("sent"), "sent", most=TIME_MS_MAX),
            read_int(body.get("now"), "now", most=TIME_MS_MAX),
            Seq(read_int(body.get("stable"), "stable")),
        )


def _item_from_wire(value: object) -> Item:
    if type(value) is not list or len(value) != 2:
        refuse("an item", "must be an operation and a time or null")
    body, accepted_at = value
    if accepted_at is not None:
        accepted_at = read_int(accepted_at, "accepted_at", most=TIME_MS_MAX)
    return Item(read_blob(body, "an operation", bytes_max=OPERATION_BYTES_MAX), accepted_at)


def _status_from_wire(value: object) -> StatusEntry:
    seq, code, detail = read_list(value, "an entry", least=3, most=3)
    if type(code) is not str or len(code) > STATUS_CODE_CHARS_MAX:
        refuse("an entry's code", f"must be text of at most {STATUS_CODE_CHARS_MAX} characters")
    if type(detail) is not str or len(detail) > DETAIL_CHARS_MAX:
        refuse("an entry's detail", f"must be text of at most {DETAIL_CHARS_MAX} characters")
    return StatusEntry(Seq(read_int(seq, "seq", least=1)), code, detail)
