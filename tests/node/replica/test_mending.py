"""Rows put in the place of others: which, in which scopes' digests, and what stays on top."""

import sqlite3

from node.replica import incidents, mending, recovery, rows, scopes, verify, view
from node.replica.incidents import INCIDENTS_KEPT, IncidentCode
from node.replica.mending import Fetched
from node.replica.scopes import BEFORE_DOCUMENTS
from protocol import digest
from protocol.digest import bucket_of
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Scope, Seq
from tests.node.chain import ME, movement
from tests.node.replica.conftest import STOCK
from tests.node.replica.small_hub import SALT, SmallHub
from tests.node.replica.test_documents import CATALOGUE, edit, row, shown, take_in
from tests.node.replica.test_recovery import value
from tests.node.replica.test_view import OTHER, pull, push, record

DOCS = Scope("docs:S01")
EVERY = bytes(range(256))


def stocked(db: sqlite3.Connection, count: int = 250) -> SmallHub:
    """A hub with goods of another replica, read to the end."""
    hub = SmallHub()
    for at in range(0, count, 50):
        lines = [(f"sku {number:03}", 7) for number in range(at, min(count, at + 50))]
        hub.push(OTHER, Seq(at // 50 + 1), movement(1_000 + at, *lines))
    pull(db, hub, limit=1_000)
    return hub


def fetched(hub: SmallHub) -> list[Fetched]:
    """Every row as the hub has it."""
    page = hub.page(STOCK, HubSeq(0), 1_000)
    return [Fetched(each, page.inside.get(ME, Seq(0))) for each in page.rows]


def forget(db: sqlite3.Connection, scope: Scope) -> int:
    """Forget a whole scope; in how many pieces."""
    pieces, after = 0, BEFORE_DOCUMENTS
    while True:
        pieces += 1
        last = mending.forget_piece(db, scope, after)
        if last is None:
            return pieces
        after = last


def test_buckets_add_up_to_the_scopes_digest_whatever_was_kept_of_it(
    db: sqlite3.Connection,
) -> None:
    stocked(db)
    state = scopes.read(db, STOCK)
    assert state is not None
    found, newest = mending.read_buckets(db, STOCK)
    assert (found.whole, newest) == (state.digest, state.hub_seq)
    assert mending.adds_up(db, STOCK)
    db.execute("UPDATE counter SET total = total + 1 WHERE sku = 'sku 017'")
    damaged, _ = mending.read_buckets(db, STOCK)
    differing = [at for at in range(256) if damaged.digests[at] != found.digests[at]]
    assert len(differing) == 1
    assert not mending.adds_up(db, STOCK)


def test_a_row_newer_than_what_was_fetched_stays(db: sqlite3.Connection) -> None:
    hub = stocked(db)
    old, upto = fetched(hub), HubSeq(hub.head)
    hub.push(OTHER, Seq(6), movement(2_000, ("sku 003", 1)))
    pull(db, hub)
    mending.replace_piece(db, old, upto)
    assert value(db, "sku 003") == 8
    assert verify.problems(db) == []


def test_own_operations_stay_on_top_of_a_row_that_does_not_include_them(
    db: sqlite3.Connection,
) -> None:
    hub = stocked(db)
    record(db, movement(1, ("sku 003", -2)))
    push(db, hub)
    record(db, movement(2, ("sku 003", -1)))
    db.execute("UPDATE counter SET total = 100, value = 97 WHERE sku = 'sku 003'")
    mending.replace_piece(db, fetched(hub), HubSeq(hub.head))
    assert value(db, "sku 003") == 4
    [[pending]] = db.execute("SELECT count(*) FROM pending_delta").fetchall()
    assert pending == 1, "of two, one is inside by now"


def test_what_the_hub_does_not_have_is_cleared_to_what_is_on_top(db: sqlite3.Connection) -> None:
    hub = stocked(db)
    record(db, movement(1, ("sku 777", -2)))
    db.execute("UPDATE counter SET total = 5, value = 3, hub_seq = 9 WHERE sku = 'sku 777'")
    known = {each.row.key: each for each in fetched(hub)}
    keys = mending.strays(db, STOCK, EVERY, known, HubSeq(hub.head))
    assert [key.sku for key in keys] == ["sku 777"]  # type: ignore[union-attr]
    elsewhere = bytes(at for at in EVERY if at != bucket_of(keys[0]))
    assert mending.strays(db, STOCK, elsewhere, known, HubSeq(hub.head)) == []
    mending.clear_piece(db, keys)
    assert value(db, "sku 777") == -2


def test_a_document_is_mended_in_the_digest_of_every_scope_it_is_in(db: sqlite3.Connection) -> None:
    both = row(3, name=("Apple", 10))
    both = both._replace(document=both.document._replace(scopes=frozenset({CATALOGUE, DOCS})))
    scopes.begin(db, [CATALOGUE, DOCS])
    take_in(db, both, own=0)
    view.record(db, Seq(1), [edit("unit", "each", 20)])
    wrong = row(2, name=("Aple", 5))
    scopes.replace_row(db, old=both, new=wrong)
    rows.store_document(db, wrong, Seq(0))
    mending.replace_piece(db, [Fetched(both, Seq(0))], HubSeq(3))
    assert shown(db) == {"name": "Apple", "unit": "each"}
    for scope in (CATALOGUE, DOCS):
        state = scopes.read(db, scope)
        assert state is not None
        assert state.digest == digest.of_rows([both])
    mending.clear_piece(db, [both.key])
    assert shown(db) == {"unit": "each"}
    for scope in (CATALOGUE, DOCS):
        state = scopes.read(db, scope)
        assert state is not None
        assert state.digest == digest.EMPTY


def test_a_scope_that_is_forgotten_shows_what_it_showed_until_it_is_read_again(
    db: sqlite3.Connection,
) -> None:
    hub = stocked(db)
    record(db, movement(1, ("sku 003", -2)))
    db.execute("UPDATE counter SET hub_seq = 1000000 WHERE sku = 'sku 005'")
    scopes.start_over(db, [STOCK])
    assert forget(db, STOCK) == 3
    assert (value(db, "sku 003"), value(db, "sku 005")) == (5, 7)
    assert scopes.held(db)[STOCK][0] == 0
    pull(db, hub, limit=1_000)
    assert (value(db, "sku 003"), value(db, "sku 005")) == (5, 7)
    assert verify.problems(db) == []


def test_documents_that_are_forgotten_come_back(db: sqlite3.Connection) -> None:
    take_in(db, row(3, name=("Apple", 10)), own=0)
    scopes.start_over(db, [CATALOGUE])
    forget(db, CATALOGUE)
    assert shown(db) == {"name": "Apple"}
    assert verify.problems(db) == []
    page = Page(CATALOGUE, HubSeq(0), HubSeq(3), SALT, False, {}, (row(2, name=("Pear", 10)),))
    rows.take_in(db, page, page.rows, ME, finish=True)
    assert shown(db) == {"name": "Pear"}


def test_a_piece_that_is_forgotten_looks_at_few_documents_however_many_other_scopes_have(
    db: sqlite3.Connection,
) -> None:
    stocked(db, 50)
    scopes.begin(db, [CATALOGUE])
    many = tuple(
        row(number, name=("Apple", 10))._replace(id=f"{number:04}") for number in range(1, 502)
    )
    page = Page(CATALOGUE, HubSeq(0), HubSeq(502), SALT, False, {}, many)
    rows.take_in(db, page, page.rows, ME, finish=True)
    before = scopes.read(db, CATALOGUE)
    scopes.start_over(db, [STOCK])
    looked_at = 0

    def looks(sql: str) -> None:
        nonlocal looked_at
        looked_at += "FROM document" in sql

    db.set_trace_callback(looks)
    assert forget(db, STOCK) == 7
    db.set_trace_callback(None)
    assert looked_at == 7, "one look at a hundred documents for each piece"
    assert scopes.read(db, CATALOGUE) == before


def test_when_a_scope_was_mended_is_remembered(db: sqlite3.Connection) -> None:
    assert mending.began_at_ms(db, STOCK) is None
    mending.note_begun(db, STOCK, 1_000)
    mending.note_begun(db, STOCK, 2_000)
    assert mending.began_at_ms(db, STOCK) == 2_000
    recovery.begin_epoch(db, Seq(0))
    assert mending.began_at_ms(db, STOCK) == 2_000


def test_what_happens_again_and_again_drives_nothing_else_out(db: sqlite3.Connection) -> None:
    incidents.note(db, IncidentCode.HISTORY_GAP, "once", 1)
    for number in range(INCIDENTS_KEPT + 5):
        incidents.note(db, IncidentCode.DIGEST_MISMATCH, f"number {number}", 2 + number)
    last = INCIDENTS_KEPT + 4
    assert [each.detail for each in incidents.newest(db, 2)] == [
        f"number {last}",
        f"number {last - 1}",
        "once",
    ]


def test_the_newest_incidents_are_kept(db: sqlite3.Connection) -> None:
    for number in range(INCIDENTS_KEPT + 5):
        incidents.note(db, IncidentCode.DIGEST_MISMATCH, f"number {number}", number)
    found = incidents.newest(db, 1_000)
    assert len(found) == INCIDENTS_KEPT
    assert (found[0].detail, found[-1].detail) == (f"number {INCIDENTS_KEPT + 4}", "number 5")
