"""What is asked of the hub after a loss, and what its answer makes of the view."""

import sqlite3

from node.replica import claims, log, recovery, rows, scopes, verify, view
from node.replica.claims import Due
from protocol.effects import Effect
from protocol.frames.feed import Page
from protocol.frames.log import StatusEntry
from protocol.ids import HubSeq, OpId, ReplicaId, Scope, Seq
from protocol.limits import CLAIM_IDS_MAX
from protocol.operation import Operation, decode, encode
from tests.node.chain import ME, movement
from tests.node.replica.conftest import STOCK
from tests.node.replica.small_hub import SALT, SmallHub
from tests.node.replica.test_documents import CATALOGUE, edit, row, shown, take_in
from tests.node.replica.test_recovery import value
from tests.node.replica.test_view import OTHER, pull, push, record

NEW = ReplicaId(b"a new replica id")
END = Seq(2**40)


def asked(db: sqlite3.Connection) -> list[int]:
    """The positions of the next question."""
    due = claims.next_asked(db, END)
    return [] if due is None else [each.seq for each in due.asked]


def note_edit(db: sqlite3.Connection, number: int, *effects: Effect) -> Seq:
    """Record an operation that edits a document."""
    op_id = OpId(number.to_bytes(16))
    body = encode(Operation(op_id, 1_000, 1_000, None, "till", "till", "edit", 1, effects, {}))
    log.append(db, log.head(db), body)
    seq = log.head(db).seq
    view.record(db, seq, decode(body).effects)
    return seq


def test_a_new_replica_asks_about_what_is_on_top_and_an_epoch_without_our_log_about_all(
    db: sqlite3.Connection,
) -> None:
    claims.end(db)
    hub = SmallHub()
    record(db, movement(1, ("apple", 5)))
    push(db, hub)
    pull(db, hub)
    record(db, movement(2, ("apple", -1)))
    assert claims.next_asked(db, END) is None
    recovery.begin_replica(db, NEW)
    assert asked(db) == [2]
    recovery.begin_epoch(db, None)
    assert asked(db) == [1, 2]
    recovery.begin_replica(db, ME)
    assert asked(db) == [1, 2], "a later replica does not make it less"
    claims.advance(db, Seq(1))
    assert asked(db) == [2]
    claims.advance(db, Seq(2))
    assert claims.next_asked(db, END) == Due(is_whole=True, asked=[])
    claims.end(db)
    assert claims.next_asked(db, END) is None


def test_questions_are_bounded_and_stop_at_what_was_recorded_when_they_began(
    db: sqlite3.Connection,
) -> None:
    for number in range(CLAIM_IDS_MAX + 10):
        record(db, movement(number, ("apple", 1)))
    assert len(asked(db)) == CLAIM_IDS_MAX
    claims.advance(db, Seq(CLAIM_IDS_MAX))
    assert asked(db) == list(range(CLAIM_IDS_MAX + 1, CLAIM_IDS_MAX + 11))
    due = claims.next_asked(db, Seq(CLAIM_IDS_MAX + 3))
    assert due is not None
    assert [each.seq for each in due.asked] == [CLAIM_IDS_MAX + at for at in (1, 2, 3)]
    assert due.asked[0].scopes == {STOCK}


def test_settled_operations_no_longer_count_on_top_and_others_do(db: sqlite3.Connection) -> None:
    for number in (1, 2, 3):
        record(db, movement(number, ("apple", -number), ("pear", -1)))
    claims.settle(db, STOCK, [Seq(1), Seq(3)])
    assert (value(db, "apple"), value(db, "pear")) == (-2, -1)
    assert verify.problems(db) == []
    claims.settle(db, STOCK, [Seq(1), Seq(3)])
    assert value(db, "apple") == -2, "told twice is told once"


