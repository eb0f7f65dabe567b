"""Which SKUs a change of the database is about, as far as alerts go.

Invariant: whatever may change what holds of a SKU names it here: its counters, its level, its lots, what the catalogue
says of it, its rules, who has seen an alert of it elsewhere. To name one too often costs a look and changes nothing.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from node.alerting import acknowledging
from node.replica import changes, log
from node.replica.changes import Change, Changed
from protocol.declarations import COLLECTIONS
from protocol.declarations.naming import codes_of
from protocol.effects import CounterEffect, DocumentKey
from protocol.operation import decode

PIECE_CHANGES: Final = 250
PIECE_NAMED: Final = 1_000
"""Rows named after which a piece ends; the last change may bring it to twice as many."""


class Entry(NamedTuple):
    """A SKU to look at."""

    location: str | None
    """None: wherever this node looks."""
    sku: str


class Piece(NamedTuple):
    """What some changes are about."""

    upto: int
    head: int
    """The newest change; beyond `upto` there is more to read."""
    entries: dict[Entry, None]
    """Each once, in order."""
    rules: tuple[str, ...]
    """Ids of rules that changed or went."""
    has_places: bool
    """Whether a location changed, and with it perhaps its time zone."""
    gap: bool = False
    """Changes after the asked one are no longer kept, and nothing was read."""


def read_piece(db: sqlite3.Connection, after: int) -> Piece:
    """What changed after number `after` is about, some of it."""
    oldest, head = changes.bounds(db)
    if not oldest <= after <= head:
        return Piece(head, head, {}, (), has_places=True, gap=True)
    entries: dict[Entry, None] = {}
    rules: dict[str, None] = {}
    has_places, upto, named = False, after, 0
    for change in changes.after(db, after, PIECE_CHANGES):
        for about in _about(db, change):
            named += 1
            match about:
                case Entry():
                    entries[about] = None
                case DocumentKey(collection="alerts", id=rule):
                    rules[rule] = None
                case _:
                    has_places = True
        upto = change.n
        if named >= PIECE_NAMED:
            break
    return Piece(upto, head, entries, tuple(rules), has_places)


def _about(db: sqlite3.Connection, change: Change) -> Iterator[Entry | DocumentKey]:
    if isinstance(change.what, Changed):
        for location, sku in change.what.stock:
            yield Entry(location, sku)
        for key in change.what.documents:
            yield from _about_document(db, key)
        for gone in change.what.gone_documents:
            yield from _about_document(db, gone.key)
        return
    body = log.body_at(db, change.what)
    assert body is not None, "retention forgets a change before its operation is cut off the log"
    for effect in decode(body).effects:
        if isinstance(effect, CounterEffect):
            yield Entry(effect.location, effect.sku)
        else:
            yield from _about_document(db, effect.key)


def _about_document(db: sqlite3.Connection, key: DocumentKey) -> Iterator[Entry | DocumentKey]:
    match key.collection:
        case "skus":
            yield Entry(None, key.id)
        case "lots":
            yield from _coded(key, "", "sku")
        case "levels":
            yield from _coded(key, "location", "sku")
        case "alerts" | "locations":
            yield key
        case acknowledging.COLLECTION:
            if (pair := acknowledging.pair_of(db, key.id)) is not None:
                yield Entry(*pair)
        case _:
            pass


def _coded(key: DocumentKey, location: str, sku: str) -> Iterator[Entry]:
    codes = codes_of(COLLECTIONS[key.collection], key.id)
    if sku in codes:  # else it is no id of a document of ours
        yield Entry(codes[location] if location else None, codes[sku])
