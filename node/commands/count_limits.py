"""What a count may differ by before a person who did not count it must stand for it.

Decided: the limit is the location's (`count_limit_units`, `count_limit_value`), written by the office and on every node, not
the stocktake's: whoever opens a stocktake would else set the bar for their own differences. Worth is at the selling price,
which every node holds; what a SKU costs never reaches a shop, and the office must come to the same answer as the shop.
Invariant: a SKU without a price, or with one in another currency than the limit's, is held against the units alone.
"""

import sqlite3
from collections.abc import Iterable, Mapping

from node.replica import documents
from protocol.declarations.catalogue import LOCATIONS, SKUS
from protocol.declarations.reading import shown_value
from protocol.ids import Location, Sku
from protocol.workflows.stocktakes import Limits

Money = Mapping[str, object]
"""`amount` in minor units, `currency`."""


def limits_of(db: sqlite3.Connection, location: Location, skus: Iterable[Sku]) -> Limits:
    """The limits of a location, with what these SKUs are worth. A location nobody has described has none."""
    units, value = declared_limits(db, location)
    if value is None:
        return Limits(units=units)
    prices = {sku: price_of(db, sku) for sku in skus}
    worth: dict[str, int] = {
        sku: _amount(price)
        for sku, price in prices.items()
        if price is not None and price["currency"] == value["currency"]
    }
    return Limits(units, _amount(value), worth)


def declared_limits(db: sqlite3.Connection, location: Location) -> tuple[int | None, Money | None]:
    """The location's limits in units and in money; None asks for nobody."""
    held = documents.one(db, LOCATIONS, location)
    if held is None:
        return None, None
    units = shown_value(LOCATIONS, "count_limit_units", held.fields)
    value = shown_value(LOCATIONS, "count_limit_value", held.fields)
    return (
        units if isinstance(units, int) else None,
        value if isinstance(value, Mapping) else None,
    )


def price_of(db: sqlite3.Connection, sku: Sku) -> Money | None:
    """The selling price of one base unit; None where there is none."""
    held = documents.one(db, SKUS, sku)
    price = None if held is None else shown_value(SKUS, "price", held.fields)
    return price if isinstance(price, Mapping) else None


def _amount(money: Money) -> int:
    amount = money["amount"]
    assert isinstance(amount, int), "its kind says so"
    return amount
