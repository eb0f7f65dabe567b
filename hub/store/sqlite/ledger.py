"""Reading the ledger for the operator: what has no effect, and how much there is.

Invariant: nothing here looks at more than one page of the ledger at a time.
"""

import sqlite3
from typing import Final

from hub.store.interface import Counts, QuarantinedOperation
from protocol.ids import ReplicaId, Seq
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "ledger.sql")


def read_quarantine(db: sqlite3.Connection, after: int, limit: int) -> list[QuarantinedOperation]:
    """Operations without effect after a ledger position, oldest first."""
    return [
        QuarantinedOperation(
            position,
            node,
            ReplicaId(replica),
            Seq(seq),
            accepted_at,
            code,
            detail,
            bytes(body),
        )
        for position, node, replica, seq, accepted_at, code, detail, body in db.execute(
            SQL["quarantine"], {"after": after, "limit": limit}
        )
    ]


def read_counts(db: sqlite3.Connection, now_ms: int) -> Counts:
    """Sizes; the quarantine is counted over its own index."""
    return Counts(*db.execute(SQL["counts"], {"now_ms": now_ms}).fetchone())
