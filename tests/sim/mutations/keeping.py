"""Bugs of keeping: operations that a node lets go of while the hub may still lose them, or that it never had in hand.

A hub can be put back to a backup; then the nodes' logs are all there is.
"""

import sqlite3
from contextlib import AbstractContextManager
from typing import Final

from node.node import Node
from node.replica import log, recovery, view
from protocol import chain
from protocol.ids import ReplicaId, Seq
from tests.damage import unguard
from tests.sim.mutations.history import HUB_RESTORES, RESTORES
from tests.sim.mutations.planting import Mutation, replaced


def new_replica_drops_known() -> AbstractContextManager[None]:
    """A new replica begins with what the hub has not acknowledged only.

    The hub put back once more after that: what the node has dropped nobody has any more (I11).
    """
    begin = recovery.begin_replica

    def forget(db: sqlite3.Connection, replica: ReplicaId) -> None:
        row = db.execute("SELECT acked FROM replica").fetchone()
        if row is not None and row[0]:
            _drop(db, row[0])
        begin(db, replica)

    return replaced((recovery, "begin_replica", forget))


def _drop(db: sqlite3.Connection, acked: int) -> None:
    unguard(db)
    _forget(db, 0, acked)
    found = db.execute("SELECT body FROM log ORDER BY seq")
    kept = [row[0] for row in found]
    db.execute("DELETE FROM log")
    db.execute("UPDATE pending_delta SET seq = -seq")
    db.execute("UPDATE pending_delta SET seq = -seq - ?", (acked,))
    db.execute("UPDATE movement SET seq = seq - ? WHERE body IS NULL", (acked,))
    db.execute("UPDATE change SET seq = seq - ? WHERE seq IS NOT NULL", (acked,))
    held = chain.CHAIN_START
    for seq, body in enumerate(kept, start=1):
        held = chain.extend(held, body)
        db.execute("INSERT INTO log (seq, body, chain) VALUES (?, ?, ?)", (seq, body, held))


def _forget(db: sqlite3.Connection, after: int, upto: int) -> None:
    """Delete a piece of the log and all that names it, so that only its absence can be noticed."""
    unguard(db)
    piece = (after, upto)
    positions = "SELECT position FROM movement WHERE seq > ? AND seq <= ? AND body IS NULL"
    found = db.execute(positions, piece).fetchall()
    for statement in (
        "DELETE FROM movement WHERE position = ?",
        "DELETE FROM movement_sku WHERE position = ?",
    ):
        db.executemany(statement, found)
    for statement in (
        "DELETE FROM log WHERE seq > ? AND seq <= ?",
        "DELETE FROM pending_delta WHERE seq > ? AND seq <= ?",
        "DELETE FROM change WHERE seq > ? AND seq <= ?",
    ):
        db.execute(statement, piece)


def acked_is_deleted() -> AbstractContextManager[None]:
    """The node deletes what the hub has acknowledged.

    The hub put back to a backup from before: nobody has it any more (I11).
    """
    return _deleting(beyond=0)


def pruned_before_ack() -> AbstractContextManager[None]:
    """The node deletes one operation more than was acknowledged.

    A cut before the next acknowledgement: that one is never sent again (I2, I16).
    """
    return _deleting(beyond=1)


def _deleting(*, beyond: int) -> AbstractContextManager[None]:
    acknowledge = log.acknowledge

    def cut(db: sqlite3.Connection, upto: Seq, accepted_at_ms: int) -> None:
        acknowledge(db, upto, accepted_at_ms)
        last = log.head(db).seq
        base = min(upto + beyond, last - 1)
        held = log.chain_at(db, Seq(base))
        if base >= log.base(db):
            _forget(db, 0, base)
            db.execute("UPDATE replica SET log_base = ?, base_chain = ?", (base + 1, held))

    return replaced((log, "acknowledge", cut))


def positions_used_again() -> AbstractContextManager[None]:
    """A process that starts does not find the last operation, as if it had never been synced to the disk.

    Any crash of a node that has something to send: its position is given to another sale (I2, I10).
    """
    start = Node.start

    async def lose_end(self: Node) -> None:
        await self._store.write(_lose_last)
        await start(self)

    return replaced((Node, "start", lose_end))


def _lose_last(db: sqlite3.Connection) -> None:
    (acked,) = db.execute("SELECT acked FROM replica").fetchone()
    last = log.head(db).seq
    if last > acked:
        view.forget_quarantined(db, last)
        _forget(db, last - 1, last)


MUTATIONS: Final = (
    Mutation(
        "new replica drops known operations",
        "I11: a restored node, then a restored hub",
        new_replica_drops_known,
        {"weights": {**RESTORES, **HUB_RESTORES}},
    ),
    Mutation(
        "acknowledged operations are deleted",
        "I11: the hub put back to a backup",
        acked_is_deleted,
        {"weights": HUB_RESTORES},
    ),
    Mutation(
        "pruned before acknowledged", "I2: any cut", pruned_before_ack, {"weights": {"cut": 1.0}}
    ),
    Mutation(
        "positions used again after a restart",
        "I2, I10: a node's process dies with something to send",
        positions_used_again,
        {"weights": {"kill node": 1.0, "line down": 1.0}},
    ),
)
