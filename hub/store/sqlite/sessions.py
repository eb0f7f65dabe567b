"""What a session asks before its first batch: where the hub stands, and the transaction that opens it.

Invariant: from the moment a session is opened no older one of its replica can commit; both the fence and what the
node is told about its log are of that one transaction.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from hub.store.interface import Opened, Opening, Refused, Standing
from hub.store.sqlite import departures, nodes, witness
from hub.store.sqlite.feed import read_epoch, read_salts
from hub.store.sqlite.fold import read_head
from hub.store.witness import ITSELF
from protocol.certificate import Role
from protocol.chain import CHAIN_START
from protocol.errors import Code
from protocol.frames.log import StatusEntry
from protocol.ids import ChainHash, HubSeq, NodeId, OpId, ReplicaId, Scope, Seq
from protocol.limits import SCOPES_MAX
from protocol.notes import Action, Entity
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "sessions.sql")


def read_standing(
    db: sqlite3.Connection, replica: ReplicaId, cursors: Collection[HubSeq]
) -> Standing:
    """Where the hub stands with a replica and with the cursors a node named."""
    row = db.execute(SQL["replica"], {"replica": replica}).fetchone()
    return Standing(
        None if row is None else NodeId(row["node"]),
        Seq(0 if row is None else row["acked"]),
        read_epoch(db),
        read_head(db).hub_seq,
        read_salts(db, cursors),
    )


def open_session(db: sqlite3.Connection, opening: Opening) -> Opened:
    """Register, fence, mint; see `HubStore.open_session`."""
    departures.refuse_departed(db, opening.certificate.node)
    certificate = nodes.adopt(db, opening.certificate, opening.certificate_bytes, opening.now_ms)
    node = opening.certificate.node
    is_retiring = db.execute(SQL["retiring"], {"node": node}).fetchone() is not None
    if is_retiring:
        certificate = departures.silence_again(db, opening, certificate)
    values = {
        "replica": opening.replica,
        "node": node,
        "chain": CHAIN_START,
        "session": opening.session,
        "boot": opening.boot,
        "now_ms": opening.now_ms,
    }
    db.execute(SQL["register"], values)
    row = db.execute(SQL["replica"], {"replica": opening.replica}).fetchone()
    if row["node"] != node:
        # Two devices with a copy of one log can both find it unknown and get here at once.
        raise Refused(Code.NEW_REPLICA_REQUIRED, "this log belongs to another node")
    fence = {"replica": opening.replica, "session": opening.session, "boot": opening.boot}
    db.execute(SQL["fence"], fence)
    if opening.new_epoch is not None and read_epoch(db) == opening.decided_in:
        db.execute(SQL["set_epoch"], {"epoch": opening.new_epoch})
        on, said = Entity("epoch", opening.new_epoch.hex()), {"found_by": opening.certificate.name}
        witness.note(db, opening.now_ms, ITSELF, Action.EPOCH_BEGUN, on, said)
    opened = {"node": node, "replica": row["id"], "software": opening.software}
    db.execute(SQL["node_opened"], opened | {"now_ms": opening.now_ms})
    scopes = db.execute(SQL["writes_in"], {"replica": row["id"], "limit": SCOPES_MAX})
    newest = db.execute(SQL["newest_quarantined"], {"replica": row["id"]}).fetchone()
    return Opened(
        read_epoch(db),
        Seq(row["acked"]),
        ChainHash(row["chain"]),
        tuple(Scope(scope) for (scope,) in scopes),
        certificate,
        Seq(newest[0]),
        is_retiring=is_retiring,
    )


def read_quarantined(
    db: sqlite3.Connection, replica: ReplicaId, after: Seq, limit: int
) -> list[StatusEntry]:
    """Operations of a replica without effect, oldest first."""
    values = {"replica": replica, "after": after, "limit": limit}
    return [StatusEntry(*row) for row in db.execute(SQL["quarantined"], values)]


def read_claim(db: sqlite3.Connection, node: NodeId, op_ids: Sequence[OpId]) -> list[bool]:
    """Which of these operations are inside the totals, under a home that the node may write."""
    record = nodes.read_node(db, node)
    if record is None:
        return [False] * len(op_ids)
    homes = nodes.locations_ever(db, node) | {""}
    found = []
    for op_id in op_ids:
        applied = {home for (home,) in db.execute(SQL["homes_of"], {"op_id": op_id})}
        found.append(bool(applied if record.role is Role.OFFICE else applied & homes))
    return found


def note_seen(db: sqlite3.Connection, node: NodeId, pending: int | None, now_ms: int) -> None:
    """Remember a sign of life."""
    db.execute(SQL["node_seen"], {"node": node, "pending": pending, "now_ms": now_ms})
