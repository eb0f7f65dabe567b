"""Rows of the hub, many to a statement."""

import sqlite3

import pytest

from node.replica import rows, scopes, stock, verify
from protocol import digest
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Location, Lot, Salt, Seq, Sku
from protocol.rows import CounterRow
from tests.node.chain import ME, movement
from tests.node.replica.conftest import STOCK
from tests.node.replica.test_view import record, shown


def row(sku: str, hub_seq: int, total: int, tail: tuple[object, ...] = ()) -> CounterRow:
    return CounterRow(Location("S01"), Sku(sku), Lot(""), 0, HubSeq(hub_seq), total, tail)


def take_in(db: sqlite3.Connection, *sent: CounterRow, own: int = 0) -> None:
    """A whole page of the own stock, from the beginning."""
    to = HubSeq(max(each.hub_seq for each in sent))
    page = Page(STOCK, HubSeq(0), to, Salt(b"saltsalt"), True, {ME: Seq(own)}, tuple(sent))
    rows.take_in(db, page, page.rows, ME, finish=True)
    assert verify.problems(db) == []


def digest_of(db: sqlite3.Connection) -> digest.Digest:
    state = scopes.read(db, STOCK)
    assert state is not None
    return state.digest


def test_of_a_page_only_the_newer_rows_are_stored(db: sqlite3.Connection) -> None:
    take_in(db, row("apple", 5, 50), row("pear", 6, 60))
    take_in(db, row("pear", 4, 1), row("apple", 7, 70), row("plum", 8, 80))
    assert shown(db) == {"apple": 70, "pear": 60, "plum": 80}
    held = digest.of_rows([row("apple", 7, 70), row("pear", 6, 60), row("plum", 8, 80)])
    assert digest_of(db) == held


def test_a_counter_named_twice_in_a_page_is_held_and_hashed_once(db: sqlite3.Connection) -> None:
    take_in(db, row("apple", 5, 50), row("apple", 6, 60))
    assert shown(db) == {"apple": 60, "pear": 0, "plum": 0}
    assert digest_of(db) == digest.of_rows([row("apple", 6, 60)])


def test_a_tail_from_a_newer_hub_is_kept_and_hashed_and_goes_with_the_next_row(
    db: sqlite3.Connection,
) -> None:
    tailed = row("apple", 1, 10, ("new", 1, b"\x00\xff"))
    take_in(db, tailed, row("pear", 2, 20))
    assert digest_of(db) == digest.of_rows([tailed, row("pear", 2, 20)])
    take_in(db, row("apple", 3, 11))
    assert digest_of(db) == digest.of_rows([row("apple", 3, 11), row("pear", 2, 20)])


def test_of_own_sales_on_top_those_go_that_the_row_includes(db: sqlite3.Connection) -> None:
    for number in range(1, 6):
        record(db, movement(number, ("apple", -1), ("pear", -10)))
    take_in(db, row("apple", 1, 100), own=3)
    assert shown(db) == {"apple": 98, "pear": -50, "plum": 0}
    take_in(db, row("apple", 2, 99), row("pear", 3, 1_000), own=4)
    assert shown(db) == {"apple": 98, "pear": 990, "plum": 0}


@pytest.mark.parametrize(
    "sku", ['a"b', "a\\b", "ä/ö", "{}", "[1]", "null", "1", "a'b", "\U0001f34e"]
)
def test_a_sku_of_any_text_comes_through_as_it_is(db: sqlite3.Connection, sku: str) -> None:
    record(db, movement(1, (sku, -1)))
    take_in(db, row(sku, 1, 5))
    assert stock.shelf(db, "S01", sku, "").in_lot == 4


def test_the_largest_totals_come_through_as_they_are(db: sqlite3.Connection) -> None:
    most = 2**63 - 1
    take_in(db, row("apple", 1, most), row("pear", most, -most))
    assert shown(db) == {"apple": most, "pear": -most, "plum": 0}
