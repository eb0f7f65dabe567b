"""What the catalogue and a shop's levels say of its stock: names and minimums.

Invariant: each document is read once, however many rows name it. Made for one answer, in its transaction: what it says is
of the same moment as the rows.
"""

import sqlite3
from typing import NamedTuple

from node.replica import documents
from protocol.declarations import COLLECTIONS
from protocol.declarations.naming import id_of
from protocol.declarations.reading import shown_value


class Described(NamedTuple):
    """What the catalogue says of a SKU; None where it says nothing."""

    name: str | None
    minimum: int | None


class Catalogued:
    """The documents that rows of stock refer to."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._skus: dict[str, Described] = {}
        self._has_levels: dict[str, bool] = {}

    def sku(self, sku: str) -> Described:
        """What the catalogue says of a SKU."""
        if sku not in self._skus:
            found = self._field("skus", sku, "name", "minimum")
            self._skus[sku] = Described(*found)  # type: ignore[arg-type] # of the kinds declared
        return self._skus[sku]

    def minimum(self, location: str, sku: str) -> int | None:
        """Below what a SKU is low at a location: by its level there, else by the catalogue; None for nowhere."""
        level = self.level(location, sku)
        return self.sku(sku).minimum if level is None else level

    def level(self, location: str, sku: str) -> int | None:
        """The minimum that its level at a location says, as far as this node reads it."""
        if location not in self._has_levels:
            found = documents.has_any(self._db, COLLECTIONS["levels"], location)
            self._has_levels[location] = found
        if not self._has_levels[location]:  # of a neighbour's levels there are none here
            return None
        (level,) = self._field("levels", id_of([location, sku]), "minimum")
        return level if isinstance(level, int) else None

    def _field(self, collection: str, id_: str, *names: str) -> tuple[object, ...]:
        declared = COLLECTIONS[collection]
        held = documents.one(self._db, declared, id_)
        if held is None or held.fields.get("archived") is True:
            return (None,) * len(names)
        return tuple(shown_value(declared, name, held.fields) for name in names)
