"""Valuation: what the stock is worth at what it cost, or at what it sells for; by SKU, category or location.

Invariants:
- Amounts of two currencies are never added up. A row is of one currency, and the totals have one sum for each.
- A SKU that nobody priced is listed and counted, with no value; it is never worth a silent 0.
- What is below zero at a location stands apart: shelves that owe goods do not make those of another shop worth less. A
  position is judged over all of its lots. What is there and what is below zero add up to the counters.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from node.replica.cursors import read_texts, write_cursor
from node.reports.coverage import cost_notes, location_notes
from node.reports.frame import Moment, Note, Piece, Row, Span, Sums
from node.reports.ordered import Once, piece_of
from node.reports.positions import (
    Position,
    Wanted,
    is_walkable,
    require_walkable,
    totals_notes,
    walk,
)
from node.reports.sayings import Money, Said, Sayings
from protocol.limits import REPORT_EXAMINED_MAX, REPORT_NAMES_MAX


class By(StrEnum):
    """What a row is of; of each currency that occurs in it there is one."""

    SKU = "sku"
    CATEGORY = "category"
    LOCATION = "location"


class At(StrEnum):
    """What a base unit counts."""

    COST = "cost"
    PRICE = "price"


class _Key(NamedTuple):
    """Of a group: what its SKUs have in common, "" for none of it, and the currency, "" where nobody priced them."""

    group: str
    currency: str


class _Tally:
    """Positions of one currency added up."""

    def __init__(self) -> None:
        self.skus = self.quantity = self.below_zero = self.value = self.below_zero_value = 0
        self._last_sku: str | None = None

    def add(self, position: Position, unit: Money | None) -> None:
        """Add one, those of one SKU one after the other."""
        self.skus += position.sku != self._last_sku
        self._last_sku = position.sku
        on_hand, amount = position.on_hand, 0 if unit is None else unit.amount
        self.quantity += max(on_hand, 0)
        self.below_zero += min(on_hand, 0)
        self.value += max(on_hand, 0) * amount
        self.below_zero_value += min(on_hand, 0) * amount


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything asked for, by currency, and the same by group."""

    total: dict[str, _Tally]
    """By currency; "" is what nobody priced."""
    groups: dict[_Key, _Tally]
    unpriced: list[str]
    """The first SKUs that nobody priced."""


_HEAD: Final = ("sku", "name", "category", "location", "currency", "unit_value")


@dataclass(frozen=True, slots=True)
class Valuation:
    """The report."""

    wanted: Wanted
    by: By = By.SKU
    at: At = At.COST
    only_unpriced: bool = field(default=False, kw_only=True)
    """Only what nobody priced."""
    _found: Once[_Found] = field(default_factory=Once, init=False, compare=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """See Report."""
        costs = cost_notes(moment) if self.at is At.COST else ()
        found = (*location_notes(db, moment, self.wanted.location), *costs)
        return (*found, *totals_notes(db, self.wanted))

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object] | None:
        """See Report; None where it is too much."""
        if not is_walkable(db, self.wanted):
            return None
        found = self._sum(db, moment)
        values, below, unpriced = Sums(), Sums(), found.total.get("", _Tally())
        for currency, tally in found.total.items():
            if currency:
                values.add(tally.value, currency)
                below.add(tally.below_zero_value, currency)
        return {
            "at": self.at.value,
            "skus": sum(tally.skus for tally in found.total.values()),
            "quantity": sum(tally.quantity for tally in found.total.values()),
            "below_zero": sum(tally.below_zero for tally in found.total.values()),
            "values": values.shown(),
            "below_zero_values": below.shown(),
            "unpriced": {
                "skus": unpriced.skus,
                "quantity": unpriced.quantity,
                "below_zero": unpriced.below_zero,
                "names": found.unpriced,
            },
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """See Report: by SKU; or by what a group has in common and currency, those without it first."""
        if self.by is not By.SKU:
            return self._groups(db, moment, span)
        (after,) = ("",) if span.cursor is None else read_texts(span.cursor, 1)
        rows: list[Row] = []
        examined, last = 0, after
        positions = walk(db, moment, self.wanted, Sayings(db, moment), (after, ""))
        for sku, of_sku in groupby(positions, key=attrgetter("sku")):
            if sku == after:
                continue
            if last and (len(rows) == span.limit or examined >= REPORT_EXAMINED_MAX):
                return Piece(rows, write_cursor([last]))
            found = list(of_sku)
            examined, last = examined + len(found), sku
            if (row := self._sku_row(sku, found)) is not None:
                rows.append(row)
        return Piece(rows, None)

    def _sku_row(self, sku: str, found: list[Position]) -> Row | None:
        said, tally = found[0].said, _Tally()
        unit = self._unit(said)
        for one in found:
            if self._is_wanted(one):
                tally.add(one, unit)
        if not tally.skus:
            return None
        head = {"sku": sku, "name": said.name, "category": said.category}
        return _row({**head, "unit_value": unit and unit.amount}, unit and unit.currency, tally)

    def _groups(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        require_walkable(db, self.wanted)
        groups = self._sum(db, moment).groups
        rows = [
            (
                tuple(key),
                _row({self.by.value: key.group or None}, key.currency or None, groups[key]),
            )
            for key in sorted(groups)
        ]
        return piece_of(rows, span, (str, str))

    def _sum(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        return self._found.get(lambda: self._add_up(db, moment))

    def _add_up(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        found = _Found({}, {}, [])
        for one in walk(db, moment, self.wanted, Sayings(db, moment)):
            if not self._is_wanted(one):
                continue
            unit = self._unit(one.said)
            currency = "" if unit is None else unit.currency
            found.total.setdefault(currency, _Tally()).add(one, unit)
            key = _Key(self._group(one), currency)
            found.groups.setdefault(key, _Tally()).add(one, unit)
            is_told = found.unpriced[-1:] == [one.sku]
            if unit is None and not is_told and len(found.unpriced) < REPORT_NAMES_MAX:
                found.unpriced.append(one.sku)
        return found

    def _group(self, position: Position) -> str:
        match self.by:
            case By.CATEGORY:
                return position.said.category or ""
            case By.LOCATION:
                return position.location
            case By.SKU:  # each is its own row: nothing is kept for it
                return ""

    def _unit(self, said: Said) -> Money | None:
        return said.cost if self.at is At.COST else said.price

    def _is_wanted(self, position: Position) -> bool:
        # Where there is nothing, nothing is worth anything, whatever it costs.
        if position.on_hand == 0 or not self.wanted.fits(position.said):
            return False
        return not self.only_unpriced or self._unit(position.said) is None


def _row(head: Mapping[str, object], currency: str | None, tally: _Tally) -> Row:
    is_priced = currency is not None
    return {
        **{name: head.get(name) for name in _HEAD},
        "currency": currency,
        "skus": tally.skus,
        "quantity": tally.quantity,
        "value": tally.value if is_priced else None,
        "below_zero": tally.below_zero,
        "below_zero_value": tally.below_zero_value if is_priced else None,
    }
