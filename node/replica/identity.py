"""Who this node is, and where its replica and its reading of the hub stand.

Invariant: there is one identity and one current replica; both are written by `join` before anything is recorded. What
the node may do is read from its certificate alone.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

from protocol.certificate import Certificate, verify
from protocol.frames.handshake import Cursor
from protocol.ids import NO_SALT, ChainId, Epoch, HubSeq, ReplicaId, Salt, Seq
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "identity.sql")


class NotJoined(Exception):
    """The folder holds no node yet."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What `join` brought home."""

    chain: ChainId
    hub_url: str
    hub_public_key: bytes
    certificate_bytes: bytes
    certificate: Certificate
    let_go_at_ms: int | None = None
    """When the hub last told it that it was retired; None once the hub lets it in."""

    @property
    def rights(self) -> Certificate:
        """What it may record by: its certificate, or once it was let go that without a location.

        A hub put back to a backup can have given it rights after it was retired. What it recorded by those would be
        taken by nobody.
        """
        return self.certificate if self.let_go_at_ms is None else self.certificate.silenced()


class Predecessor(NamedTuple):
    """The node whose locations a spare took over."""

    name: str
    heard_at_ms: int | None
    """When the hub had last taken anything in of it, by the hub's clock; None when never, or when it does not say."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the replica stands with the hub. Times are UTC milliseconds."""

    replica: ReplicaId
    acked: Seq
    stable: Seq
    epoch: Epoch | None
    status_seen: Seq
    clock_offset_ms: int | None
    last_contact_at_ms: int | None
    last_error: str | None


def save_identity(db: sqlite3.Connection, identity: NodeIdentity, now_ms: int) -> None:
    """Make this database the node that `identity` says; its log, if it has one, is kept."""
    db.execute(
        _SQL["save_identity"],
        {
            "chain": identity.chain,
            "hub_url": identity.hub_url,
            "hub_public_key": identity.hub_public_key,
            "certificate": identity.certificate_bytes,
            "joined_at": now_ms,
        },
    )


def read_identity(db: sqlite3.Connection) -> NodeIdentity:
    """Who this node is.

    Raises:
        NotJoined: nobody joined this folder to a hub.
        ProtocolError: the stored certificate is damaged.
    """
    row = db.execute(_SQL["read_identity"]).fetchone()
    if row is None:
        raise NotJoined("this folder has not joined a hub; `everstock-node join` comes first")
    certificate = verify(row["certificate"], row["hub_public_key"])
    return NodeIdentity(
        ChainId(row["chain"]),
        row["hub_url"],
        row["hub_public_key"],
        row["certificate"],
        certificate,
        row["let_go_at"],
    )


def save_let_go(db: sqlite3.Connection, at_ms: int | None) -> None:
    """Keep when the hub told this node that it was retired; None: it lets it in."""
    db.execute(_SQL["save_let_go"], {"at": at_ms})


def save_certificate(db: sqlite3.Connection, certificate: bytes) -> None:
    """Keep a newer certificate; the caller has verified it."""
    db.execute(_SQL["save_certificate"], {"certificate": certificate})


def save_predecessor(db: sqlite3.Connection, predecessor: Predecessor | None) -> None:
    """Keep whose work this node took over, as the hub said when it joined; None for nobody's."""
    name, heard_at_ms = (None, None) if predecessor is None else predecessor
    db.execute(_SQL["save_predecessor"], {"name": name, "heard_at": heard_at_ms})


def read_predecessor(db: sqlite3.Connection) -> Predecessor | None:
    """Whose work this node took over."""
    row = db.execute(_SQL["read_predecessor"]).fetchone()
    if row is None or row["replaces"] is None:
        return None
    return Predecessor(row["replaces"], row["replaces_heard_at"])


def read_position(db: sqlite3.Connection) -> Position:
    """Where the replica stands."""
    row = db.execute(_SQL["read_position"]).fetchone()
    return Position(
        ReplicaId(row["id"]),
        Seq(row["acked"]),
        Seq(row["stable"]),
        row["epoch"],
        Seq(row["status_seen"]),
        row["clock_offset_ms"],
        row["last_contact_at"],
        row["last_error"],
    )


def save_epoch(db: sqlite3.Connection, epoch: Epoch, clock_offset_ms: int, now_ms: int) -> None:
    """A session was opened: the hub lives in `epoch`, and the last error is history."""
    db.execute(
        _SQL["save_epoch"], {"epoch": epoch, "clock_offset_ms": clock_offset_ms, "now": now_ms}
    )


def save_clock_offset(db: sqlite3.Connection, clock_offset_ms: int, now_ms: int) -> None:
    """The clocks were compared."""
    db.execute(_SQL["save_clock_offset"], {"clock_offset_ms": clock_offset_ms, "now": now_ms})


def save_contact(db: sqlite3.Connection, now_ms: int) -> None:
    """The hub was heard."""
    db.execute(_SQL["save_contact"], {"now": now_ms})


def save_acked(db: sqlite3.Connection, acked: Seq, stable: Seq, now_ms: int) -> None:
    """The hub has the log up to `acked`; smaller than before when it was restored from a backup."""
    db.execute(_SQL["save_acked"], {"acked": acked, "stable": stable, "now": now_ms})


def save_status_seen(db: sqlite3.Connection, seq: Seq) -> None:
    """News of quarantined operations was taken in, up to `seq`."""
    db.execute(_SQL["save_status_seen"], {"seq": seq})


def read_head_seen(db: sqlite3.Connection) -> Cursor:
    """The newest state of the hub in which anything held here was read."""
    row = db.execute(_SQL["read_head_seen"]).fetchone()
    return HubSeq(row["head_seen"]), Salt(row["head_salt"])


def note_head_seen(db: sqlite3.Connection, read_in: Cursor) -> None:
    """Rows are stored that were read in this state of the hub.

    It may be far beyond the cursor: a row that had moved on by then is not among those up to the cursor. A hub put back
    to a state in between has it there again, and the cursor alone would not tell.
    """
    head, salt = read_in
    if salt != NO_SALT:  # an answer about what is out of reach names no state
        db.execute(_SQL["note_head_seen"], {"head": head, "salt": salt})


def forget_head_seen(db: sqlite3.Connection) -> None:
    """The hub's history begins anew."""
    db.execute(_SQL["forget_head_seen"])


def save_error(db: sqlite3.Connection, error: str, now_ms: int) -> None:
    """Why the last session failed, in one sentence."""
    db.execute(_SQL["save_error"], {"error": error, "now": now_ms})
