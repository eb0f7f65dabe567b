"""Which documents are still to be looked at for what merged events left owing, and which are to be booked when.

Invariant: a document is behind the mark only after it was looked at as it was then, or later; any change of what is shown of
it puts it before the mark again. So to look once more after a crash, or under other rights, is always right.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

from protocol.certificate import Certificate
from protocol.codec import pack
from protocol.effects import DocumentKey
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "owing.sql")


class Mark(NamedTuple):
    """The document of a collection that was looked at last, by the number of its change."""

    changed: int
    id: str


START: Final = Mark(-1, "")


def rights_of(certificate: Certificate) -> bytes:
    """What decides which documents a node looks after: its role and the locations that it writes."""
    return pack([certificate.role.value, sorted(certificate.writes)])


def mark(db: sqlite3.Connection, collection: str, rights: bytes) -> Mark:
    """How far a collection was looked at under these rights; `START` when it was not."""
    row = db.execute(_SQL["read_mark"], {"collection": collection}).fetchone()
    return START if row is None or row["rights"] != rights else Mark(row["changed"], row["id"])


def save_mark(db: sqlite3.Connection, collection: str, rights: bytes, at: Mark) -> None:
    """Everything up to there was looked at."""
    db.execute(_SQL["save_mark"], {"collection": collection, "rights": rights, **at._asdict()})


def changed_since(db: sqlite3.Connection, collection: str, at: Mark, limit: int) -> list[Mark]:
    """The documents that changed since, oldest change first."""
    asked = {"collection": collection, **at._asdict(), "limit": limit}
    return [Mark(row["changed"], row["id"]) for row in db.execute(_SQL["changed_since"], asked)]


def changed_among(
    db: sqlite3.Connection, collections: Iterable[str], rights: bytes, *, before: str = ""
) -> list[str]:
    """Those collections of which documents changed since they were looked at under these rights.

    `before` stands before their names where the marks are another work's.
    """
    return [
        name
        for name in collections
        if changed_since(db, name, mark(db, f"{before}{name}", rights), 1)
    ]


def has_own_on_top(db: sqlite3.Connection, key: DocumentKey) -> bool:
    """Whether what is shown of a document is not yet what the hub has: it will be told as changed once it is."""
    return bool(db.execute(_SQL["has_own_on_top"], key._asdict()).fetchone()[0])


def put_off(db: sqlite3.Connection, key: DocumentKey, due_ms: int) -> None:
    """It owes something, to be booked here then; what was said of it before is no more."""
    db.execute(_SQL["put_off"], {**key._asdict(), "due": due_ms})


def due(db: sqlite3.Connection, now_ms: int, longest_ms: int, limit: int) -> list[DocumentKey]:
    """Those that are to be booked by now; nothing is put off for more than `longest_ms`."""
    asked = {"now": now_ms, "latest": now_ms + longest_ms, "limit": limit}
    rows = db.execute(_SQL["due"], asked)
    return [DocumentKey(row["collection"], row["id"]) for row in rows]


def end(db: sqlite3.Connection, key: DocumentKey) -> None:
    """It owes nothing any more, or was taken care of."""
    db.execute(_SQL["end"], key._asdict())
