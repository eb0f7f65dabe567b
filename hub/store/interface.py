"""What the hub asks of a store. Every store passes tests/store/conformance.py.

Invariant: a method that writes does so in one transaction, durable on return. `commit` is the only one that changes
rows; each change of a row takes the next hub_seq, and none is visible before all smaller ones.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hub.store.fleet import KeepsFleet
from hub.store.questions import AnswersQuestions
from hub.store.records import KeepsRecords
from hub.store.sealed import KeepsSealedKeys
from hub.store.trail import ShowsTrail
from hub.store.witness import KeepsWitness
from protocol.certificate import Certificate
from protocol.digest import Digest
from protocol.errors import Code
from protocol.frames.feed import Page
from protocol.frames.log import Item, StatusEntry
from protocol.ids import (
    ChainHash,
    ChainId,
    Epoch,
    HubSeq,
    NodeId,
    ReplicaId,
    Salt,
    Scope,
    Seq,
)


class Refused(Exception):
    """An operator or a new device asked for something that cannot be.

    Args:
        code: stable.
        detail: one sentence for a person.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Head(NamedTuple):
    """The newest hub_seq, and the salt of the commit that gave it."""

    hub_seq: HubSeq
    salt: Salt


@dataclass(frozen=True, slots=True)
class History:
    """Which chain and epoch a store holds, and how far each scope has come."""

    chain: ChainId
    epoch: Epoch
    head: Head
    scopes: Mapping[Scope, HubSeq]
    """Every scope that has a row or a writer, with the hub_seq of its newest row."""
    recovery: bytes = b""
    """The public half of the chain's recovery key; empty while it has none."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit changed, told to listeners after it is durable."""

    scopes: Mapping[Scope, HubSeq]
    """Scopes with a new row or a further writer's position inside, each with the hub_seq of its newest row."""
    head: Head


@dataclass(frozen=True, slots=True)
class Push:
    """One Operations frame on its way into the ledger."""

    replica: ReplicaId
    session: bytes
    first: Seq
    prev: ChainHash
    items: Sequence[Item]
    now_ms: int
    salt: Salt
    """Fresh; it marks the cursors that this commit makes."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The operations are in the ledger."""

    acked: Seq
    chain: ChainHash
    accepted_at_ms: int
    quarantined: tuple[StatusEntry, ...]
    change: Change | None
    """None when no scope was concerned."""
    repeated: int = 0
    """Operations among them that counted before, by their op_id."""


@dataclass(frozen=True, slots=True)
class SteppedBack:
    """The batch does not continue the log as it is known here; nothing was written."""

    code: Code
    """`gap`, `rewind` or `fork`."""
    acked: Seq
    chain: ChainHash


@dataclass(frozen=True, slots=True)
class Fenced:
    """A newer session of the replica was opened; nothing was written."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the hello table asks about a replica and the cursors it named."""

    owner: NodeId | None
    """The node the replica belongs to; None when it is unknown."""
    acked: Seq
    epoch: Epoch
    head: HubSeq
    salts: Mapping[HubSeq, Salt]
    """Of each hub_seq asked for that exists."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A session to open."""

    certificate: Certificate
    certificate_bytes: bytes
    replica: ReplicaId
    session: bytes
    boot: bytes
    software: str
    new_epoch: Epoch | None
    """Begin this epoch, if the one that was decided on still runs."""
    decided_in: Epoch
    """The epoch that the hello table saw. Another session may have begun a newer one since."""
    issue: Callable[[Certificate], bytes]
    """Signs another certificate, if the node may not go on under the one it showed."""
    now_ms: int


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the hub stands with a replica, as of the transaction that fenced its older sessions."""

    epoch: Epoch
    acked: Seq
    chain: ChainHash
    writes_in: tuple[Scope, ...]
    """Scopes the replica has written in: pages of these tell it how far its log is inside."""
    certificate: bytes
    """The node's newest."""
    newest_quarantined: Seq
    """Of the replica; 0 when every operation of its log had an effect."""
    is_retiring: bool = False
    """The node goes as soon as its log is here."""


@dataclass(frozen=True, slots=True)
class QuarantinedOperation:
    """An operation in the ledger without effect."""

    position: int
    node: str
    replica: ReplicaId
    seq: Seq
    accepted_at_ms: int
    code: str
    detail: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ScopeDigest:
    """A scope's digest and the hub_seq of its newest row; zeros for a scope without rows."""

    hub_seq: HubSeq
    digest: Digest


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes for the operator."""

    ledger: int
    quarantined: int
    codes_open: int
    nodes: int
    """Neither retired nor revoked; the same for the next two."""
    pending: int
    """What the nodes said they had still to send, together."""
    longest_unheard_ms: int | None
    """When the node that is silent longest was last heard of, or enrolled; None without nodes."""


class HubStore(
    KeepsFleet,
    AnswersQuestions,
    KeepsRecords,
    KeepsSealedKeys,
    KeepsWitness,
    ShowsTrail,
    Protocol,
):
    """The hub's memory. Methods that write raise StoreFull or StoreUnavailable; nothing was written then."""

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Have `listener` called on the event loop after every commit that concerned a scope, in commit order."""

    async def history(self) -> History:
        """Chain, epoch, head and scopes, of one moment."""

    async def commit(self, push: Push) -> Committed | SteppedBack | Fenced:
        """Append a batch to the ledger and fold it into the rows; the only writer of rows.

        A later call waits behind an earlier one, so answers may be awaited in the order of the calls.
        """

    async def standing(self, replica: ReplicaId, cursors: Collection[HubSeq]) -> Standing:
        """What the hello table needs."""

    async def open_session(self, opening: Opening) -> Opened:
        """Register what is new, fence older sessions of the replica, mint the epoch if asked.

        A retiring node that shows a certificate as new as the one by which it retires, and may write, gets a newer one.

        Raises:
            Refused: `new_replica_required` when the replica belongs to another node; `revoked`, `retired`.
        """

    async def quarantined_of(self, replica: ReplicaId, after: Seq, limit: int) -> list[StatusEntry]:
        """Operations of a replica without effect, after a position, oldest first."""

    async def note_seen(self, node: NodeId, pending: int | None, now_ms: int) -> None:
        """Remember when a node was last heard of, and how much it had still to send."""

    async def page(self, scope: Scope, base: HubSeq) -> Page:
        """Rows of a scope after `base` in hub_seq order, with `inside`, of one snapshot.

        Ends at the snapshot's head when no more follow, else at its last row. Bounded by PAGE_ROWS_MAX and
        PAGE_BYTES_MAX.
        """

    async def digest(self, scope: Scope) -> ScopeDigest:
        """The digest as kept."""

    async def quarantine(self, after: int, limit: int) -> list[QuarantinedOperation]:
        """Operations without effect after a ledger position, oldest first."""

    async def counts(self, now_ms: int) -> Counts:
        """Sizes."""

    async def close(self) -> None:
        """Finish what was asked, then close."""
