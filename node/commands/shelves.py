"""The stock that a movement's lines touch, as it is and as each line leaves it.

Invariant: what `left` says is what the view shows once the lines are written: both add the same deltas to the same
values, in one transaction. Each (SKU, lot) is read once, however many lines name it.
"""

import sqlite3

from node.replica import stock
from node.replica.stock import Shelf
from protocol.ids import Location, Lot, Sku


class Shelves:
    """Those of one location. Made for one movement, in its transaction."""

    def __init__(self, db: sqlite3.Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._in_lot: dict[tuple[Sku, Lot], int] = {}
        self._by_sku: dict[Sku, Shelf] = {}

    def in_lot(self, sku: Sku, lot: Lot) -> int:
        """What is shown on hand for one lot, after the lines so far."""
        key = (sku, lot)
        if key not in self._in_lot:
            found = stock.shelf(self._db, self._location, sku, lot)
            self._in_lot[key] = found.in_lot
            self._by_sku.setdefault(sku, found)
        return self._in_lot[key]

    def change(self, sku: Sku, lot: Lot, delta: int) -> int:
        """Put a line's delta on top; what is then on hand of that lot."""
        after = self.in_lot(sku, lot) + delta
        self._in_lot[sku, lot] = after
        shelf = self._by_sku[sku]
        self._by_sku[sku] = shelf._replace(on_hand=shelf.on_hand + delta)
        return after

    def left(self, sku: Sku) -> Shelf:
        """How a SKU named by a line stands, over all its lots."""
        return self._by_sku[sku]
