"""What the commands read from the database file itself, whether a daemon runs or not.

Invariant: read-only connections, one snapshot each; nothing here takes a lock or writes, so a database of an older
version is left as it is, and said to be one.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from hub import shown
from hub.auditing import AuditAsked
from hub.datafolder import sound
from hub.store.fleet import NodeRecord
from hub.store.interface import QuarantinedOperation, Refused
from hub.store.records import Replacement
from hub.store.sqlite import trail
from hub.store.sqlite.backups import read_newest
from hub.store.sqlite.departures import read_replacements
from hub.store.sqlite.feed import read_history
from hub.store.sqlite.ledger import read_counts, read_quarantine
from hub.store.sqlite.nodes import is_named, read_nodes
from hub.store.sqlite.store import SCHEMA
from hub.store.trail import Found, Place, TrailPage
from protocol.errors import Code
from protocol.ids import NodeId
from runtime.connection import connect_reader
from runtime.errors import StoreUnavailable
from runtime.migrations import version_of
from runtime.readers import read_snapshot
from runtime.world import World

PAGE: Final = 500

T = TypeVar("T")


def nodes(database: Path) -> list[NodeRecord]:
    """Every node, by name; blocks. Raises: StoreError."""
    with reader(database) as db:
        return read_snapshot(db, database, read_nodes)


def quarantine(database: Path) -> Iterator[QuarantinedOperation]:
    """Every operation without effect, oldest first, read in pages; blocks. Raises: StoreError."""
    with reader(database) as db:
        after, more = 0, True
        while more:
            page = read_snapshot(db, database, _page_after(after))
            yield from page
            more = len(page) == PAGE
            after = page[-1].position if page else after


def replacements(database: Path) -> list[Replacement]:
    """Which nodes took over from which, the newest first; blocks. Raises: StoreError."""
    with reader(database) as db:
        return read_snapshot(db, database, read_replacements)


def status(database: Path) -> dict[str, object]:
    """What a daemon would say of itself, as far as the file tells; blocks. Raises: StoreError."""
    with reader(database) as db:
        return read_snapshot(db, database, _status)


def audit(database: Path, asked: AuditAsked) -> Iterator[Found]:
    """Every record that is asked for, newest first, read in pages; blocks.

    Raises: StoreError; Refused `not_found` for a node that there is not.
    """
    with reader(database) as db:
        node: NodeId | None = None
        if asked.node is not None:
            node = read_snapshot(db, database, lambda each: is_named(each, str(asked.node)))
            if node is None:
                raise Refused(Code.NOT_FOUND, f"no node is called {asked.node}")
        place: Place | None = None
        while True:
            page = read_snapshot(db, database, _trail_page(asked, node, place))
            yield from page.items
            place = page.following
            if place is None:
                return


@contextlib.contextmanager
def reader(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database of the present schema: an older one has not all that is asked for here."""
    with sound(database), contextlib.closing(connect_reader(database)) as db:
        if 0 < version_of(db) < len(SCHEMA.steps):
            raise StoreUnavailable(
                "it is of an earlier version; `everstock-hub serve` brings it up"
            )
        yield db


def _status(db: sqlite3.Connection) -> dict[str, object]:
    history, counts = read_history(db), read_counts(db, World().now_ms())
    return {
        "epoch": history.epoch.hex(),
        "chain": history.chain.hex(),
        "hub_seq": history.head.hub_seq,
        "ledger": counts.ledger,
        "quarantined": counts.quarantined,
        "codes_open": counts.codes_open,
        "connected": 0,
        "backup": shown.backup(next(iter(read_newest(db, 1)), None)),
        "replacements": list(map(shown.replacement, read_replacements(db))),
        "nodes": [{**shown.node(each), **shown.NOT_CONNECTED} for each in read_nodes(db)],
    }


def _trail_page(
    asked: AuditAsked, node: NodeId | None, place: Place | None
) -> Callable[[sqlite3.Connection], TrailPage]:
    if asked.source == "notes":
        return lambda db: trail.read_notes(db, asked.wanted, place, PAGE)
    return lambda db: trail.read_operations(db, asked.wanted, node, place, PAGE)


def _page_after(after: int) -> "Callable[..., list[QuarantinedOperation]]":
    return lambda db: read_quarantine(db, after, PAGE)
