"""What customers took from a location: how fast its goods go.

Invariant: read from the list of movements, so it is what happened here and what was pulled of the location's others; a
return counts against it.
"""

import sqlite3
from typing import Final

from protocol.effects import Account, CounterEffect
from protocol.limits import USED_MOVEMENTS_MAX
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "usage.sql")


def used(db: sqlite3.Connection, location: str, since_ms: int) -> dict[str, int]:
    """Base units by SKU that were sold and dispensed since, from at most the newest `USED_MOVEMENTS_MAX` movements."""
    found: dict[str, int] = {}
    asked = {"location": location, "since": since_ms, "limit": USED_MOVEMENTS_MAX}
    for row in db.execute(_SQL["used"], asked):
        for effect in decode(row["body"]).effects:
            if isinstance(effect, CounterEffect) and effect.account == Account.ON_HAND:
                found[effect.sku] = found.get(effect.sku, 0) - effect.delta
    return {sku: max(units, 0) for sku, units in found.items()}
