"""Lots as people type them: what is received under a code that looks like another one's is recorded, and said.

Invariant: nobody's typing is corrected. Codes differ by case and spaces, and two lots may; whoever typed is told of the
other one before its goods are on two shelves.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

from node.commands.answering import Warned, warned
from node.replica import lots
from protocol.ids import NO_LOT, Lot, Sku
from protocol.picking import folded

SHOWN_MAX: Final = 5
"""Alike lots that one warning names."""


def similar_lots(db: sqlite3.Connection, named: Iterable[tuple[Sku, Lot]]) -> list[Warned]:
    """Warn of lots that are new, and alike to one that is known. Asked before they are recorded.

    Each warning names the `lot` and those that it is `similar_to`, by code, at most `SHOWN_MAX`.
    """
    by_sku: dict[Sku, dict[Lot, None]] = {}
    for sku, lot in named:
        if lot != NO_LOT:
            by_sku.setdefault(sku, {})[lot] = None
    found: list[Warned] = []
    for sku, new in by_sku.items():
        known = lots.known(db, sku)
        looks = {lot: folded(lot) for lot in {*known, *new}}
        for lot in new:
            if lot in known:
                continue
            alike = sorted(one for one in looks if one != lot and looks[one] == looks[lot])
            if alike:
                found.append(warned("similar_lot", sku, lot=lot, similar_to=alike[:SHOWN_MAX]))
    return found
