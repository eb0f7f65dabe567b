"""A shelf that was read halfway, and a hub put back to a state in between: the cursor alone cannot tell."""

import sqlite3
from unittest.mock import patch

from hub.store.sqlite import feed
from node.replica import SCHEMA, identity, recovery, rows, scopes, stock
from protocol.frames.feed import Page
from protocol.ids import NO_SALT, HubSeq, Location, Lot, Salt, Seq, Sku
from protocol.rows import CounterRow
from tests.node.chain import ME as NODE
from tests.node.replica.conftest import STOCK
from tests.sim.disks import connect, empty
from tests.sim.mutations.scripts import ME, SHELF, come_back, new_hub, push_all, read_on
from tests.store.shop import Shop

SALT, OF_HEAD = Salt(b"of to..."), Salt(b"of head.")


def take_half(db: sqlite3.Connection, *, head: int, finish: bool = True) -> None:
    """A page that more follow, read when the hub was at `head`."""
    row = CounterRow(Location("S01"), Sku("apple"), Lot(""), 0, HubSeq(3), 30)
    read_in = HubSeq(head), OF_HEAD
    page = Page(STOCK, HubSeq(0), HubSeq(3), SALT, True, {}, (row,), head=read_in)
    rows.take_in(db, page, page.rows, NODE, finish=finish)


def test_a_row_that_had_moved_beyond_the_cursor_is_read_where_the_hub_has_it_again() -> None:
    hub, reader, shop = new_hub(), connect(empty(SCHEMA)), Shop("S01")
    recovery.begin_replica(reader, ME)
    scopes.begin(reader, [SHELF])
    for sku in ("apple", "pear"):
        shop.sells(sku, 1)
        push_all(hub, shop)
    backup = hub.serialize()
    shop.sells("apple", 1)
    push_all(hub, shop)
    with patch.object(feed, "PAGE_ROWS_MAX", 1):
        read_on(hub, reader)
    (cursor, _), (head, _) = scopes.held(reader)[SHELF], identity.read_head_seen(reader)
    assert (cursor, head) == (2, 3), "the apple lies behind, where it will not be again"
    hub = connect(backup)
    come_back(hub, reader)
    sent = dict(hub.execute("SELECT sku, total FROM counter").fetchall())
    assert {sku: stock.shelf(reader, "S01", sku, "").in_lot for sku in sent} == sent


def test_the_newest_state_read_is_kept_from_the_first_piece_of_a_page(
    db: sqlite3.Connection,
) -> None:
    take_half(db, head=9, finish=False)
    assert scopes.held(db)[STOCK] == (0, NO_SALT)
    assert identity.read_head_seen(db) == (9, OF_HEAD)
    take_half(db, head=7)
    assert identity.read_head_seen(db) == (9, OF_HEAD), "a page read before comes after, shared"


def test_a_page_that_names_no_head_was_read_where_it_ends(db: sqlite3.Connection) -> None:
    rows.take_in(db, Page(STOCK, HubSeq(0), HubSeq(5), SALT, False, {}, ()), (), NODE, finish=True)
    assert identity.read_head_seen(db) == (5, SALT)


def test_an_answer_about_what_is_out_of_reach_names_no_state(db: sqlite3.Connection) -> None:
    identity.note_head_seen(db, (HubSeq(7), NO_SALT))
    assert identity.read_head_seen(db) == (0, NO_SALT)


def test_a_new_epoch_forgets_the_newest_state_of_the_old(db: sqlite3.Connection) -> None:
    take_half(db, head=9)
    recovery.begin_epoch(db, Seq(0))
    assert identity.read_head_seen(db) == (0, NO_SALT)
