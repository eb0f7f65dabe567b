"""What the hub asks of a store to show an audit: operations and notes, newest first.

Invariant: plain values; a page looks at a bounded number of records, however few of them are wanted.
"""

from typing import NamedTuple, Protocol

from protocol.audit import Record, Wanted
from protocol.ids import NodeId


class Found(NamedTuple):
    """A record, and what the hub knows beside."""

    record: Record
    node: str
    """The name of the node whose log it stands in; the hub's own for a note."""
    accepted_at_ms: int
    """The hub's clock when it came."""
    code: str | None
    """Why it has no effect, if it has none."""


class Place(NamedTuple):
    """Where a page ends: everything newer is done."""

    log: int
    """The store's number of a log, in the audit of one node; 0 otherwise."""
    before: int


class TrailPage(NamedTuple):
    """Some records, newest first."""

    items: list[Found]
    following: Place | None


class ShowsTrail(Protocol):
    """The part of `interface.HubStore` that is about all this. Each method is one transaction."""

    async def operations_trail(
        self, wanted: Wanted, node: NodeId | None, place: Place | None, limit: int
    ) -> TrailPage:
        """Operations as they were accepted, of one node or of all; of one, its newest log first."""

    async def notes_trail(self, wanted: Wanted, place: Place | None, limit: int) -> TrailPage:
        """What the hub noted of its own doings."""
