"""Restored, copied and re-granted: what a node's database makes of another history, and of scopes that go and come."""

import sqlite3

from node.replica import (
    changes,
    identity,
    log,
    movements,
    recovery,
    rows,
    scopes,
    stock,
    verify,
    view,
)
from node.replica.changes import Changed
from protocol.effects import Account, CounterKey
from protocol.frames.feed import CaughtUp, Page
from protocol.frames.log import StatusEntry
from protocol.ids import NO_SALT, HubSeq, Location, Lot, ReplicaId, Scope, Seq, Sku
from protocol.operation import decode
from protocol.rows import CounterRow
from tests.node.chain import ME, movement
from tests.node.replica.conftest import STOCK
from tests.node.replica.small_hub import SALT, SmallHub
from tests.node.replica.test_documents import CATALOGUE, row, shown, take_in
from tests.node.replica.test_view import OTHER, pull, push, record

ELSEWHERE = Scope("stock:S02")
NEW = ReplicaId(b"a new replica id")


def value(db: sqlite3.Connection, sku: str, location: str = "S01") -> int:
    """What is shown."""
    return stock.shelf(db, location, sku, "").in_lot


def read_all(db: sqlite3.Connection, hub: SmallHub, scope: Scope) -> None:
    """Read a scope to its end, as it comes over the line."""
    more = True
    while more:
        state = scopes.read(db, scope)
        assert state is not None
        page = hub.page(scope, state.cursor, 1_000)
        pieces = rows.pieces(page)
        for number, piece in enumerate(pieces, start=1):
            rows.take_in(db, page, piece, ME, finish=number == len(pieces))
        more = page.more


def test_the_hubs_first_clock_of_an_operation_survives_a_second_push(
    db: sqlite3.Connection,
) -> None:
    for number in range(1, 101):
        record(db, movement(number, ("apple", -1)))
    log.acknowledge(db, Seq(100), 1_000)
    recovery.begin_replica(db, NEW)
    log.acknowledge(db, Seq(50), 9_000_000)
    _, items = log.outbox(db, Seq(0), 100)
    assert {item.accepted_at_ms for item in items} == {1_000}


