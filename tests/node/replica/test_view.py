"""What a node shows, whatever order the hub's rows come in."""

import random
import sqlite3
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.replica import log, movements, recovery, rows, scopes, stock, verify, view
from node.replica.rows import FeedGap
from protocol import merge
from protocol.effects import Account, CounterKey
from protocol.frames.feed import Page
from protocol.frames.log import StatusEntry
from protocol.ids import HubSeq, Location, Lot, ReplicaId, Seq, Sku
from protocol.operation import decode
from protocol.rows import CounterRow
from tests.node.chain import ME, movement
from tests.node.replica.conftest import STOCK, new_replica_database
from tests.node.replica.small_hub import SmallHub

SKUS = ("apple", "pear", "plum")
OTHER = ReplicaId(b"another replica.")


def key(sku: str) -> CounterKey:
    """On hand at S01, without a lot."""
    return CounterKey(Location("S01"), Sku(sku), Lot(""), int(Account.ON_HAND))


def record(db: sqlite3.Connection, body: bytes) -> Seq:
    """Record as the commands do."""
    operation = decode(body)
    log.append(db, log.head(db), body)
    seq = log.head(db).seq
    view.record(db, seq, operation.effects)
    movements.add(db, seq, ME, operation, None)
    return seq


def pull(db: sqlite3.Connection, hub: SmallHub, limit: int = 100) -> Page:
    """Take one page of this shop's stock."""
    page = hub.page(STOCK, stock_cursor(db), limit)
    rows.take_in(db, page, page.rows, ME, finish=True)
    return page


def stock_cursor(db: sqlite3.Connection) -> HubSeq:
    """How far this shop's stock was read."""
    state = scopes.read(db, STOCK)
    assert state is not None
    return state.cursor


def push(db: sqlite3.Connection, hub: SmallHub, *, refuse: bool = False) -> None:
    """Send everything that the hub does not have; the acknowledgement may well be lost."""
    first = hub.acked.get(ME, Seq(0))
    _, items = log.outbox(db, first, 1_000)
    for seq, item in enumerate(items, start=first + 1):
        hub.push(ME, Seq(seq), item.body, refuse=refuse)


def shown(db: sqlite3.Connection) -> dict[str, int]:
    """What is shown for each SKU."""
    return {sku: stock.shelf(db, "S01", sku, "").in_lot for sku in SKUS}


