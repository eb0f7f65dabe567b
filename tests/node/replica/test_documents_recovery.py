"""Documents when the hub's history begins anew and when scopes go: nothing stays shown of which no row will ever come."""

import sqlite3

import pytest

from node.replica import changes, identity, log, recovery, rows, scopes, verify, view
from node.replica.changes import Changed, GoneDocument
from protocol.effects import DocumentKey, FieldEffect
from protocol.frames.feed import Page
from protocol.frames.log import StatusEntry
from protocol.ids import NO_SALT, HubSeq, OpId, Scope, Seq
from protocol.operation import Operation, encode
from protocol.rows import DocumentRow
from tests.node.chain import ME
from tests.node.replica.small_hub import SALT
from tests.node.replica.test_documents import CATALOGUE, edit, row, shown, take_in

APPLE = DocumentKey("skus", "a")
PAPERS = Scope("docs:S01")


def record_edit(db: sqlite3.Connection, *edits: FieldEffect) -> Seq:
    """Record an operation that only edits."""
    number = log.head(db).seq + 1
    op_id = OpId(number.to_bytes(16))
    body = encode(Operation(op_id, 1_000, 1_000, None, "till", "till", "edit", 1, edits, {}))
    log.append(db, log.head(db), body)
    view.record(db, Seq(number), edits)
    return Seq(number)


def in_papers(made: FieldEffect) -> FieldEffect:
    """The same edit, of a document of the shop's own."""
    return made._replace(scopes=(PAPERS,))


def read_nothing(db: sqlite3.Connection, scope: Scope, own: int = 0) -> None:
    """Read a scope to its end, of which the hub has no row."""
    page = Page(scope, HubSeq(0), HubSeq(0), NO_SALT, False, {ME: Seq(own)}, ())
    rows.take_in(db, page, (), ME, finish=True)


def set_aside(db: sqlite3.Connection, seq: Seq) -> None:
    """Hear that the hub could not take an operation."""
    log.quarantine(db, [StatusEntry(seq, "forbidden", "no")], 1_000)
    view.forget_quarantined(db, seq)


def gone_since(db: sqlite3.Connection, last: int) -> list[GoneDocument]:
    """The documents that those who follow are told to be gone."""
    found = [what for _, what in changes.after(db, last, 1_000) if isinstance(what, Changed)]
    return [gone for what in found for gone in what.gone_documents]


def let_go(db: sqlite3.Connection, scope: Scope) -> None:
    """Drop all of a scope."""
    while not scopes.let_go_piece(db, scope):
        pass


def count(db: sqlite3.Connection) -> int:
    """How many documents there are."""
    number: int = db.execute("SELECT count(*) FROM document").fetchone()[0]
    return number


def test_an_edit_set_aside_before_the_node_heard_of_it_is_shown_until_the_scope_was_read_to_its_end(
    db: sqlite3.Connection,
) -> None:
    """It alone made the document, so no row of it ever comes."""
    scopes.begin(db, [CATALOGUE])
    seq = record_edit(db, edit("name", "Apple", 20))
    recovery.begin_epoch(db, seq)
    assert shown(db) == {"name": "Apple"}
    last = changes.bounds(db)[1]
    read_nothing(db, CATALOGUE)
    assert count(db) == 0
    assert gone_since(db, last) == [GoneDocument(APPLE, (CATALOGUE,))]
    set_aside(db, seq)
    assert shown(db) == {}


def test_an_edit_of_a_scope_that_is_not_read_is_not_shown_once_a_new_history_has_it(
    db: sqlite3.Connection,
) -> None:
    seq = record_edit(db, edit("name", "Apple", 20))
    last = changes.bounds(db)[1]
    recovery.begin_epoch(db, seq)
    assert count(db) == 0
    assert gone_since(db, last) == [GoneDocument(APPLE, (CATALOGUE,))]


def test_an_own_edit_inside_a_new_history_stays_shown_beside_the_next_one(
    db: sqlite3.Connection,
) -> None:
    scopes.begin(db, [CATALOGUE])
    seq = record_edit(db, edit("name", "Apple", 20))
    recovery.begin_epoch(db, seq)
    record_edit(db, edit("unit", "each", 30))
    assert shown(db) == {"name": "Apple", "unit": "each"}


def test_edits_after_a_new_history_are_shown_where_their_document_went_with_its_scope(
    db: sqlite3.Connection,
) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    seq = record_edit(db, edit("unit", "each", 20))
    take_in(db, row(2, name=("Apple", 10)), own=seq)
    let_go(db, CATALOGUE)
    assert count(db) == 0
    recovery.begin_epoch(db, Seq(0))
    assert shown(db) == {"unit": "each"}


def test_an_edit_not_sent_yet_outlives_the_right_to_read_its_document(
    db: sqlite3.Connection,
) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    seq = record_edit(db, edit("unit", "each", 20))
    let_go(db, CATALOGUE)
    assert shown(db) == {"unit": "each"}
    assert verify.problems(db) == []
    assert recovery.left_behind(db) == {CATALOGUE}
    assert not recovery.let_acknowledged_go(db, {CATALOGUE})
    identity.save_acked(db, seq, Seq(0), 1_000)
    assert recovery.let_acknowledged_go(db, {CATALOGUE})
    assert count(db) == 0
    assert recovery.left_behind(db) == set()


