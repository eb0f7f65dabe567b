"""The hello table: what to do about any two positions of a replica and the hub (SYNC §2.4, rows 1-15).

Invariant: the table is complete and pure. Rows that the hub can see are decided by `hub_decides`, before WELCOME; rows
that need the node's own hashes are decided by `node_decides`, after it. No row deletes an operation.

     1  versions do not meet                     refuse upgrade_required
     2  revoked or retired                       refuse
     3  replica belongs to another node          new replica (the data folder was copied to another device)
     4  replica unknown, whole log at hand       register it at 0
     5  replica unknown, log pruned              new replica (the hub lost or pruned it)
     6  hub has more than the node               new replica, reset (node restored from a backup)
     7  hashes differ at `acked`                 new replica (restored and written since, or cloned)
     8  hub has less than it acknowledged        rewind, push again; the hub mints an epoch. What is to be pushed
                                                 again was pruned: new replica, which sends all that is still held
     9  epoch differs or is not remembered       reset every scope; claim; rewind as 8
    10  cursor, or newest state that anything    the hub mints an epoch, then 9 (undeclared rollback)
        was read in, beyond the head, or its salt
    11  cursor below the horizon                 reset that scope
    12  live session of the same boot            replace it silently (half-open TCP)
    13  live session of another boot             newest wins, the other is superseded; an alarm. One that was
                                                 superseded comes back for the third time: new replica
    14  overload                                 busy, come back in retry_ms
    15  node unknown, certificate valid          register the node (hub restored from an older backup)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from protocol.errors import Code
from protocol.frames.handshake import Hello
from protocol.ids import ChainHash, Epoch, HubSeq, NodeId, Salt, Scope, Seq
from protocol.limits import FLIPS_MAX
from protocol.wire import VERSIONS


class NodeStanding(Enum):
    """What the hub knows of a node whose certificate is valid."""

    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ReplicaStanding:
    """What the hub has of a replica."""

    node: NodeId
    acked: Seq
    live_boot: bytes | None
    """The boot id of a session that is still open here; None when there is none."""
    flips: int = 0
    """How often within FLIPS_WITHIN_S a superseded process took this log back, with the one that asks now."""


@dataclass(frozen=True, slots=True)
class HubStanding:
    """Where the hub's own history stands."""

    epoch: Epoch
    head: HubSeq
    horizon: HubSeq
    """Cursors below it cannot be continued."""
    salts: Mapping[HubSeq, Salt]
    """The salt of each hub_seq that the HELLO names and the hub has."""
    busy_retry_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the session; nothing is recorded."""

    rows: tuple[int, ...]
    code: Code
    detail: str
    retry_ms: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Open the session."""

    rows: tuple[int, ...]
    acked: Seq
    register_node: bool = False
    register_replica: bool = False
    mint_epoch: bool = False
    reset_all: bool = False
    """Every scope's cursor and marks are of another history."""
    reset: tuple[Scope, ...] = field(default=())
    supersede: bool = False
    alarm_duplicate: bool = False


def hub_decides(
    hello: Hello,
    *,
    node: NodeId,
    standing: NodeStanding,
    replica: ReplicaStanding | None,
    hub: HubStanding,
) -> Refuse | Accept:
    """Rows 1-5 and 8-15, for a HELLO whose sender proved its certificate."""
    if max(hello.versions[0], VERSIONS[0]) > min(hello.versions[1], VERSIONS[1]):
        return Refuse(
            (1,),
            Code.UPGRADE_REQUIRED,
            f"this hub speaks versions {VERSIONS[0]} to {VERSIONS[1]}",
            60_000,
        )
    if standing is NodeStanding.REVOKED:
        return Refuse((2,), Code.REVOKED, "this node's certificate was revoked", 60_000)
    if standing is NodeStanding.RETIRED:
        return Refuse((2,), Code.RETIRED, "this node was retired", 60_000)
    if hub.busy_retry_ms is not None:
        return Refuse(
            (14,), Code.BUSY, "the hub takes nodes back one after another", hub.busy_retry_ms
        )
    if replica is not None and replica.node != node:
        return _new_replica(3, "this log belongs to another node")
    if replica is None and hello.log_base > 1:
        return _new_replica(5, "the hub does not know this log and its beginning was pruned")
    if replica is not None and replica.flips >= FLIPS_MAX:
        return _new_replica(13, "two processes continue this log in turn: the folder was copied")
    return _accept(hello, standing, replica, hub)


