"""Which nodes of the chain were revoked or are retired, as the hub signed it.

Invariant: every record here carries the signature of the chain's hub; none is ever deleted. A hub that was put back to a
backup from before learns of them again from any node that shows up.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final, NamedTuple

from protocol.declarations.naming import EVERY_LOCATION
from protocol.departure import mark, place_digest, read_kept
from protocol.ids import NodeId
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "departures.sql")
_EVERYWHERE: Final = place_digest(EVERY_LOCATION)


def read_all(db: sqlite3.Connection) -> dict[NodeId, bytes]:
    """Every departure that is kept, by node."""
    return {NodeId(node): bytes(record) for node, record in db.execute(_SQL["all"])}


def keep(db: sqlite3.Connection, news: Mapping[NodeId, bytes]) -> None:
    """Keep verified records, each in place of an older one of its node."""
    db.executemany(
        _SQL["keep"], [{"node": node, "record": record} for node, record in news.items()]
    )
    for record in news.values():
        departure = read_kept(record)
        said = {"at": departure.at_ms, "mark": mark(record)}
        db.executemany(_SQL["force_reset"], [said | {"place": place} for place in departure.held])


class ForcedResets(NamedTuple):
    """Of which locations credentials open nothing that were set without knowing of a revocation."""

    by_place: Mapping[bytes, tuple[int, str]]
    """When it was, and its mark, by the location's digest."""

    def mark_at(self, location: str) -> str | None:
        """What a credential of a location must carry; None where any opens."""
        places = (place_digest(location), _EVERYWHERE)
        found = [self.by_place[place] for place in places if place in self.by_place]
        return max(found)[1] if found else None


def forced_resets(db: sqlite3.Connection) -> ForcedResets:
    """All of them."""
    rows = db.execute(_SQL["forced_resets"])
    return ForcedResets({row["place"]: (row["at"], row["mark"]) for row in rows})


def mark_at(db: sqlite3.Connection, location: str) -> str | None:
    """The same as `ForcedResets.mark_at`, of one location alone."""
    asked = {"place": place_digest(location), "everywhere": _EVERYWHERE}
    row = db.execute(_SQL["forced_reset_at"], asked).fetchone()
    return None if row is None else row["mark"]
