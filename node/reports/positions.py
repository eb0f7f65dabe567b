"""Stock positions one after the other: each SKU at each location, with its lots and what the catalogue says of it.

Invariants:
- Read in order of SKU and location, so each SKU's document is read once and forgotten: a walk holds one SKU in memory,
  however many there are.
- A position is there if anything was ever counted there, as in `node.replica.stock`, and its figures are the same:
  available is what is on hand without what is reserved, granted, or held.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from node.commands.requests import Refusal
from node.replica import lots, scopes
from node.replica.catalogued import Catalogued
from node.reports.frame import Moment, Note, note_of
from node.reports.sayings import Said, Sayings
from protocol.ids import LOCATION_SCOPES, Scope
from protocol.limits import REPORT_COUNTERS_MAX
from protocol.picking import UNDESCRIBED, LotFacts, Standing, standing
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "positions.sql")
_BEGINNING: Final = ("", "")
_STOCK, _DOCS = LOCATION_SCOPES[:2]


class LotAmounts(NamedTuple):
    """One lot of a position; "" is goods without a lot."""

    lot: str
    on_hand: int
    reserved: int
    in_transit: int
    granted: int
    facts: LotFacts
    standing: Standing

    @property
    def held(self) -> int:
        """What lies there and may not be used."""
        return 0 if self.standing is Standing.OK else max(0, self.on_hand)

    @property
    def available(self) -> int:
        """What can still be promised of it."""
        return self.on_hand - self.reserved - self.granted - self.held


class Position(NamedTuple):
    """One SKU at one location."""

    sku: str
    location: str
    said: Said
    minimum: int | None
    """By its level there, else by the catalogue."""
    lots: tuple[LotAmounts, ...]
    on_hand: int
    """Over all lots, as is what is available."""
    available: int

    @property
    def is_below(self) -> bool:
        """Whether less is available than there should be."""
        return self.minimum is not None and self.available < self.minimum


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of which positions; None does not restrict."""

    location: str | None = None
    sku: str | None = None
    category: str | None = None
    supplier: str | None = None
    """The id of its document."""

    def fits(self, said: Said) -> bool:
        """Whether SKUs of which this is said are wanted; `walk` looks after the rest."""
        return (self.category is None or said.category == self.category) and (
            self.supplier is None or said.supplier == self.supplier
        )


def walk(
    db: sqlite3.Connection,
    moment: Moment,
    wanted: Wanted,
    sayings: Sayings,
    begin: tuple[str, str] = _BEGINNING,
) -> Iterator[Position]:
    """The positions of a location, of a SKU or of everything, by SKU and location, from (SKU, location) `begin` on.

    Category and supplier are left to the caller, who counts what was looked at.
    """
    levels, goods = Catalogued(db), lots.Lots(db, moment.now_ms)
    for sku, of_sku in groupby(_rows(db, wanted, begin), key=itemgetter(0)):
        rows = list(of_sku)
        said = sayings.of(sku)
        named = {row[2] for row in rows if row[2]}
        facts = goods.facts(sku, named) if named else {}
        for location, of_location in groupby(rows, key=itemgetter(1)):
            level = levels.level(location, sku)
            minimum = said.minimum if level is None else level
            amounts = tuple([_amounts(row, facts, goods) for row in of_location])
            on_hand = available = 0
            for lot in amounts:
                on_hand += lot.on_hand
                available += lot.available
            yield Position(sku, location, said, minimum, amounts, on_hand, available)


def is_walkable(db: sqlite3.Connection, wanted: Wanted) -> bool:
    """Whether everything wanted can be added up in a while: one location, one SKU, or a chain that is not too large."""
    if wanted.location is not None or wanted.sku is not None:
        return True
    asked = {"limit": REPORT_COUNTERS_MAX + 1}
    return bool(db.execute(_SQL["count_up_to"], asked).fetchone()[0] <= REPORT_COUNTERS_MAX)


def require_walkable(db: sqlite3.Connection, wanted: Wanted) -> None:
    """Refuse to group what is too much to add up.

    Raises:
        Refusal: `too_large`.
    """
    if not is_walkable(db, wanted):
        raise Refusal("too_large", "there is too much to group at once; ask for one location")


def totals_notes(db: sqlite3.Connection, wanted: Wanted) -> tuple[Note, ...]:
    """That totals are left out, where they are."""
    if is_walkable(db, wanted):
        return ()
    told = "There is too much to add up at once; ask for the totals of one location or one SKU."
    return (Note("totals_left_out", told),)


def level_notes(db: sqlite3.Connection, moment: Moment, location: str | None) -> tuple[Note, ...]:
    """At which of the locations shown the minimums are the catalogue's alone, since their levels are not read here."""
    shown = {scope.partition(":")[2] for scope in scopes.held(db) if scope.startswith(f"{_STOCK}:")}
    shown.update(moment.certificate.writes)
    if location is not None:
        shown &= {location}
    reads = moment.certificate.reads_scope
    unread = [code for code in shown if not reads(Scope(f"{_DOCS}:{code}"))]
    if not unread:
        return ()
    told = (
        "This node does not read the levels of these locations: their minimums are the catalogue's."
    )
    return (note_of("levels_not_read", told, unread),)


def _rows(
    db: sqlite3.Connection, wanted: Wanted, begin: tuple[str, str]
) -> Iterator[tuple[str, str, str, int, int, int, int]]:
    sku_from, location_from = begin
    asked: dict[str, str | None] = {"location": wanted.location, "sku_from": sku_from}
    # SQLite plans before it sees the parameters, so the choice that depends on them is made here.
    match wanted:
        case Wanted(sku=str(sku)):
            location_from = location_from if sku_from == sku else ""
            asked = {**asked, "sku": sku, "location_from": location_from}
            return iter(db.execute(_SQL["walk_of_sku"], asked))
        case Wanted(location=str()):
            return iter(db.execute(_SQL["walk_at_location"], asked))
        case _:
            return iter(db.execute(_SQL["walk"], {**asked, "location_from": location_from}))


def _amounts(
    row: tuple[str, str, str, int, int, int, int], facts: Mapping[str, LotFacts], goods: lots.Lots
) -> LotAmounts:
    _, location, lot, on_hand, reserved, in_transit, granted = row
    said = facts[lot] if lot else UNDESCRIBED
    # The day is looked up only for lots that have a last one.
    state = standing(said, "" if said.expiry is None else goods.today(location))
    return LotAmounts(lot, on_hand, reserved, in_transit, granted, said, state)
