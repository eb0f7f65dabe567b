"""What a store keeps so that nothing is lost with a machine: verified backups, nodes that left, nodes replaced.

Invariant: plain values; `interface.HubStore` says what is done with them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol.certificate import Certificate
from protocol.departure import Reason
from protocol.ids import ChainId, Epoch, HubSeq, NodeId, ReplicaId, Salt, Seq


@dataclass(frozen=True, slots=True)
class VerifiedBackup:
    """A copy of the store that was restored elsewhere and found whole."""

    file: str
    taken_at_ms: int
    verified_at_ms: int
    hub_seq: HubSeq
    salt: Salt
    """Of the commit that gave `hub_seq`: a copy of another history is not counted."""
    operations: int
    positions: Mapping[ReplicaId, Seq]
    """How far each log is inside."""


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """A verified backup as it is remembered."""

    file: str
    taken_at_ms: int
    verified_at_ms: int
    hub_seq: HubSeq
    operations: int


@dataclass(frozen=True, slots=True)
class KnownDeparture:
    """That a node left for good, and the hub's signature on it; verified by the caller."""

    node: NodeId
    reason: Reason
    record: bytes


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """What proves somebody at a location, that a revoked node held; not what it is."""

    id: str
    location: str
    user: str
    username: str | None
    """None of somebody whom the hub has not heard of yet."""
    proves: tuple[str, ...]
    """Of `password`, `pin`, `badge`, those that are set."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """A node that shall deliver what it recorded and then go."""

    name: str
    issue: Callable[[Certificate], bytes]
    chain: ChainId
    now_ms: int


@dataclass(frozen=True, slots=True)
class Replacement:
    """A node that took over another one's locations, and how far that one's log came."""

    name: str
    replaced: str
    joined_at_ms: int
    acked: Seq
    """Of the log that the replaced node last opened a session with."""
    pending: int | None
    """What it last said it had still to send; None if it never said."""
    last_seen_at_ms: int | None
    newest: bytes | None
    """The operation at `acked`, as it was sent; None when there is none."""


class KeepsRecords(Protocol):
    """The part of `interface.HubStore` that is about all this. Each method is one transaction."""

    async def departures(self) -> Mapping[NodeId, bytes]:
        """Every node that left, known here or not, with the signed record of it."""

    async def keep_departures(self, kept: Sequence[KnownDeparture], now_ms: int) -> None:
        """Keep these records in place of older ones, end the nodes' rights and fence their sessions; note of each
        credential that a revoked one held that it is to be set anew.

        Raises:
            Refused: `too_large` when there are more than DEPARTURES_MAX; nothing was kept.
        """

    async def people_held(self, node: NodeId) -> list[str]:
        """The locations whose people's credentials a node held, `*` for every one's; none of a node that is unknown."""

    async def to_reset(self, node: NodeId) -> list[HeldCredential]:
        """The credentials that a revoked node held and that were not set since; none of a node that was not revoked."""

    async def replacements(self) -> list[Replacement]:
        """Which nodes took over from which, the newest first; at most 1,000."""

    async def record_backup(self, backup: VerifiedBackup) -> None:
        """Remember a verified backup, in place of an earlier one of its file's name.

        Raises:
            Refused: `bad_value` when it is of another history.
        """

    async def stable(self) -> Mapping[ReplicaId, Seq]:
        """How far each log is inside both of the last two verified backups; 0 for one that is not named."""

    async def backups(self, limit: int) -> list[BackupRecord]:
        """Verified backups, the newest first."""

    async def begin_again(self, epoch: Epoch) -> int:
        """Begin an epoch, since a backup was put in place, and void all open codes; how many there were."""