def test_a_sale_is_shown_at_once_and_once_more_when_the_hub_has_it(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", 10)))
    assert shown(db)["apple"] == 10
    push(db, hub)
    assert shown(db)["apple"] == 10
    pull(db, hub)
    assert shown(db)["apple"] == 10
    assert verify.problems(db) == []


def test_own_sales_after_the_page_was_read_stay_on_top(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", 10)))
    push(db, hub)
    page = hub.page(STOCK, HubSeq(0), 10)
    record(db, movement(2, ("apple", -3)))
    rows.take_in(db, page, page.rows, ME, finish=True)
    assert shown(db)["apple"] == 7


def test_own_sales_that_cancel_out_are_not_mistaken_for_none(db: sqlite3.Connection) -> None:
    """+5 and -5 are pending; the hub's row has the first only."""
    hub = SmallHub()
    first = record(db, movement(1, ("apple", 5)))
    record(db, movement(2, ("apple", -5)))
    hub.push(ME, first, movement(1, ("apple", 5)))
    pull(db, hub)
    assert shown(db)["apple"] == 0


def test_another_shops_count_changes_only_the_rows_it_is_in(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", 10), ("pear", 4)))
    hub.push(OTHER, Seq(1), movement(100, ("apple", 7)))
    pull(db, hub)
    assert shown(db) == {"apple": 17, "pear": 4, "plum": 0}


def test_a_page_that_comes_twice_changes_nothing(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    hub.push(OTHER, Seq(1), movement(100, ("apple", 7)))
    page = hub.page(STOCK, HubSeq(0), 10)
    for _ in range(2):
        rows.take_in(db, page, page.rows, ME, finish=True)
    assert shown(db)["apple"] == 7
    assert verify.problems(db) == []


def test_a_page_beyond_the_cursor_is_refused_and_stores_nothing(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    hub.push(OTHER, Seq(1), movement(100, ("apple", 7)))
    hub.push(OTHER, Seq(2), movement(101, ("pear", 7)))
    page = hub.page(STOCK, HubSeq(1), 10)
    with pytest.raises(FeedGap):
        rows.take_in(db, page, page.rows, ME, finish=True)
    assert shown(db) == {"apple": 0, "pear": 0, "plum": 0}


def test_the_cursor_moves_with_the_last_piece_only(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    hub.push(OTHER, Seq(1), movement(100, ("apple", 7), ("pear", 2)))
    page = hub.page(STOCK, HubSeq(0), 10)
    rows.take_in(db, page, page.rows[:1], ME, finish=False)
    assert stock_cursor(db) == 0
    rows.take_in(db, page, page.rows[1:], ME, finish=True)
    assert stock_cursor(db) == page.to
    assert verify.problems(db) == []


def test_what_the_hub_quarantined_is_not_shown(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    seq = record(db, movement(1, ("apple", 10)))
    push(db, hub, refuse=True)
    log.quarantine(db, [StatusEntry(seq, "forbidden", "not yours")], 1_000)
    view.forget_quarantined(db, seq)
    assert shown(db)["apple"] == 0
    assert log.count_quarantined(db) == 1
    assert verify.problems(db) == []


def test_after_a_new_epoch_rows_keep_showing_until_the_hub_sends_them_again(
    db: sqlite3.Connection,
) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", 10)))
    push(db, hub)
    hub.push(OTHER, Seq(1), movement(100, ("pear", 3)))
    pull(db, hub)
    record(db, movement(2, ("apple", -1)))
    restored = SmallHub()
    restored.push(ME, Seq(1), movement(1, ("apple", 10)))
    recovery.begin_epoch(db, Seq(1))
    assert shown(db) == {"apple": 9, "pear": 3, "plum": 0}
    pull(db, restored)
    assert shown(db) == {"apple": 9, "pear": 0, "plum": 0}, "the restored hub never heard of pears"
    push(db, restored)
    pull(db, restored)
    assert shown(db) == {"apple": 9, "pear": 0, "plum": 0}
    assert verify.problems(db) == []


def test_a_log_continued_under_a_new_replica_is_counted_once(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", 10)))
    push(db, hub)
    pull(db, hub)
    record(db, movement(2, ("apple", -1)))
    before = log.head(db)
    recovery.begin_replica(db, ReplicaId(b"a new replica id"))
    assert log.head(db) == before
    assert shown(db)["apple"] == 9
    assert verify.problems(db) == []


@dataclass
class Rule:
    """The protocol's rule of the view, taken literally: the SQL keeps the same by deleting what a row includes."""

    deltas: list[tuple[Seq, str, int]] = field(default_factory=list)
    rows: dict[str, tuple[int, Seq]] = field(default_factory=dict)
    scope_own: int = 0
    told: set[Seq] = field(default_factory=set)

    def take_in(self, page: Page) -> None:
        own = page.inside.get(ME, Seq(0))
        for row in page.rows:
            assert isinstance(row, CounterRow)
            self.rows[row.sku] = (row.total, own)
        if not page.more:
            self.scope_own = own

    def shown(self) -> dict[str, int]:
        found = {}
        for sku in SKUS:
            total, own = self.rows.get(sku, (0, Seq(0)))
            on_top = [
                delta
                for seq, of, delta in self.deltas
                if of == sku
                and merge.is_on_top(seq, row_own=own, scope_own=self.scope_own)
                and seq not in self.told
            ]
            found[sku] = merge.counter_view(total, on_top)
        return found


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_any_order_of_sales_pushes_pages_and_refusals_shows_what_the_rule_says(seed: int) -> None:
    """At every step, and at the end it is what the hub has."""
    chance = random.Random(seed)
    db, hub, rule = new_replica_database(), SmallHub(), Rule()
    other_seq = number = 0
    for _ in range(80):
        match chance.randrange(6):
            case 0 | 1:
                number += 1
                lines = [
                    (sku, chance.randint(-5, 5))
                    for sku in chance.choices(SKUS, k=chance.randint(1, 3))
                ]
                seq = record(db, movement(number, *lines))
                rule.deltas += [(seq, sku, delta) for sku, delta in lines]
            case 2:
                other_seq += 1
                line = (chance.choice(SKUS), chance.randint(-5, 5))
                hub.push(OTHER, Seq(other_seq), movement(10_000 + other_seq, line))
            case 3:
                seq = Seq(hub.acked.get(ME, 0) + 1)
                body = log.body_at(db, seq)
                if body is not None:
                    hub.push(ME, seq, body, refuse=chance.random() < 0.2)
            case 4:
                rule.take_in(pull(db, hub, limit=chance.randint(1, 2)))
            case _:
                rule.told |= tell_refused(db, hub)
        assert shown(db) == rule.shown()
    push(db, hub)
    rule.told |= tell_refused(db, hub)
    for _ in range(10):
        pull(db, hub, limit=2)
    assert shown(db) == {sku: hub.totals.get(key(sku), 0) for sku in SKUS}
    assert verify.problems(db) == []
    db.close()


def tell_refused(db: sqlite3.Connection, hub: SmallHub) -> set[Seq]:
    """The hub's reports of what it could not take, which come again until they are known."""
    refused = {seq for _, seq in hub.refused}
    for seq in sorted(refused):
        log.quarantine(db, [StatusEntry(seq, "undecodable", "unknown")], 1_000)
        view.forget_quarantined(db, seq)
    return refused
