"""What the commands read from the database file itself, whether a daemon runs or not.

Invariant: read-only connections, one snapshot each; nothing here takes a lock or writes.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from hub.datafolder import sound
from hub.store.interface import NodeRecord, QuarantinedOperation
from hub.store.sqlite.ledger import read_quarantine
from hub.store.sqlite.nodes import read_nodes
from runtime.connection import connect_reader
from runtime.readers import read_snapshot

PAGE: Final = 500

T = TypeVar("T")


def nodes(database: Path) -> list[NodeRecord]:
    """Every node, by name; blocks. Raises: StoreUnavailable."""
    with sound(database), contextlib.closing(connect_reader(database)) as db:
        return read_snapshot(db, database, read_nodes)


def quarantine(database: Path) -> Iterator[QuarantinedOperation]:
    """Every operation without effect, oldest first, read in pages; blocks. Raises: StoreUnavailable."""
    with sound(database), contextlib.closing(connect_reader(database)) as db:
        after, more = 0, True
        while more:
            page = read_snapshot(db, database, _page_after(after))
            yield from page
            more = len(page) == PAGE
            after = page[-1].position if page else after


def _page_after(after: int) -> "Callable[..., list[QuarantinedOperation]]":
    return lambda db: read_quarantine(db, after, PAGE)