def test_an_edit_of_a_document_that_is_read_besides_waits_for_the_row(
    db: sqlite3.Connection,
) -> None:
    scopes.begin(db, [CATALOGUE, PAPERS])
    made = edit("name", "Apple", 20)._replace(scopes=(CATALOGUE, PAPERS))
    seq = record_edit(db, made)
    let_go(db, PAPERS)
    identity.save_acked(db, seq, Seq(0), 1_000)
    assert recovery.let_acknowledged_go(db, {PAPERS})
    assert shown(db) == {"name": "Apple"}


def test_a_document_of_a_former_history_goes_with_its_scope(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    recovery.begin_epoch(db, Seq(0))
    let_go(db, CATALOGUE)
    assert count(db) == 0


def test_a_document_in_two_scopes_stays_shown_until_both_were_read_to_their_ends(
    db: sqlite3.Connection,
) -> None:
    """The history may have forgotten that it was in the first."""
    held = row(1, name=("Apple", 10))
    both = held.document._replace(scopes=frozenset({CATALOGUE, PAPERS}))
    scopes.begin(db, [PAPERS])
    take_in(db, held._replace(document=both), own=0)
    recovery.begin_epoch(db, Seq(0))
    read_nothing(db, CATALOGUE)
    assert shown(db) == {"name": "Apple"}
    read_nothing(db, PAPERS)
    assert shown(db) == {}


def test_a_quarantined_edit_takes_the_document_that_it_made_with_it(db: sqlite3.Connection) -> None:
    seq = record_edit(db, in_papers(edit("name", "Apple", 20)))
    last = changes.bounds(db)[1]
    set_aside(db, seq)
    assert count(db) == 0
    assert gone_since(db, last) == [GoneDocument(APPLE, (PAPERS,))]


def documents(number: int) -> tuple[DocumentRow, ...]:
    """As many as that, in the order of their keys."""
    like = row(1, name=("Apple", 10))
    return tuple(like._replace(id=f"{each:05}", hub_seq=HubSeq(each + 1)) for each in range(number))


@pytest.fixture
def held(db: sqlite3.Connection) -> int:
    """Hold some more documents than go in two pieces; gives how many."""
    found = documents(2 * scopes.PIECE_DOCUMENTS + 1)
    scopes.begin(db, [CATALOGUE])
    page = Page(CATALOGUE, HubSeq(0), found[-1].hub_seq, SALT, False, {}, found)
    rows.take_in(db, page, found, ME, finish=True)
    return len(found)


def test_documents_go_piece_by_piece_and_add_up_after_each(
    db: sqlite3.Connection, held: int
) -> None:
    for pieces in (1, 2):
        assert not scopes.let_go_piece(db, CATALOGUE)
        assert count(db) == held - pieces * scopes.PIECE_DOCUMENTS
        assert verify.problems(db) == []
    assert scopes.let_go_piece(db, CATALOGUE)
    assert count(db) == 0
    assert verify.problems(db) == []


def test_documents_cut_off_in_going_go_on_with_the_next_acknowledgements(
    db: sqlite3.Connection, held: int
) -> None:
    assert not scopes.let_go_piece(db, CATALOGUE)
    assert recovery.left_behind(db) == {CATALOGUE}
    acknowledgements = 1
    while not recovery.let_acknowledged_go(db, {CATALOGUE}):
        acknowledgements += 1
    assert acknowledgements == 2
    assert (count(db), recovery.left_behind(db)) == (0, set())


def test_documents_given_back_while_they_were_going_come_back_whole(
    db: sqlite3.Connection, held: int
) -> None:
    assert not scopes.let_go_piece(db, CATALOGUE)
    scopes.begin(db, [CATALOGUE])
    assert recovery.left_behind(db) == set()
    found = documents(held)
    page = Page(CATALOGUE, HubSeq(0), found[-1].hub_seq, SALT, False, {}, found)
    rows.take_in(db, page, found, ME, finish=True)
    assert count(db) == held
    assert verify.problems(db) == []


def test_what_an_acknowledgement_looks_at_does_not_grow_with_what_was_edited_meanwhile(
    db: sqlite3.Connection,
) -> None:
    """A node that was cut off for months has thousands of edits in scopes that the hub has not heard of."""
    asked: list[int] = []
    for behind in (50, 500):
        for number in range(behind):
            made = edit("unit", "each", 20)._replace(id=f"{behind}-{number}")
            record_edit(db, made._replace(scopes=(Scope(f"docs:S{number % 5}"),)))
        statements: list[str] = []
        identity.save_acked(db, Seq(identity.read_position(db).acked + 10), Seq(0), 1_000)
        leaving = recovery.left_behind(db)
        db.set_trace_callback(statements.append)
        assert recovery.let_acknowledged_go(db, leaving) == set()
        db.set_trace_callback(None)
        asked.append(len(statements))
    assert asked[0] == asked[1]
