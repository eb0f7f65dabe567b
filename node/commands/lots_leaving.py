"""From which lots goods leave for an order or a transfer: as a sale's do, first expired, first out.

Invariant: as of a sale nothing is refused for want of a lot, and what no usable lot covers is recorded without one and said.
"""

import sqlite3
from collections.abc import Mapping

from node.commands.picking import usable_parts
from node.commands.recording import Seen
from node.commands.shelves import Shelves
from node.replica.lots import Lots
from protocol.ids import NO_LOT, Location
from protocol.picking import Part
from protocol.workflows.progress import Item


def pick_items(
    db: sqlite3.Connection, seen: Seen, location: Location, now_ms: int, items: Mapping[Item, int]
) -> dict[Item, int]:
    """The same goods, those that are of no lot yet split as a line of a sale is.

    What a line says of goods of no lot is said of the first lot that they are taken from.
    """
    shelves, said = Shelves(db, location), Lots(db, now_ms)
    found: dict[Item, int] = {}
    # Those that name a lot come first, so that nobody else is given what they take.
    for item, quantity in sorted(items.items(), key=lambda one: one[0].lot == NO_LOT):
        parts: tuple[Part, ...] = (Part(item.lot, quantity),)
        if item.lot == NO_LOT:
            parts = usable_parts(shelves, said, location, item.sku, quantity) or parts
            _note(seen, shelves, item, parts)
        for lot, amount in parts:
            shelves.change(item.sku, lot, -amount)
            picked = item._replace(lot=lot)
            found[picked] = found.get(picked, 0) + amount
    return found


def _note(seen: Seen, shelves: Shelves, item: Item, parts: tuple[Part, ...]) -> None:
    first, last = parts[0], parts[-1]
    facts = seen.facts.pop((item.sku, NO_LOT), None)
    if facts is not None:
        seen.facts.setdefault((item.sku, first.lot), facts)
    is_tracked = shelves.left(item.sku).is_lot_tracked
    if is_tracked and last.lot == NO_LOT and last.quantity > shelves.in_lot(item.sku, NO_LOT):
        seen.uncovered.append(item.sku)
