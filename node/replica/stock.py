"""Reading the view: what is on the shelves, here and at the neighbours'.

Invariant: these functions only read `counter.value`, which the view keeps; a row of stock sums the lots of one SKU at
one location.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

from node.replica import search
from node.replica.catalogued import Catalogued
from node.replica.cursors import read_texts, write_cursor
from node.replica.lots import Lots, on_hand, packed_values
from protocol.limits import DOCUMENTS_EXAMINED_MAX
from protocol.picking import Standing
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "stock.sql")
_NO_WORDS: Final = '""'
"""What finds nothing: an empty text is no expression of FTS5."""


class StockRow(NamedTuple):
    """Quantities of one SKU at one location, in base units."""

    location: str
    sku: str
    on_hand: int
    reserved: int
    in_transit: int
    granted: int
    hub_seq: int
    """Largest of the counters; 0 when the hub has not sent any."""
    lots_on_hand: int = 0
    """Lots of which something is there."""
    held: int = 0
    """On hand of lots that are expired, held or recalled."""
    name: str | None = None
    """What the catalogue calls it."""
    minimum: int | None = None
    """Below this it is low there."""

    @property
    def available(self) -> int:
        """What can still be promised."""
        return self.on_hand - self.reserved - self.granted - self.held


class LotRow(NamedTuple):
    """The same for one lot; "" is stock without a lot."""

    lot: str
    on_hand: int
    reserved: int
    in_transit: int
    granted: int
    hub_seq: int
    expiry: str | None = None
    """The last day on which it may be used, as YYYY-MM-DD."""
    standing: Standing = Standing.OK
    """Whether it may be used there today."""

    @property
    def available(self) -> int:
        """What can still be promised of it: nothing of what may not be used, so that the lots of a row sum to it."""
        held = 0 if self.standing is Standing.OK else max(0, self.on_hand)
        return self.on_hand - self.reserved - self.granted - held


class Shelf(NamedTuple):
    """What recording a line needs to know of its SKU at its location."""

    in_lot: int
    """On hand in the line's lot."""
    on_hand: int
    promised: int
    """Reserved and granted, which is not available."""
    lots_on_hand: int
    """Lots of which something is there."""
    described: bytes | None
    """What the catalogue says of the SKU, packed, if it speaks of lots or a witness; b"" if not, None when it says nothing."""
    held: int = 0
    """As in a row of stock; worked out by whoever needs it."""

    @property
    def available(self) -> int:
        """As in a row of stock."""
        return self.on_hand - self.promised - self.held

    @property
    def is_described(self) -> bool:
        """Whether the catalogue has the SKU."""
        return self.described is not None

    @property
    def is_lot_tracked(self) -> bool:
        """Whether the catalogue asks for a lot on each line of it."""
        return packed_values(self.described).get("lot_tracked") is True if self.described else False

    @property
    def needs_witness(self) -> bool:
        """Whether the catalogue asks for a second person when some of it leaves."""
        return packed_values(self.described).get("witness") is True if self.described else False


@dataclass(frozen=True, slots=True)
class StockQuery:
    """What to list; None does not restrict."""

    location: str | None = None
    sku: str | None = None
    q: str | None = None
    """Part of a SKU code, any case, or what words of its document begin with."""
    below_minimum: bool = False
    """Only where less is available than the minimum."""
    expiring_by: str | None = None
    """Only what has goods on hand of a lot that expires until this day, YYYY-MM-DD, or has expired."""
    limit: int = 100
    cursor: str | None = None
    """Where the page before ended."""