def _accept(
    hello: Hello, standing: NodeStanding, replica: ReplicaStanding | None, hub: HubStanding
) -> Accept:
    acked = Seq(0) if replica is None else replica.acked
    rows = [15] if standing is NodeStanding.UNKNOWN else []
    if replica is None:
        rows.append(4)
    mint_epoch, reset_all, reset = _history(hello, acked, hub, rows)
    live = None if replica is None else replica.live_boot
    if live is not None:
        rows.append(12 if live == hello.boot else 13)
    return Accept(
        tuple(sorted(rows)),
        acked,
        register_node=standing is NodeStanding.UNKNOWN,
        register_replica=replica is None,
        mint_epoch=mint_epoch,
        reset_all=reset_all,
        reset=reset,
        supersede=live is not None,
        alarm_duplicate=live is not None and live != hello.boot,
    )


def _history(
    hello: Hello, acked: Seq, hub: HubStanding, rows: list[int]
) -> tuple[bool, bool, tuple[Scope, ...]]:
    """Whether to mint an epoch, whether to reset every scope, and else which scopes."""
    if (
        hello.epoch is None
        and acked >= hello.acked_seen
        and not any(at for at, _ in hello.positions)
    ):
        return False, False, ()  # a first session: there is nothing to compare
    if hello.epoch != hub.epoch:
        rows.append(9)
        if acked < hello.acked_seen:
            rows.append(8)
        return False, True, ()
    rolled_back = any(
        at > hub.head or (at > 0 and hub.salts.get(at) != salt)
        for at, salt in hello.positions
        if at >= hub.horizon
    )
    if acked < hello.acked_seen:
        rows.append(8)
        return True, True, ()
    if rolled_back:
        rows.append(10)
        return True, True, ()
    stale = tuple(
        scope for scope, (at, _) in sorted(hello.exceptions.items()) if 0 < at < hub.horizon
    )
    if 0 < hello.cursor[0] < hub.horizon:
        rows.append(11)
        return False, True, ()
    if stale:
        rows.append(11)
    return False, False, stale


def _new_replica(row: int, detail: str) -> Refuse:
    return Refuse((row,), Code.NEW_REPLICA_REQUIRED, detail, 0)


@dataclass(frozen=True, slots=True)
class LocalLog:
    """What a node's log says about the position the hub names."""

    last_seq: Seq
    log_base: Seq
    acked_seen: Seq
    chain_at_acked: ChainHash | None
    """The log's hash at the hub's `acked`; None when the log does not reach or no longer holds it."""


@dataclass(frozen=True, slots=True)
class Push:
    """Send operations from `first` on; it is never beyond what follows the hub's `acked`."""

    rows: tuple[int, ...]
    first: Seq


@dataclass(frozen=True, slots=True)
class NewReplica:
    """This log can no longer be continued under its replica id; copy every retained operation to a new one."""

    rows: tuple[int, ...]
    detail: str
    history_gap: bool = False
    """Operations that the hub lost were pruned here: the new replica has to send what is held of them elsewhere."""


def node_decides(acked: Seq, chain: ChainHash, log: LocalLog) -> Push | NewReplica:
    """Rows 6-8, and where to go on otherwise."""
    if log.last_seq < acked:
        return NewReplica(
            (6,), "the hub has more of this log than this node: it was restored from a backup"
        )
    if log.chain_at_acked is not None and log.chain_at_acked != chain:
        return NewReplica(
            (7,), "the hub has another history under this log: it was restored or copied"
        )
    if acked < log.acked_seen and acked + 1 < log.log_base:
        # Pushing from `log_base` would be refused as a gap for ever.
        return NewReplica(
            (8,), "the hub lost operations that this node has pruned", history_gap=True
        )
    if acked < log.acked_seen:
        return Push((8,), Seq(acked + 1))
    if log.chain_at_acked is None:
        return NewReplica((7,), "this log no longer reaches back to what the hub has")
    return Push((), Seq(acked + 1))
