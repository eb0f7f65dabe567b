"""What becomes of a movement that would leave less than nothing: as its location's document says.

Invariant: the document is only looked for when something would go below zero, so that a sale of what is there pays nothing
for it. A shop that nobody has described sells on: what a customer holds in the hand was on the shelf.
"""

import sqlite3
from collections.abc import Collection, Iterable

from node.commands.requests import Refusal
from node.commands.shelves import Shelves
from node.replica import documents
from protocol.declarations.catalogue import LOCATIONS
from protocol.declarations.reading import shown_value
from protocol.ids import Location, Sku


def check_shortage(
    db: sqlite3.Connection,
    location: Location,
    shelves: Shelves,
    deltas: Iterable[tuple[Sku, int]],
    uncovered: Collection[Sku] = (),
) -> list[Sku]:
    """The SKUs to warn of: those that these lines, weighed already, have left below zero over all lots, and `uncovered`.

    Raises:
        Refusal: `insufficient_stock` where the location refuses that.
    """
    lowered = dict.fromkeys(sku for sku, delta in deltas if delta < 0)
    short = [sku for sku in lowered if shelves.left(sku).on_hand < 0 or sku in uncovered]
    if not short:
        return []
    held = documents.one(db, LOCATIONS, location)
    match None if held is None else shown_value(LOCATIONS, "negative_stock", held.fields):
        case "refuse":
            raise Refusal(
                "insufficient_stock",
                "there is not enough, and this location refuses to go below zero",
            )
        case "warn":
            return short
        case _:
            return []
