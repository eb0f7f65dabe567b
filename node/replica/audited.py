"""Everything that is recorded here, newest first: the log, what left it, and others' movements at this node's locations.

Invariant: each operation held is given exactly once by a walk from the newest on; the three places that hold them are
each walked in their own order, and merged by when they were recorded.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from node.replica.cursors import number_of, read_texts, write_cursor
from protocol.audit import Record, record_of
from protocol.ids import ReplicaId, Seq
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "audited.sql")
_NEWEST: Final = 2**62
_AT_ONCE: Final = 100

_Of = Callable[[sqlite3.Row], tuple[int, Record]]


class Walk(NamedTuple):
    """How far a walk has come: the oldest place looked at of each source, all newer ones done."""

    log: int = _NEWEST
    movements: int = _NEWEST
    kept: int = _NEWEST

    def to_cursor(self) -> str:
        """As callers hand it back."""
        return write_cursor([str(place) for place in self])

    @classmethod
    def of_cursor(cls, cursor: str) -> "Walk":
        """Read a cursor.

        Raises:
            Refusal: `validation_failed`.
        """
        return cls(*map(number_of, read_texts(cursor, 3)))


def newest(db: sqlite3.Connection, me: ReplicaId, walk: Walk) -> Iterator[tuple[Record, Walk]]:
    """Records from a place on, newest first, each with the walk after it."""

    def own(row: sqlite3.Row) -> tuple[int, Record]:
        return row["seq"], record_of(me, Seq(row["seq"]), row["body"])

    def movement(row: sqlite3.Row) -> tuple[int, Record]:
        replica, seq = ReplicaId(row["replica"]), Seq(row["seq"])
        return row["position"], record_of(replica, seq, row["body"])

    def kept(row: sqlite3.Row) -> tuple[int, Record]:
        return row["position"], record_of(me, Seq(0), row["body"])

    sources = [
        _source(db, "log", walk.log, own),
        _source(db, "movements", walk.movements, movement),
        _source(db, "kept", walk.kept, kept),
    ]
    places = list(walk)
    heads = [next(source, None) for source in sources]
    while found := [(head[1].recorded_at_ms, -at) for at, head in enumerate(heads) if head]:
        at = -max(found)[1]
        head = heads[at]
        assert head is not None, "found among those that are there"
        places[at] = head[0]
        heads[at] = next(sources[at], None)
        yield head[1], Walk(*places)


def _source(
    db: sqlite3.Connection, query: str, before: int, of: _Of
) -> Iterator[tuple[int, Record]]:
    """One of the places, in pieces, since its rows may be large and few of them be wanted."""
    while rows := db.execute(_SQL[query], {"before": before, "limit": _AT_ONCE}).fetchall():
        for row in rows:
            yield of(row)
        before = rows[-1][0]