def page(
    db: sqlite3.Connection, query: StockQuery, now_ms: int
) -> tuple[list[StockRow], str | None]:
    """The rows that fit, by location and SKU, at most `limit`, and the cursor of the next page if there may be one.

    `now_ms`, UTC milliseconds, decides which lots have expired.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    location_after, sku_after = ("", "") if query.cursor is None else read_texts(query.cursor, 2)
    is_searched = query.below_minimum or query.expiring_by is not None
    asked = {
        "location": query.location,
        "sku": query.sku,
        "pattern": None if query.q is None else f"%{_escape_like(query.q)}%",
        "words": search.match_of(query.q or "") or _NO_WORDS,
        "location_after": location_after,
        "sku_after": sku_after,
        "limit": DOCUMENTS_EXAMINED_MAX if is_searched else query.limit,
    }
    said = _Said(Catalogued(db), Lots(db, now_ms))
    rows = db.execute(_SQL[_best_index(query)], asked).fetchall()
    found: list[StockRow] = []
    for examined, each in enumerate(rows, start=1):
        row = _with_catalogue(db, StockRow(*each), said)
        if not is_searched or _is_asked_for(db, query, row, said.lots):
            found.append(row)
        if len(found) == query.limit or examined == asked["limit"]:
            return found, write_cursor([row.location, row.sku])
    return found, None


class _Said(NamedTuple):
    """What documents say of rows of stock."""

    catalogue: Catalogued
    lots: Lots


def _with_catalogue(db: sqlite3.Connection, row: StockRow, said: _Said) -> StockRow:
    catalogue = said.catalogue
    name, minimum = catalogue.sku(row.sku).name, catalogue.minimum(row.location, row.sku)
    held = 0
    if row.lots_on_hand:  # most SKUs have none, and pay nothing for them
        there = on_hand(db, row.location, row.sku)
        held = said.lots.held(row.location, row.sku, there)
    return row._replace(held=held, name=name, minimum=minimum)


def _is_asked_for(db: sqlite3.Connection, query: StockQuery, row: StockRow, said: Lots) -> bool:
    if query.below_minimum and (row.minimum is None or row.available >= row.minimum):
        return False
    if query.expiring_by is None:
        return True
    if not row.lots_on_hand:
        return False
    there = on_hand(db, row.location, row.sku)
    goods = said.facts(row.sku, (lot for lot, amount in there.items() if amount > 0))
    days = (facts.expiry for facts in goods.values())
    return any(day is not None and day <= query.expiring_by for day in days)


def lots(db: sqlite3.Connection, location: str, sku: str, now_ms: int) -> list[LotRow]:
    """The lots of one SKU at one location, by code; [] for a pair that nobody ever touched."""
    found, said = _lots(db, location, sku), Lots(db, now_ms)
    named = [row.lot for row in found if row.lot]
    facts, standings = said.facts(sku, named), said.standings(location, sku, named)
    return [
        row._replace(expiry=facts[row.lot].expiry, standing=standings[row.lot]) if row.lot else row
        for row in found
    ]


def _lots(db: sqlite3.Connection, location: str, sku: str) -> list[LotRow]:
    return [LotRow(*row) for row in db.execute(_SQL["lots"], {"location": location, "sku": sku})]


def location_is_known(db: sqlite3.Connection, location: str) -> bool:
    """Whether anything was ever counted there, or the catalogue describes it."""
    return _exists(db, "location_is_counted", location=location) or _described(
        db, "locations", location
    )


def sku_is_known(db: sqlite3.Connection, sku: str) -> bool:
    """Whether it was ever counted anywhere, or the catalogue describes it."""
    return _exists(db, "sku_is_counted", sku=sku) or sku_is_described(db, sku)


def sku_is_described(db: sqlite3.Connection, sku: str) -> bool:
    """Whether the catalogue has it."""
    return _described(db, "skus", sku)


def is_touched(db: sqlite3.Connection, location: str, sku: str) -> bool:
    """Whether anybody ever counted a SKU at a location, be it to nothing."""
    return _exists(db, "pair_is_counted", location=location, sku=sku)


def totals(db: sqlite3.Connection, location: str, sku: str, now_ms: int) -> StockRow:
    """One SKU at one location over all lots; zeros for a pair that nobody ever touched."""
    row = db.execute(_SQL["sku_totals"], {"location": location, "sku": sku}).fetchone()
    said = _Said(Catalogued(db), Lots(db, now_ms))
    return _with_catalogue(db, StockRow(location, sku, *row), said)


def shelf(db: sqlite3.Connection, location: str, sku: str, lot: str) -> Shelf:
    """One SKU at one location as a line that names this lot finds it."""
    asked = {"location": location, "sku": sku, "lot": lot}
    return Shelf(*db.execute(_SQL["shelf"], asked).fetchone())


def _best_index(query: StockQuery) -> str:
    # SQLite plans before it sees the parameters, so the choice that depends on them is made here.
    if query.sku is not None:
        return "page_of_sku"
    if query.q is not None:
        return "page_matching"
    return "page" if query.location is None else "page_at_location"


def _described(db: sqlite3.Connection, collection: str, id_: str) -> bool:
    return _exists(db, "document_exists", collection=collection, id=id_)


def _exists(db: sqlite3.Connection, query: str, **parameters: str) -> bool:
    return bool(db.execute(_SQL[query], parameters).fetchone()[0])


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
