"""What there is to find in one snapshot, source by source, and how far was looked.

Invariant: each function looks at a bounded piece. What it returns is all that there is to find in the sources it names, for
a node that may know what people say of it (`Rights`), so what is listed of them and not returned has gone.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

from node.exceptions.listed import Noticed
from node.replica import documents, identity, owing, scopes
from node.replica.owing import Mark
from protocol.certificate import Certificate, Role
from protocol.codec import pack
from protocol.declarations.naming import id_of
from protocol.effects import DocumentKey
from protocol.findings import noticing
from protocol.findings.finding import Finding, source_of
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "looking.sql")
PIECE_DOCUMENTS: Final = 20
"""Looked at in one read: some tens of milliseconds of a reader where all are as large as they can be."""
PIECE_OF_CATALOGUE: Final = 200
"""The same of SKUs and lots, which are small and come by the ten thousand."""
PIECE_SHELVES: Final = 50
PIECE_OPERATIONS: Final = 50

Shelf = tuple[str, str]
"""A location and a SKU."""


class Rights(NamedTuple):
    """What a node lists exceptions of."""

    locations: frozenset[str]
    """Those that it writes."""
    is_office: bool

    def packed(self) -> bytes:
        """For comparing with those of before."""
        return pack([self.is_office, sorted(self.locations)])

    def includes(self, location: str) -> bool:
        """Whether it lists what is about a location."""
        return self.is_office or location in self.locations

    def lists(self, finding: Finding) -> bool:
        """Whether it lists a finding."""
        places = [one for one in (finding.location, finding.other_location) if one]
        return not places or any(self.includes(one) for one in places)


class Looked(NamedTuple):
    """A piece that was looked at."""

    noticed: list[Noticed]
    upto: Mark | None
    """Of the last that was looked at; None for nothing."""
    is_all: bool


def rights_of(certificate: Certificate) -> Rights:
    """What a node lists exceptions of."""
    return Rights(frozenset(certificate.writes), certificate.role is Role.OFFICE)


def is_ready(db: sqlite3.Connection) -> bool:
    """Whether everything was once read to its end: half a catalogue looks like goods that nobody has described."""
    return identity.read_position(db).epoch is not None and scopes.all_caught_up(db)


def documents_after(db: sqlite3.Connection, collection: str, at: Mark, rights: Rights) -> Looked:
    """What there is to find in some documents of a collection that changed since, oldest change first."""
    limit = PIECE_OF_CATALOGUE if collection in noticing.SIGNS else PIECE_DOCUMENTS
    changed = owing.changed_since(db, collection, at, limit)
    noticed = [_of_document(db, DocumentKey(collection, one.id), rights) for one in changed]
    return Looked(noticed, changed[-1] if changed else None, len(changed) < limit)


def shelves(db: sqlite3.Connection, asked: Iterable[Shelf], rights: Rights) -> list[Noticed]:
    """What there is to find of SKUs at locations; those of others' locations are left out."""
    return [_of_shelf(db, *shelf) for shelf in asked if rights.includes(shelf[0])]


def shelves_of(db: sqlite3.Connection, skus: Iterable[str]) -> list[Shelf]:
    """Where some SKUs were ever counted."""
    return [
        (location, sku)
        for sku in skus
        for (location,) in db.execute(_SQL["locations_of"], {"sku": sku})
    ]


def shelves_after(db: sqlite3.Connection, shelf: Shelf) -> list[Shelf]:
    """SKUs that were ever counted anywhere, in order of location and SKU, at most `PIECE_SHELVES`; () after the last."""
    location, sku = shelf
    while True:
        asked = {"location": location, "sku": sku, "limit": PIECE_SHELVES}
        found = [(location, row["sku"]) for row in db.execute(_SQL["skus_after"], asked)]
        if found:
            return found
        following = db.execute(_SQL["location_after"], {"location": location}).fetchone()
        if following is None:
            return []
        location, sku = following["location"], ""


def set_aside_after(db: sqlite3.Connection, at: Mark, rights: Rights) -> Looked:
    """What there is to find in operations of this node that the hub could not take, after a position in its log."""
    asked = {"seq": at.changed, "limit": PIECE_OPERATIONS}
    rows = db.execute(_SQL["set_aside_after"], asked).fetchall()
    noticed = []
    for row in rows:
        found = noticing.of_set_aside(
            decode(row["body"]), row["code"], row["detail"], rights.locations
        )
        noticed.append(Noticed(found[0].source, found))
    upto = Mark(rows[-1]["seq"], "") if rows else None
    return Looked(noticed, upto, len(rows) < PIECE_OPERATIONS)


def _of_document(db: sqlite3.Connection, key: DocumentKey, rights: Rights) -> Noticed:
    source, sign = source_of(key.collection, key.id), noticing.SIGNS.get(key.collection)
    if sign is not None:
        (has_sign,) = db.execute(_SQL["has_sign"], {**key._asdict(), "sign": sign}).fetchone()
        if not has_sign:
            return Noticed(source, ())
    found = noticing.of_document(key.collection, key.id, documents.states(db, key))
    return Noticed(source, tuple(one for one in found if rights.lists(one)))


def _of_shelf(db: sqlite3.Connection, location: str, sku: str) -> Noticed:
    source = source_of(noticing.SHELF, id_of([location, sku]))
    asked = {"location": location, "sku": sku}
    rows = db.execute(_SQL["on_hand"], asked).fetchall()
    if not rows:
        return Noticed(source, ())
    below = {row["lot"]: row["value"] for row in rows if row["value"] < 0}
    is_described = bool(db.execute(_SQL["is_described"], {"sku": sku}).fetchone()[0])
    return Noticed(source, noticing.of_shelf(location, sku, below, is_described=is_described))
