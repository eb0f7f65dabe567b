"""Stock status: what there is of everything that was ever counted, in rows of the caller's choice, and the chain's totals.

Invariant: however it is cut into rows, the same positions are added up: the rows of one report sum to its totals, and those
are the sums of the counters. What belongs to a position as a whole (below its minimum, below zero) is not told of a lot.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from node.replica.cursors import read_texts, write_cursor
from node.reports.coverage import location_notes
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.ordered import Once, piece_of
from node.reports.positions import (
    LotAmounts,
    Position,
    Wanted,
    is_walkable,
    level_notes,
    require_walkable,
    totals_notes,
    walk,
)
from node.reports.sayings import Said, Sayings
from protocol.limits import REPORT_EXAMINED_MAX


class By(StrEnum):
    """What a row is of."""

    POSITION = "position"
    """One SKU at one location."""
    LOT = "lot"
    """One lot of one SKU at one location."""
    SKU = "sku"
    """One SKU in the whole chain."""
    LOCATION = "location"
    CATEGORY = "category"
    SUPPLIER = "supplier"


_KEY_TEXTS: Final[Mapping[By, int]] = {By.SKU: 1, By.POSITION: 2, By.LOT: 3}
"""What the rows of those that are read in order are told apart by: SKU, location, lot."""


class _Looked(NamedTuple):
    """Something that was looked at, in order; `row` is None where it was not asked for."""

    key: tuple[str, ...]
    row: Row | None
    positions: int


class Tally:
    """Positions added up."""

    def __init__(self) -> None:
        self.skus = self.positions = self.below = self.negative = 0
        self.on_hand = self.reserved = self.granted = self.held = self.in_transit = 0
        self._last_sku: str | None = None

    def add(self, position: Position) -> None:
        """Add one; those of one SKU come one after the other."""
        self.skus += position.sku != self._last_sku
        self._last_sku = position.sku
        self.positions += 1
        self.below += position.is_below
        self.negative += position.on_hand < 0
        self.add_lots(position.lots)

    def add_lots(self, lots: Iterable[LotAmounts]) -> None:
        """Add goods alone."""
        for lot in lots:
            self.on_hand += lot.on_hand
            self.reserved += lot.reserved
            self.granted += lot.granted
            self.held += lot.held
            self.in_transit += lot.in_transit

    def quantities(self) -> dict[str, object]:
        """In base units."""
        return {
            "on_hand": self.on_hand,
            "reserved": self.reserved,
            "granted": self.granted,
            "held": self.held,
            "available": self.on_hand - self.reserved - self.granted - self.held,
            "incoming": self.in_transit,
        }

    def counts(self) -> dict[str, object]:
        """How many of what."""
        return {
            "skus": self.skus,
            "positions": self.positions,
            "below": self.below,
            "negative": self.negative,
        }


@dataclass(frozen=True, slots=True)
class _Sum:
    """Everything asked for, and the same by group."""

    total: Tally
    groups: dict[str, Tally]
    """By what they have in common; "" is those that have none of it."""


@dataclass(frozen=True, slots=True)
class StockStatus:
    """The report."""

    wanted: Wanted
    by: By = By.POSITION
    only_below: bool = field(default=False, kw_only=True)
    """Only positions of which less is available than their minimum."""
    _sums: Once[_Sum] = field(default_factory=Once, init=False, compare=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """See Report."""
        location = self.wanted.location
        found = (*location_notes(db, moment, location), *level_notes(db, moment, location))
        return (*found, *totals_notes(db, self.wanted))

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object] | None:
        """See Report; None where it is too much."""
        if not is_walkable(db, self.wanted):
            return None
        total = self._summed(db, moment).total
        return {**total.counts(), **total.quantities()}

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """See Report: by SKU, location and lot, or by what a group has in common, those without it first."""
        if self.by not in _KEY_TEXTS:
            return self._groups(db, moment, span)
        after = None if span.cursor is None else tuple(read_texts(span.cursor, _KEY_TEXTS[self.by]))
        begin = ("", "") if after is None else (after[0], (*after, "")[1])
        rows: list[Row] = []
        examined, last = 0, after
        for looked in self._looked_at(db, moment, begin):
            if after is not None and looked.key <= after:
                continue
            if last is not None and (len(rows) == span.limit or examined >= REPORT_EXAMINED_MAX):
                return Piece(rows, write_cursor(last))
            examined += looked.positions
            last = looked.key
            if looked.row is not None:
                rows.append(looked.row)
        return Piece(rows, None)

    def _looked_at(
        self, db: sqlite3.Connection, moment: Moment, begin: tuple[str, str]
    ) -> Iterator[_Looked]:
        sayings = Sayings(db, moment)
        positions = walk(db, moment, self.wanted, sayings, begin)
        match self.by:
            case By.SKU:
                for sku, found in groupby(positions, key=attrgetter("sku")):
                    yield self._of_sku(sku, list(found), sayings)
            case By.LOT:
                for one in positions:
                    for lot in one.lots:
                        row = _lot_row(one, lot, sayings) if self._is_wanted(one) else None
                        yield _Looked((one.sku, one.location, lot.lot), row, 1)
            case _:
                for one in positions:
                    row = _position_row(one, sayings) if self._is_wanted(one) else None
                    yield _Looked((one.sku, one.location), row, 1)

    def _of_sku(self, sku: str, found: list[Position], sayings: Sayings) -> _Looked:
        tally = Tally()
        for one in found:
            if self._is_wanted(one):
                tally.add(one)
        row = None
        if tally.positions:
            said = _said_json(found[0].said, sayings)
            row = _row({"sku": sku, **said}, tally.quantities(), tally.counts())
        return _Looked((sku,), row, len(found))

    def _groups(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        require_walkable(db, self.wanted)
        groups, sayings = self._summed(db, moment).groups, Sayings(db, moment)
        rows = [((key,), self._group_row(key, groups[key], sayings)) for key in sorted(groups)]
        return piece_of(rows, span, (str,))

    def _group_row(self, key: str, tally: Tally, sayings: Sayings) -> Row:
        head: dict[str, object] = {self.by.value: key or None}
        if self.by is By.SUPPLIER:
            head["supplier_name"] = sayings.supplier_name(key or None)
        return _row(head, tally.quantities(), tally.counts())

    def _summed(self, db: sqlite3.Connection, moment: Moment) -> _Sum:
        return self._sums.get(lambda: self._add_up(db, moment))

    def _add_up(self, db: sqlite3.Connection, moment: Moment) -> _Sum:
        found = _Sum(Tally(), {})
        for one in walk(db, moment, self.wanted, Sayings(db, moment)):
            if self._is_wanted(one):
                found.total.add(one)
                if self.by not in _KEY_TEXTS:
                    found.groups.setdefault(self._group(one), Tally()).add(one)
        return found

    def _group(self, position: Position) -> str:
        match self.by:
            case By.CATEGORY:
                return position.said.category or ""
            case By.SUPPLIER:
                return position.said.supplier or ""
            case _:
                return position.location

    def _is_wanted(self, position: Position) -> bool:
        return self.wanted.fits(position.said) and (position.is_below or not self.only_below)


def _position_row(position: Position, sayings: Sayings) -> Row:
    tally = Tally()
    tally.add(position)
    head = {"sku": position.sku, "location": position.location, "minimum": position.minimum}
    said = _said_json(position.said, sayings)
    return _row({**head, **said}, tally.quantities(), tally.counts())


def _lot_row(position: Position, lot: LotAmounts, sayings: Sayings) -> Row:
    tally = Tally()
    tally.add_lots([lot])
    head = {
        "sku": position.sku,
        "location": position.location,
        "lot": lot.lot or None,
        "expiry": lot.facts.expiry,
        "standing": lot.standing.value if lot.lot else None,
    }
    said = _said_json(position.said, sayings)
    return _row({**head, **said}, tally.quantities(), dict.fromkeys(tally.counts()))


def _said_json(said: Said, sayings: Sayings) -> dict[str, object]:
    return {
        "name": said.name,
        "category": said.category,
        "supplier": said.supplier,
        "supplier_name": sayings.supplier_name(said.supplier),
    }


_HEAD: Final = (
    *("sku", "name", "location", "lot", "expiry", "standing"),
    *("category", "supplier", "supplier_name", "minimum"),
)


def _row(
    head: Mapping[str, object], quantities: Mapping[str, object], counts: Mapping[str, object]
) -> Row:
    """What is not told of such a row is None."""
    return {**{name: head.get(name) for name in _HEAD}, **counts, **quantities}
