"""Which nodes of the chain were revoked or are retired, as the hub signed it.

Invariant: every record here carries the signature of the chain's hub; none is ever deleted. A hub that was put back to a
backup from before learns of them again from any node that shows up.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from protocol.ids import NodeId
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "departures.sql")


def read_all(db: sqlite3.Connection) -> dict[NodeId, bytes]:
    """Every departure that is kept, by node."""
    return {NodeId(node): bytes(record) for node, record in db.execute(_SQL["all"])}


def keep(db: sqlite3.Connection, news: Mapping[NodeId, bytes]) -> None:
    """Keep verified records, each in place of an older one of its node."""
    db.executemany(
        _SQL["keep"], [{"node": node, "record": record} for node, record in news.items()]
    )
