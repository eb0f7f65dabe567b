"""Rows of stock with what the catalogue and the shop's levels say of them."""

import sqlite3

from node.replica import stock, view
from node.replica.stock import StockQuery
from protocol.clock import Stamp
from protocol.effects import CounterEffect, FieldEffect
from protocol.ids import Location, Lot, Scope, Seq, Sku
from protocol.limits import DOCUMENTS_EXAMINED_MAX
from tests.node.chain import ME

LOCATION = Location("S01")
NOW_MS = 1_764_000_000_000


class Shop:
    """Goods and documents, put into the view one after another."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seq = 0

    def has(self, sku: str, quantity: int, lot: str = "", location: str = "S01") -> None:
        """Goods on hand."""
        self._record(CounterEffect(Location(location), Sku(sku), Lot(lot), 0, quantity))

    def says(self, collection: str, id_: str, **fields: object) -> None:
        """Fields of a document."""
        stamp = Stamp(self._seq, 0, ME)
        scopes = (Scope("catalogue"),)
        self._record(
            *(FieldEffect(collection, id_, n, 0, 0, v, stamp, scopes) for n, v in fields.items())
        )

    def _record(self, *effects: CounterEffect | FieldEffect) -> None:
        self._seq += 1
        view.record(self._db, Seq(self._seq), effects)


def test_a_row_has_its_name_and_the_minimum_of_its_level_or_else_of_its_sku(
    db: sqlite3.Connection,
) -> None:
    shop = Shop(db)
    for sku in ("apple", "pear/1", "plum"):
        shop.has(sku, 1)
        shop.has(sku, 1, location="S02")
    shop.says("skus", "apple", name="Apple", minimum=5)
    shop.says("skus", "pear/1", name="Pear")
    shop.says("levels", "S01/apple", minimum=0)
    shop.says("levels", "S02/pear~11", minimum=7)
    rows, _ = stock.page(db, StockQuery(), NOW_MS)
    assert [(one.location, one.sku, one.name, one.minimum) for one in rows] == [
        ("S01", "apple", "Apple", 0),
        ("S01", "pear/1", "Pear", None),
        ("S01", "plum", None, None),
        ("S02", "apple", "Apple", 5),
        ("S02", "pear/1", "Pear", 7),
        ("S02", "plum", None, None),
    ]
    shop.says("levels", "S01/apple", archived=True)
    assert stock.totals(db, "S01", "apple", NOW_MS).minimum == 5


def test_what_is_below_its_minimum_is_found_over_pages(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    for number in range(4):
        shop.has(f"low {number}", 4)
        shop.has(f"enough {number}", 5)
        shop.says("skus", f"low {number}", minimum=5)
        shop.says("skus", f"enough {number}", minimum=5)
    shop.has("nobody cares", -5)
    query, found = StockQuery(below_minimum=True, limit=3), []
    rows, cursor = stock.page(db, query, NOW_MS)
    found += [one.sku for one in rows]
    assert len(found) == 3
    rows, cursor = stock.page(db, StockQuery(below_minimum=True, limit=3, cursor=cursor), NOW_MS)
    found += [one.sku for one in rows]
    assert (found, cursor) == ([f"low {number}" for number in range(4)], None)


def test_what_expires_is_found_by_the_lots_that_are_there(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    shop.has("soon", 1, "L1")
    shop.has("soon", 1, "L2")
    shop.has("sold out", 0, "L1")
    shop.has("later", 1, "L1")
    shop.has("nobody knows", 1, "L1")
    shop.has("no lot", 1)
    for sku, day in (("soon", "2026-12-01"), ("sold out", "2026-12-01"), ("later", "2027-01-01")):
        shop.says("lots", f"{sku}/L1", expiry=day)

    def found(day: str) -> list[str]:
        return [one.sku for one in stock.page(db, StockQuery(expiring_by=day), NOW_MS)[0]]

    assert found("2026-11-30") == []
    assert found("2026-12-01") == ["soon"]
    assert found("2027-01-01") == ["later", "soon"]
    assert [(lot.lot, lot.expiry) for lot in stock.lots(db, "S01", "soon", NOW_MS)] == [
        ("L1", "2026-12-01"),
        ("L2", None),
    ]


def test_a_search_reads_a_bounded_number_of_rows_a_page(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    for number in range(DOCUMENTS_EXAMINED_MAX + 2):
        shop.has(f"{number:05}", 1)
    shop.says("skus", f"{DOCUMENTS_EXAMINED_MAX:05}", minimum=5)
    rows, cursor = stock.page(db, StockQuery(below_minimum=True), NOW_MS)
    assert rows == []
    assert cursor is not None
    rows, cursor = stock.page(db, StockQuery(below_minimum=True, cursor=cursor), NOW_MS)
    assert [one.sku for one in rows] == [f"{DOCUMENTS_EXAMINED_MAX:05}"]
    assert cursor is None
