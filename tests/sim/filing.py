"""Orders, transfers and stocktakes as the bytes on a disk say."""

import sqlite3
from collections.abc import Mapping
from functools import lru_cache

from protocol.codec import unpack
from tests.shopwork.papers import Paper


def of_hub(db: sqlite3.Connection) -> dict[tuple[str, str], Paper]:
    """Every document with a course that the hub has."""
    found = db.execute(
        "SELECT collection, document_id, fields FROM document"
        " WHERE collection IN ('orders', 'transfers', 'stocktakes') ORDER BY collection, document_id"
    )
    return {(c, i): Paper(c, i, fields_of(bytes(fields))) for c, i, fields in found}


def of_node(db: sqlite3.Connection) -> dict[tuple[str, str], Paper]:
    """Every one that a node shows."""
    found = db.execute(
        "SELECT collection, id, shown FROM document"
        " WHERE collection IN ('orders', 'transfers', 'stocktakes') ORDER BY collection, id"
    )
    return {(c, i): Paper(c, i, held) for c, i, b in found if (held := fields_of(bytes(b)))}


@lru_cache(maxsize=4_000)
def fields_of(packed: bytes) -> Mapping[str, tuple[int, object]]:
    """Rank and value of each field in these bytes."""
    rows: list[list[object]] = unpack(packed)  # type: ignore[assignment]
    return {str(name): (int(str(rank)), value) for name, _, rank, value, _ in rows}
