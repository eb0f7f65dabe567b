"""Frames that bring rows down.

Invariant: a page is the same bytes for every receiver, read in one snapshot of the hub's store. What is particular
to a receiver (how far its own log is inside the rows) it looks up in `inside`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from protocol.codec import read_blob, read_bytes, read_int, read_list, refuse
from protocol.digest import BUCKETS
from protocol.frames.handshake import Body, Cursor, read_cursor, read_scope, read_scopes
from protocol.ids import HubSeq, ReplicaId, Salt, Scope, Seq
from protocol.limits import INSIDE_REPLICAS_MAX, PAGE_ROWS_MAX
from protocol.rows import CounterRow, Row, row_from_wire, row_to_wire


@dataclass(frozen=True, slots=True)
class Page:
    """Hub → node: the rows of one scope with `base` < hub_seq ≤ `to`, in that order, at their latest state."""

    TYPE: ClassVar = 20
    scope: Scope
    base: HubSeq
    to: HubSeq
    salt: Salt
    """Of `to`."""
    more: bool
    """False when the scope had no further row in the snapshot the page was read in."""
    inside: Mapping[ReplicaId, Seq]
    """For each replica that has written in this scope, how far its log is inside these rows."""
    rows: tuple[Row, ...]
    buckets: bytes | None = None
    """Only in an answer to FETCH: the rows are those of these buckets, and the page is no part of the feed."""
    head: Cursor | None = None
    """The newest hub_seq of the snapshot the page was read in; None where that is `to`."""

    @property
    def read_in(self) -> Cursor:
        """The hub's state that the rows are of."""
        return self.head or (self.to, self.salt)

    def to_body(self) -> Body:
        """The map form."""
        optional: dict[str, object] = {} if self.buckets is None else {"buckets": self.buckets}
        if self.head is not None:
            optional["head"] = list(self.head)
        return {
            "scope": self.scope,
            "base": self.base,
            "to": self.to,
            "salt": self.salt,
            "more": self.more,
            "inside": [[replica, seq] for replica, seq in sorted(self.inside.items())],
            "rows": [row_to_wire(row) for row in self.rows],
        } | optional

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        more = body.get("more")
        if type(more) is not bool:
            refuse("more", "must be true or false")
        buckets, head = body.get("buckets"), body.get("head")
        page = cls(
            read_scope(body.get("scope")),
            HubSeq(read_int(body.get("base"), "base")),
            HubSeq(read_int(body.get("to"), "to")),
            Salt(read_bytes(body.get("salt"), "salt", length=8)),
            more,
            _inside_from_wire(body.get("inside")),
            tuple(map(row_from_wire, read_list(body.get("rows"), "rows", most=PAGE_ROWS_MAX))),
            None if buckets is None else read_blob(buckets, "buckets", bytes_max=BUCKETS),
            None if head is None else read_cursor(head),
        )
        page.check_order()
        return page

    def check_order(self) -> None:
        """Refuse rows that are out of order, outside (base, to] or of another scope.

        Raises:
            ProtocolError: `bad_value`.
        """
        if self.base > self.to:
            refuse("to", "must not be before base")
        if self.head is not None and self.head[0] < self.to:
            refuse("head", "must not be before to")
        last = self.base
        family, _, location = self.scope.partition(":")
        for row in self.rows:
            if not last < row.hub_seq <= self.to:
                refuse("rows", "must rise in hub_seq between base and to")
            # A counter is in one scope, named by its location: to put the name together for each costs more than the rest.
            if isinstance(row, CounterRow):
                is_inside = family == "stock" and row.location == location
            else:
                is_inside = self.scope in row.document.scopes
            if not is_inside:
                refuse("a row", "must be in the page's scope")
            last = row.hub_seq


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Hub → node: every scope this node reads has been sent up to `at`; all its cursors move there."""

    TYPE: ClassVar = 21
    at: HubSeq
    salt: Salt

    def to_body(self) -> Body:
        """The map form."""
        return {"at": self.at, "salt": self.salt}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            HubSeq(read_int(body.get("at"), "at")),
            Salt(read_bytes(body.get("salt"), "salt", length=8)),
        )


@dataclass(frozen=True, slots=True)
class Scopes:
    """Hub → node: scopes that came into being or into reach, and scopes that left it."""

    TYPE: ClassVar = 22
    add: tuple[Scope, ...]
    drop: tuple[Scope, ...]

    def to_body(self) -> Body:
        """The map form."""
        return {"add": list(self.add), "drop": list(self.drop)}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(read_scopes(body.get("add")), read_scopes(body.get("drop")))


def _inside_from_wire(value: object) -> dict[ReplicaId, Seq]:
    found: dict[ReplicaId, Seq] = {}
    last = b""
    for item in read_list(value, "inside", most=INSIDE_REPLICAS_MAX):
        replica, seq = read_list(item, "inside", least=2, most=2)
        replica = ReplicaId(read_bytes(replica, "replica", length=16))
        if replica <= last:
            refuse("inside", "must be sorted by replica and without repeats")
        found[replica] = Seq(read_int(seq, "seq"))
        last = replica
    return found
