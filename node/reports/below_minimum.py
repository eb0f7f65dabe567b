"""Below minimum: what a location has too little of, or soon will, with what to order of whom.

Invariants:
- What to order is what `/v1/orders/suggested` says and drafts at the same moment, worked out by the same pure table: whole
  packs, at least the reorder quantity, and what is on its way or on an order counts.
- What is below a minimum that only the catalogue gives is listed too; nothing is suggested of it, since nobody keeps it here
  on purpose.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from node.commands import suggesting
from node.commands.suggesting import Looked
from node.commands.suggesting import Wanted as Order
from node.reports.coverage import location_notes
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.ordered import Keyed, Once, piece_of
from node.reports.positions import Wanted, level_notes, walk
from node.reports.sayings import Said, Sayings
from protocol.limits import SUGGESTED_SKUS_MAX
from protocol.workflows.replenishment import Position, Suggestion, suggest


class _Low(NamedTuple):
    """One SKU that the location has, or soon will have, too little of."""

    sku: str
    said: Said
    minimum: int
    available: int
    kept: Position | None
    """What suggestions are worked out from; None where it has no level here."""
    suggestion: Suggestion | None


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything asked for."""

    rows: list[Keyed]
    below: int
    to_order: int
    suppliers: int
    """To order from; one more if something is to be ordered that nobody is said to deliver."""


@dataclass(frozen=True, slots=True)
class BelowMinimum:
    """The report. Of the order's location; a category or a supplier restricts which of its SKUs are shown."""

    order: Order
    category: str | None = None
    supplier: str | None = None
    _once: Once[_Found] = field(default_factory=Once, init=False, compare=False)
    _looked: Once[Looked] = field(default_factory=Once, init=False, compare=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """See Report."""
        location = self.order.location
        found = (*location_notes(db, moment, location), *level_notes(db, moment, location))
        if self._look(db, moment).is_whole:
            return found
        told = "Only the first SKUs with a level here, by code, were looked at for what to order."
        return (*found, Note("levels_left_out", told, SUGGESTED_SKUS_MAX))

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """See Report."""
        found = self._find(db, moment)
        return {
            "below": found.below,
            "to_order": found.to_order,
            "suppliers": found.suppliers,
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """See Report: by the supplier's name and SKU, what nobody is said to deliver first."""
        return piece_of(self._find(db, moment).rows, span, (str, str, str))

    def _look(self, db: sqlite3.Connection, moment: Moment) -> Looked:
        return self._looked.get(lambda: suggesting.looked_at(db, self.order, moment.now_ms))

    def _find(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        return self._once.get(lambda: self._work_out(db, moment))

    def _work_out(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        sayings = Sayings(db, moment)
        wanted = Wanted(self.order.location, None, self.category, self.supplier)
        packs = self._look(db, moment).packs
        lows = [low for low in self._lows(db, moment, sayings) if wanted.fits(low.said)]
        rows = []
        for low in lows:
            name = sayings.supplier_name(low.said.supplier)
            pack = packs[low.sku].name if low.suggestion else None
            key = (name or "", low.said.supplier or "", low.sku)
            rows.append((key, _row(low, self.order.location, name, pack)))
        ordered = [low for low in lows if low.suggestion is not None]
        return _Found(
            sorted(rows, key=lambda keyed: keyed[0]),
            below=sum(low.available < low.minimum for low in lows),
            to_order=len(ordered),
            suppliers=len({low.said.supplier for low in ordered}),
        )

    def _lows(self, db: sqlite3.Connection, moment: Moment, sayings: Sayings) -> Iterator[_Low]:
        looked = self._look(db, moment)
        days = {"lead_days": self.order.lead_days, "used_days": self.order.used_days}
        found = suggest(looked.positions, **days)
        to_order = {line.sku: line for lines in found.values() for line in lines}
        kept = {one.sku: one for one in looked.positions}
        for sku, one in kept.items():
            minimum = one.minimum
            if minimum is not None and (one.available < minimum or sku in to_order):
                yield _Low(sku, sayings.of(sku), minimum, one.available, one, to_order.get(sku))
        for there in walk(db, moment, Wanted(self.order.location), sayings):
            is_kept = there.sku in kept or there.said.is_archived
            if there.minimum is not None and there.is_below and not is_kept:
                yield _Low(there.sku, there.said, there.minimum, there.available, None, None)


def _row(low: _Low, location: str, supplier_name: str | None, pack: str | None) -> Row:
    kept, suggestion = low.kept, low.suggestion
    return {
        "supplier": low.said.supplier,
        "supplier_name": supplier_name,
        "location": location,
        "sku": low.sku,
        "name": low.said.name,
        "category": low.said.category,
        "minimum": low.minimum,
        "available": low.available,
        "below": low.available < low.minimum,
        "missing": max(0, low.minimum - low.available),
        "incoming": kept and kept.incoming,
        "drafted": kept and kept.drafted,
        "used": kept and kept.used,
        "order_quantity": suggestion and suggestion.quantity,
        "pack": pack,
        "packs": suggestion and suggestion.packs,
    }
