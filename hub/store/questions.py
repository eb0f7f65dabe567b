"""What the hub asks of a store to answer a node's questions after a loss, and about history.

Invariant: each answer is of one snapshot, is made of no more than its cap, and changes nothing. Whether a node may ask is
the caller's to see to.
"""

from collections.abc import Sequence
from typing import Protocol

from protocol.frames.feed import Page
from protocol.frames.repair import Buckets, Claimed, Digests, Ledger
from protocol.ids import HubSeq, Location, NodeId, OpId, ReplicaId, Scope


class AnswersQuestions(Protocol):
    """The part of `interface.HubStore` that is about all this."""

    async def claim(self, node: NodeId, op_ids: Sequence[OpId]) -> Claimed:
        """For each operation, whether it is inside the totals under a home that the node may write."""

    async def digests(self, scopes: Sequence[Scope]) -> Digests:
        """The digests as kept, in the order asked for; zeros for a scope that nobody has written in."""

    async def buckets(self, scope: Scope) -> Buckets:
        """The digest of each bucket, computed from every row of the scope."""

    async def bucket_rows(self, scope: Scope, buckets: bytes, base: HubSeq) -> Page:
        """Rows of these buckets after `base` in hub_seq order.

        Ends, with `more`, when a page is full or `BUCKET_ROWS_EXAMINED` rows were looked at; else at the head.
        """

    async def ledger(self, location: Location, but: ReplicaId, after: int, limit: int) -> Ledger:
        """Operations that count at a location, of every replica but one, after a ledger position, oldest first.

        Ends, with `more`, at `limit`, at what fits a frame, or when LEDGER_EXAMINED_MAX operations were looked at.
        """
