"""What the catalogue says of the SKUs of a report, as far as whoever asks may see it, and what so many units are worth.

Invariant: what a SKU costs is looked at only for who may see it. A price is today's, since the catalogue keeps no other.
"""

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from node.replica import documents
from node.reports.coverage import sees_costs
from node.reports.frame import Moment, Sums
from protocol.declarations.catalogue import SKUS, SUPPLIERS
from protocol.declarations.reading import shown_value, value_of
from protocol.declarations.vocabulary import ARCHIVED

# Looked up once, since a walk asks each SKU of the chain for them.
_NAME, _CATEGORY, _SUPPLIER, _MINIMUM, _PRICE, _COST = (
    next(field for field in SKUS.fields if field.name == name)
    for name in ("name", "category", "supplier", "minimum", "price", "cost")
)


class Money(NamedTuple):
    """Of one base unit, in minor units."""

    amount: int
    currency: str


class Said(NamedTuple):
    """What the catalogue says of a SKU, also of an archived one: its goods are still there."""

    name: str | None
    category: str | None
    supplier: str | None
    """Its id."""
    minimum: int | None
    """None of an archived one: nobody wants to have any."""
    price: Money | None
    cost: Money | None
    """None also where it may not be seen."""
    is_archived: bool = False


class Sayings:
    """What documents say of SKUs and suppliers, as far as whoever asks may see it."""

    def __init__(self, db: sqlite3.Connection, moment: Moment) -> None:
        self._db = db
        self._sees_costs = sees_costs(moment)
        self._suppliers: dict[str, str | None] = {}

    def of(self, sku: str) -> Said:
        """What is said of a SKU; nothing of one that nobody has described."""
        held = documents.one(self._db, SKUS, sku)
        if held is None:
            return Said(None, None, None, None, None, None)
        fields, office = held.fields, held.office_fields if self._sees_costs else None
        minimum, is_archived = value_of(_MINIMUM, fields), fields.get(ARCHIVED) is True
        return Said(
            _text(value_of(_NAME, fields)),
            _text(value_of(_CATEGORY, fields)),
            _text(value_of(_SUPPLIER, fields)),
            minimum if isinstance(minimum, int) and not is_archived else None,
            _money(value_of(_PRICE, fields)),
            None if office is None else _money(value_of(_COST, office)),
            is_archived,
        )

    def supplier_name(self, id_: str | None) -> str | None:
        """What people call a supplier. Each is looked up once: there are few."""
        if id_ is None:
            return None
        if id_ not in self._suppliers:
            held = documents.one(self._db, SUPPLIERS, id_)
            name = None if held is None else shown_value(SUPPLIERS, "name", held.fields)
            self._suppliers[id_] = _text(name)
        return self._suppliers[id_]


def remembered(db: sqlite3.Connection, moment: Moment) -> Callable[[str], Said]:
    """What is said of a SKU, each read once: for a report that names the same ones again and again."""
    return cache(Sayings(db, moment).of)


def add_worth(sums: Sums, unit: Money | None, quantity: int) -> None:
    """Add up what so many units are worth: nothing, where nobody said what one is."""
    if unit is not None:
        sums.add(unit.amount * quantity, unit.currency)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _money(value: object) -> Money | None:
    match value:
        case {"amount": int(amount), "currency": str(currency)}:
            return Money(amount, currency)
        case _:
            return None