def test_an_epoch_keeps_what_is_shown_and_clears_what_the_hub_lost(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", -5)))
    hub.push(OTHER, Seq(1), movement(100, ("apple", 5), ("plum", 2)))
    push(db, hub)
    pull(db, hub)
    assert (value(db, "apple"), value(db, "plum")) == (0, 2)
    recovery.begin_epoch(db, Seq(0))
    assert (value(db, "apple"), value(db, "plum")) == (0, 2)
    assert verify.problems(db) == []
    scopes.advance_all(db, CaughtUp(HubSeq(7), SALT))
    nothing = Page(STOCK, HubSeq(0), HubSeq(7), SALT, False, {}, ())
    rows.take_in(db, nothing, (), ME, finish=True)
    assert (value(db, "apple"), value(db, "plum")) == (-5, 0)
    assert verify.problems(db) == []


def test_an_epoch_forgets_which_operations_were_quarantined_beyond_it(
    db: sqlite3.Connection,
) -> None:
    seq = record(db, movement(1, ("apple", 10)))
    log.quarantine(db, [StatusEntry(seq, "forbidden", "no")], 1_000)
    view.forget_quarantined(db, seq)
    recovery.begin_epoch(db, Seq(0))
    assert log.count_quarantined(db) == 0
    pull(db, SmallHub())
    assert value(db, "apple") == 10


def test_what_two_histories_of_the_hub_set_aside_is_taken_out_of_the_view_once(
    db: sqlite3.Connection,
) -> None:
    """The hub has no row there, so none ever comes to put it right."""
    seq = record(db, movement(1, ("apple", 10)))
    for _ in range(2):
        log.quarantine(db, [StatusEntry(seq, "forbidden", "no")], 1_000)
        view.forget_quarantined(db, seq)
        assert value(db, "apple") == 0
        recovery.begin_epoch(db, Seq(0))
        assert value(db, "apple") == 10
    assert verify.problems(db) == []


def record_elsewhere(db: sqlite3.Connection) -> Seq:
    """Record a receipt of ten where no scope is read."""
    body = movement(1, ("apple", 10), location="S02")
    log.append(db, log.head(db), body)
    seq = log.head(db).seq
    view.record(db, seq, decode(body).effects)
    movements.add(db, seq, ME, decode(body), None)
    assert value(db, "apple", "S02") == 10
    return seq


def test_what_a_new_history_has_set_aside_before_the_node_heard_of_it_is_not_shown_where_no_row_comes(
    db: sqlite3.Connection,
) -> None:
    seq = record_elsewhere(db)
    recovery.begin_epoch(db, seq)
    log.quarantine(db, [StatusEntry(seq, "forbidden", "no")], 1_000)
    view.forget_quarantined(db, seq)
    assert value(db, "apple", "S02") == 0
    assert verify.problems(db) == []


def test_what_left_the_view_when_it_was_acknowledged_comes_back_with_a_history_before_it(
    db: sqlite3.Connection,
) -> None:
    """Elsewhere the hub sends the row again."""
    seq = record_elsewhere(db)
    identity.save_acked(db, seq, Seq(0), 1_000)
    assert recovery.let_acknowledged_go(db, {ELSEWHERE})
    assert value(db, "apple", "S02") == 0
    recovery.begin_epoch(db, Seq(0))
    assert value(db, "apple", "S02") == 10
    log.quarantine(db, [StatusEntry(seq, "forbidden", "no")], 1_000)
    view.forget_quarantined(db, seq)
    assert value(db, "apple", "S02") == 0
    assert verify.problems(db) == []


def test_a_history_from_before_the_rows_of_a_scope_let_go_shows_what_is_on_top_there(
    db: sqlite3.Connection,
) -> None:
    """The first sale was taken off with its row when the hub had it; the second kept its own row shown."""
    first, second = (("apple", -2), ("plum", -3))
    scopes.begin(db, [ELSEWHERE])
    for number, line in enumerate((first, second), start=1):
        body = movement(number, line, location="S02")
        log.append(db, log.head(db), body)
        view.record(db, log.head(db).seq, decode(body).effects)
        movements.add(db, log.head(db).seq, ME, decode(body), None)
    assert scopes.let_go_piece(db, ELSEWHERE)
    identity.save_acked(db, Seq(1), Seq(0), 1_000)
    assert not recovery.let_acknowledged_go(db, {ELSEWHERE})
    identity.save_acked(db, Seq(2), Seq(0), 1_000)
    assert recovery.let_acknowledged_go(db, {ELSEWHERE})
    assert db.execute("SELECT * FROM counter").fetchall() == []
    recovery.begin_epoch(db, Seq(0))
    assert (value(db, "apple", "S02"), value(db, "plum", "S02")) == (-2, -3)
    assert verify.problems(db) == []


def test_what_a_former_history_said_of_a_scope_goes_with_it_and_own_sales_stay(
    db: sqlite3.Connection,
) -> None:
    """No row of the new history came yet, and none will."""
    hub = SmallHub()
    hub.push(OTHER, Seq(1), movement(100, ("apple", 2)))
    pull(db, hub)
    record(db, movement(1, ("apple", -2)))
    recovery.begin_epoch(db, Seq(0))
    assert value(db, "apple") == 0
    last = changes.bounds(db)[1]
    assert scopes.let_go_piece(db, STOCK)
    assert value(db, "apple") == -2
    assert verify.problems(db) == []
    told = [what for _, what in changes.after(db, last, 10) if isinstance(what, Changed)]
    assert (Location("S01"), Sku("apple")) in {key for what in told for key in what.stock}


def test_unsent_sales_of_a_forked_log_stay_on_top_in_a_new_epoch(db: sqlite3.Connection) -> None:
    """The hub's position under this replica counts the other copy's operations."""
    hub = SmallHub()
    record(db, movement(1, ("apple", 100)))
    push(db, hub)
    pull(db, hub)
    record(db, movement(2, ("apple", -10)))
    recovery.begin_epoch(db, None)
    recovery.begin_replica(db, NEW)
    key = CounterKey(Location("S01"), Sku("apple"), Lot(""), int(Account.ON_HAND))
    held = CounterRow(*key, HubSeq(1), 96)
    page = Page(STOCK, HubSeq(0), HubSeq(1), SALT, False, {ME: Seq(5)}, (held,))
    rows.take_in(db, page, page.rows, NEW, finish=True)
    assert value(db, "apple") == 86
    assert verify.problems(db) == []


def elsewhere(db: sqlite3.Connection, count: int) -> SmallHub:
    """A neighbour with that many SKUs, read to the end."""
    hub = SmallHub()
    lines = [(f"sku{number:04}", 7) for number in range(count)]
    for at in range(0, count, 100):
        seq = Seq(at // 100 + 1)
        hub.push(OTHER, seq, movement(1_000 + at, *lines[at : at + 100], location="S02"))
    scopes.begin(db, [ELSEWHERE])
    read_all(db, hub, ELSEWHERE)
    return hub


def test_a_scope_that_went_is_gone_and_comes_back_whole(db: sqlite3.Connection) -> None:
    hub = elsewhere(db, 1_200)
    pieces = 1
    while not scopes.let_go_piece(db, ELSEWHERE):
        pieces += 1
    assert pieces == 3
    assert value(db, "sku0001", "S02") == 0
    assert ELSEWHERE not in scopes.held(db)
    assert verify.problems(db) == []
    scopes.begin(db, [ELSEWHERE])
    read_all(db, hub, ELSEWHERE)
    assert {value(db, f"sku{number:04}", "S02") for number in range(1_200)} == {7}
    assert verify.problems(db) == []


def test_a_damaged_sum_goes_with_its_scope(db: sqlite3.Connection) -> None:
    elsewhere(db, 3)
    db.execute("UPDATE scope SET digest = randomblob(16) WHERE scope = ?", (ELSEWHERE,))
    assert verify.problems(db) != []
    while not scopes.let_go_piece(db, ELSEWHERE):
        pass
    assert verify.problems(db) == []


def test_a_scope_given_back_while_it_was_going_comes_back_whole(db: sqlite3.Connection) -> None:
    hub = elsewhere(db, 1_200)
    assert not scopes.let_go_piece(db, ELSEWHERE)
    assert verify.problems(db) == []
    scopes.begin(db, [ELSEWHERE])
    assert scopes.held(db)[ELSEWHERE] == (HubSeq(0), NO_SALT)
    read_all(db, hub, ELSEWHERE)
    assert {value(db, f"sku{number:04}", "S02") for number in range(1_200)} == {7}
    assert verify.problems(db) == []


def test_own_sales_not_sent_yet_outlive_the_right_to_read_their_scope(
    db: sqlite3.Connection,
) -> None:
    hub = elsewhere(db, 1)
    body = movement(1, ("sku0000", -2), location="S02")
    log.append(db, log.head(db), body)
    seq = log.head(db).seq
    view.record(db, seq, decode(body).effects)
    movements.add(db, seq, ME, decode(body), None)
    while not scopes.let_go_piece(db, ELSEWHERE):
        pass
    assert value(db, "sku0000", "S02") == -2
    assert verify.problems(db) == []
    scopes.begin(db, [ELSEWHERE])
    read_all(db, hub, ELSEWHERE)
    assert value(db, "sku0000", "S02") == 5
    assert verify.problems(db) == []


def test_a_document_stays_while_another_held_scope_contains_it(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    while not scopes.let_go_piece(db, ELSEWHERE):
        pass
    assert shown(db) == {"name": "Apple"}
    while not scopes.let_go_piece(db, CATALOGUE):
        pass
    assert db.execute("SELECT count(*) FROM document").fetchone()[0] == 0
    assert verify.problems(db) == []
    take_in(db, row(1, name=("Apple", 10)), own=0)
    assert shown(db) == {"name": "Apple"}
    assert verify.problems(db) == []


def test_a_document_that_the_hub_lost_is_cleared_to_the_own_edits(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    recovery.begin_epoch(db, Seq(0))
    assert shown(db) == {"name": "Apple"}
    nothing = Page(CATALOGUE, HubSeq(0), HubSeq(0), NO_SALT, False, {}, ())
    rows.take_in(db, nothing, (), ME, finish=True)
    assert shown(db) == {}