def test_settled_edits_are_no_longer_joined_to_the_hubs_row(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    seq = note_edit(db, 1, edit("unit", "each", 20))
    assert shown(db) == {"name": "Apple", "unit": "each"}
    claims.settle(db, STOCK, [seq])
    assert shown(db) == {"name": "Apple", "unit": "each"}, "another scope's rows have it"
    claims.settle(db, CATALOGUE, [seq])
    assert shown(db) == {"name": "Apple"}


def test_what_was_settled_in_a_scope_out_of_reach_counts_once_when_it_comes_back(
    db: sqlite3.Connection,
) -> None:
    """The acknowledgement was lost, the log goes on under a new replica, and was not sent again yet."""
    hub = SmallHub()
    while not scopes.let_go_piece(db, STOCK):
        pass
    seq = record(db, movement(1, ("apple", -3)))
    push(db, hub)
    recovery.begin_replica(db, NEW)
    claims.settle(db, STOCK, [seq])
    scopes.begin(db, [STOCK])
    page = hub.page(STOCK, 0, 10)
    rows.take_in(db, page, page.rows, NEW, finish=True)
    assert value(db, "apple") == -3
    assert verify.problems(db) == []


def test_an_edit_settled_in_a_scope_out_of_reach_stays_on_a_document_read_through_another(
    db: sqlite3.Connection,
) -> None:
    """The pages of the other one say when its row includes it."""
    take_in(db, row(1, name=("Apple", 10)), own=0)
    elsewhere = Scope("docs:S02")
    seq = note_edit(db, 1, edit("name", "Pear", 20)._replace(scopes=(CATALOGUE, elsewhere)))
    claims.settle(db, elsewhere, [seq])
    assert shown(db)["name"] == "Pear"


def test_what_the_hub_lost_is_put_on_top_again_once(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    record(db, movement(1, ("apple", 5), ("pear", 2)))
    push(db, hub)
    pull(db, hub)
    recovery.begin_epoch(db, None)
    recovery.begin_replica(db, NEW)
    nothing = Page(STOCK, HubSeq(0), HubSeq(3), SALT, False, {}, ())
    rows.take_in(db, nothing, (), NEW, finish=True)
    assert value(db, "apple") == 0
    claims.put_back(db, STOCK, [Seq(1)])
    claims.put_back(db, STOCK, [Seq(1)])
    assert (value(db, "apple"), value(db, "pear")) == (5, 2)
    assert verify.problems(db) == []


def test_what_a_mark_covers_or_the_hub_set_aside_is_not_put_on_top(db: sqlite3.Connection) -> None:
    """The hub did not have it when it answered; by the time of these rows it has."""
    hub = SmallHub()
    first = record(db, movement(1, ("apple", 5)))
    second = record(db, movement(2, ("apple", 7)))
    push(db, hub)
    pull(db, hub)
    assert value(db, "apple") == 12
    third = record(db, movement(3, ("apple", 1)))
    log.quarantine(db, [StatusEntry(third, "forbidden", "no")], 1_000)
    view.forget_quarantined(db, third)
    claims.put_back(db, STOCK, [first, second, third])
    assert value(db, "apple") == 12
    assert verify.problems(db) == []


def test_lost_edits_are_joined_again(db: sqlite3.Connection) -> None:
    seq = note_edit(db, 1, edit("unit", "each", 20))
    take_in(db, row(1, unit=("each", 20)), own=seq)
    recovery.begin_epoch(db, None)
    recovery.begin_replica(db, NEW)
    page = Page(
        CATALOGUE, HubSeq(0), HubSeq(1), SALT, False, {OTHER: Seq(1)}, (row(1, name=("Apple", 10)),)
    )
    rows.take_in(db, page, page.rows, NEW, finish=True)
    assert shown(db) == {"name": "Apple"}
    claims.put_back(db, CATALOGUE, [seq])
    claims.put_back(db, CATALOGUE, [seq])
    assert shown(db) == {"name": "Apple", "unit": "each"}
    assert verify.problems(db) == []


def test_a_lost_operation_is_put_back_whole_where_its_documents_are_in_several_scopes(
    db: sqlite3.Connection,
) -> None:
    """What came back with one scope does not stand for the rest."""
    papers = Scope("docs:S01")
    scopes.begin(db, [CATALOGUE, papers])
    name = edit("name", "Apple", 20)._replace(scopes=(CATALOGUE, papers))
    seq = note_edit(db, 1, name, edit("name", "Pear", 20)._replace(id="b", scopes=(papers,)))
    for key in (name.key, name.key._replace(id="b")):
        db.execute("DELETE FROM pending_edit WHERE id = ?", (key.id,))
        view.show_document(db, key)
    for scope in (CATALOGUE, papers):
        claims.put_back(db, scope, [seq])
    assert {row["id"] for row in db.execute("SELECT id FROM pending_edit")} == {"a", "b"}
