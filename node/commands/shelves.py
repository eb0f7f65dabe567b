"""The stock that a movement's lines touch, as it is and as each line leaves it.

Invariant: what `left` says is what the view shows once the lines are written: both add the same deltas to the same
values, in one transaction. Each (SKU, lot) is read once, however many lines name it; all lots of a SKU that has any are read
with the first, before anything is written.
"""

import sqlite3

from node.replica import lots, stock
from node.replica.lots import Lots
from node.replica.stock import Shelf
from protocol.ids import Location, Lot, Sku


class Shelves:
    """Those of one location. Made for one movement, in its transaction."""

    def __init__(self, db: sqlite3.Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._in_lot: dict[Sku, dict[Lot, int]] = {}
        self._by_sku: dict[Sku, Shelf] = {}

    def in_lot(self, sku: Sku, lot: Lot) -> int:
        """What is shown on hand for one lot, after the lines so far."""
        known = self._in_lot.setdefault(sku, {})
        if lot not in known:
            found = stock.shelf(self._db, self._location, sku, lot)
            known[lot] = found.in_lot
            if sku not in self._by_sku:
                self._by_sku[sku] = found
                if found.lots_on_hand:
                    known.update(lots.on_hand(self._db, self._location, sku))
        return known[lot]

    def change(self, sku: Sku, lot: Lot, delta: int) -> int:
        """Put a line's delta on top; what is then on hand of that lot."""
        after = self.in_lot(sku, lot) + delta
        self._in_lot[sku][lot] = after
        shelf = self._by_sku[sku]
        self._by_sku[sku] = shelf._replace(on_hand=shelf.on_hand + delta)
        return after

    def left(self, sku: Sku) -> Shelf:
        """How a SKU named by a line stands, over all its lots; what of them may not be used is not in it."""
        return self._by_sku[sku]

    def in_lots(self, sku: Sku) -> dict[Lot, int]:
        """What is then on hand of each lot of a SKU named by a line; a lot that is not there has nothing."""
        return {lot: amount for lot, amount in self._in_lot[sku].items() if lot}

    def available(self, sku: Sku, said: Lots) -> int:
        """What of a SKU named by a line can then still be promised."""
        shelf, goods = self._by_sku[sku], self.in_lots(sku)
        if not goods:
            return shelf.available
        return shelf._replace(held=said.held(self._location, sku, goods)).available
