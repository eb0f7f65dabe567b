"""What may not be sold is not available, on the day of the place where it lies."""

import sqlite3

import pytest

from node.replica import stock
from node.replica.lots import Lots, day_at
from node.replica.stock import StockQuery
from protocol.picking import Standing
from tests.node.replica.test_catalogued import Shop

NOON_MS = 1_764_072_000_000  # 2025-11-25T12:00:00Z
HOUR_MS = 3_600_000


def available(db: sqlite3.Connection, now_ms: int = NOON_MS) -> dict[tuple[str, str], int]:
    """By location and SKU, as lists show it, which is what each row alone shows."""
    rows, _ = stock.page(db, StockQuery(), now_ms)
    for row in rows:
        assert stock.totals(db, row.location, row.sku, now_ms) == row
        found = stock.lots(db, row.location, row.sku, now_ms)
        assert sum(lot.available for lot in found) == row.available, "the lots sum to the row"
    return {(row.location, row.sku): row.available for row in rows}


def test_lots_that_are_held_or_expired_are_on_hand_and_not_available(
    db: sqlite3.Connection,
) -> None:
    shop = Shop(db)
    shop.has("pills", 1)
    for number, (status, expiry) in enumerate(
        [
            (None, "2025-11-25"),
            (None, "2025-11-24"),
            ("on_hold", None),
            ("quarantined", "2030-01-01"),
            ("recalled", "2030-01-01"),
            ("ok", None),
        ]
    ):
        shop.has("pills", 10**number, f"L{number}")
        fields = {"status": status, "expiry": expiry}
        shop.says("lots", f"pills/L{number}", **{k: v for k, v in fields.items() if v})
    shop.has("pills", 1_000_000, "nobody described it")
    assert available(db) == {("S01", "pills"): 1_100_002}
    row = stock.totals(db, "S01", "pills", NOON_MS)
    assert (row.on_hand, row.held) == (1_111_112 + 0, 11_110)
    standings = {lot.lot: lot.standing for lot in stock.lots(db, "S01", "pills", NOON_MS)}
    assert standings["L1"] is Standing.EXPIRED
    assert standings["L4"] is Standing.RECALLED


def test_a_lot_below_zero_holds_nothing_back(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    shop.has("pills", 5)
    shop.has("pills", -2, "L1")
    shop.says("lots", "pills/L1", status="recalled")
    assert available(db) == {("S01", "pills"): 3}


def test_a_lot_expires_at_midnight_of_the_place_where_it_lies(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    zones = {"S01": None, "S02": "Pacific/Auckland", "S03": "America/Los_Angeles", "S04": "No/Such"}
    for location, zone in zones.items():
        shop.has("pills", 1, "L1", location)
        if zone:
            shop.says("locations", location, time_zone=zone)
    shop.says("lots", "pills/L1", expiry="2025-11-25")

    def there(now_ms: int) -> list[str]:
        return [location for (location, _), amount in available(db, now_ms).items() if amount]

    assert there(NOON_MS - 2 * HOUR_MS) == ["S01", "S02", "S03", "S04"]
    assert there(NOON_MS) == ["S01", "S03", "S04"], "it is past midnight in New Zealand"
    assert there(NOON_MS + 12 * HOUR_MS) == ["S03"]
    assert there(NOON_MS + 20 * HOUR_MS) == []


@pytest.mark.parametrize(
    ("now_ms", "zone", "day"),
    [
        (0, "UTC", "1970-01-01"),
        (0, "America/Los_Angeles", "1969-12-31"),
        (NOON_MS, "Europe", "2025-11-25"),
        (NOON_MS, "../../etc/passwd", "2025-11-25"),
        (253_402_300_799_999, "Pacific/Auckland", "9999-12-31"),
    ],
)
def test_every_instant_has_a_day_in_every_zone(now_ms: int, zone: str, day: str) -> None:
    assert day_at(now_ms, zone) == day


def test_what_was_recalled_stays_so_when_its_document_is_archived(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    shop.has("pills", 1, "L1")
    shop.has("pills", 2, "L2")
    shop.says("lots", "pills/L1", status="recalled", archived=True)
    shop.says("lots", "pills/L2", expiry="2020-01-01", archived=True)
    assert available(db) == {("S01", "pills"): 2}


def test_lots_are_told_apart_by_sku_and_by_every_sign_of_their_codes(
    db: sqlite3.Connection,
) -> None:
    shop = Shop(db)
    for lot in ("a/1", "A/1", "a~1", "a~01"):
        shop.has("pills", 1, lot)
    shop.has("tea", 1, "a/1")
    shop.says("lots", "pills/a~11", status="recalled")
    standings = Lots(db, NOON_MS).standings("S01", "pills", ["a/1", "A/1", "a~1", "a~01"])
    assert [lot for lot, one in standings.items() if one is not Standing.OK] == ["a/1"]
    assert available(db) == {("S01", "pills"): 3, ("S01", "tea"): 1}


def test_rows_without_lots_ask_for_no_documents_of_lots(db: sqlite3.Connection) -> None:
    shop = Shop(db)
    for number in range(20):
        shop.has(f"tea {number}", 1)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    stock.page(db, StockQuery(), NOON_MS)
    db.set_trace_callback(None)
    assert asked
    assert not any("'lots'" in one or "lot <> '' AND account" in one for one in asked)
