"""Lists of documents: by id, by their first code, by what they say, and by what changed since."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import node
from node.commands.requests import Refusal
from node.replica import changes, documents, rows, scopes, verify, view
from node.replica.cursors import write_cursor
from node.replica.documents import DocumentQuery
from protocol.clock import Stamp
from protocol.declarations import COLLECTIONS
from protocol.declarations.naming import id_of
from protocol.documents import Document, FieldState
from protocol.effects import DocumentKey, FieldEffect, Join
from protocol.frames.feed import Page
from protocol.ids import HubSeq, ReplicaId, Scope, Seq
from protocol.limits import DOCUMENTS_EXAMINED_MAX
from protocol.rows import DocumentRow
from tests.node.chain import ME
from tests.node.replica.small_hub import SALT
from tests.query_plans import scans, statements

CATALOGUE = Scope("catalogue")
SKUS, LEVELS = COLLECTIONS["skus"], COLLECTIONS["levels"]
LIFE = changes.life_of(ME)


def saves(db: sqlite3.Connection, id_: str, collection: str = "skus", **fields: object) -> None:
    """The hub sends a document, and whoever listens is told."""
    states = {
        name: FieldState(int(Join.LWW), 0, value, Stamp(5, 0, ReplicaId(b"another replica.")))
        for name, value in (fields or {"name": id_}).items()
    }
    hub_seq = HubSeq(1 + len(db.execute("SELECT 1 FROM change").fetchall()))
    document = Document(states, frozenset({CATALOGUE}))
    row = DocumentRow(collection, id_, hub_seq, document, ())
    scopes.begin(db, [CATALOGUE])
    page = Page(CATALOGUE, HubSeq(0), hub_seq, SALT, False, {ME: Seq(0)}, (row,))
    rows.take_in(db, page, page.rows, ME, finish=True)


def listed(db: sqlite3.Connection, query: DocumentQuery) -> tuple[list[str], documents.Page]:
    """The ids of every page of a list, and the last page."""
    found: list[str] = []
    for _ in range(100):
        page = documents.page(db, query)
        found += [held.id for held in page.items]
        if page.following is None:
            return found, page
        query = replace(query, cursor=page.following)
    raise AssertionError("a list without an end")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_list_is_by_id_and_whole_over_pages(limit: int, db: sqlite3.Connection) -> None:
    for id_ in ("b", "a", "\u00e9", "B", "a/b", "0"):
        saves(db, id_)
    saves(db, "a", "locations")
    found, _ = listed(db, DocumentQuery(SKUS, limit=limit))
    assert found == ["0", "B", "a", "a/b", "b", "\u00e9"]


def test_documents_of_one_location_are_found_by_the_key(db: sqlite3.Connection) -> None:
    for location in ("S1", "S1/x", "S1~x", "S10", "S0", "S1 "):
        saves(db, id_of([location, "apple"]), "levels", minimum=1)
        saves(db, id_of([location, "pear"]), "levels", minimum=2)
    for location in ("S1", "S1/x", "S1~x", "S10"):
        found, _ = listed(db, DocumentQuery(LEVELS, {"location": location}, limit=1))
        assert found == [id_of([location, "apple"]), id_of([location, "pear"])]
    assert listed(db, DocumentQuery(LEVELS, {"location": "S"}))[0] == []
    one = DocumentQuery(LEVELS, {"location": "S1", "sku": "pear"})
    assert listed(db, one)[0] == ["S1/pear"]


def test_documents_are_found_by_what_they_show(db: sqlite3.Connection) -> None:
    saves(db, "a", name="A", category="Fruit")
    saves(db, "b", name="B", category="Bread", archived=True)
    saves(db, "c", name="C", category="Fruit", archived=True)
    saves(db, "d", name="D", archived="yes")
    asked: Mapping[str, list[str]] = {
        "Fruit": ["a", "c"],
        "Bread": ["b"],
        "Fish": [],
    }
    for category, expected in asked.items():
        assert listed(db, DocumentQuery(SKUS, {"category": category}))[0] == expected
    assert listed(db, DocumentQuery(SKUS, archived=True))[0] == ["b", "c"]
    assert listed(db, DocumentQuery(SKUS, archived=False))[0] == ["a", "d"]


def test_a_rare_filter_reads_a_bounded_number_of_documents_a_page(db: sqlite3.Connection) -> None:
    for number in range(DOCUMENTS_EXAMINED_MAX + 5):
        effect = FieldEffect(
            "skus",
            f"{number:05}",
            "category",
            0,
            0,
            "rare" if number > DOCUMENTS_EXAMINED_MAX else "usual",
            Stamp(1, 0, ME),
            (CATALOGUE,),
        )
        view.record(db, Seq(number + 1), [effect])
    page = documents.page(db, DocumentQuery(SKUS, {"category": "rare"}))
    assert (page.items, page.following is None) == ([], False)
    found, _ = listed(db, DocumentQuery(SKUS, {"category": "rare"}))
    assert found == [f"{number:05}" for number in range(1_001, 1_005)]


def test_what_changed_since_is_told_oldest_change_first(db: sqlite3.Connection) -> None:
    for id_ in ("a", "b", "c"):
        saves(db, id_)
    _, first = listed(db, DocumentQuery(SKUS))
    assert listed(db, DocumentQuery(SKUS, since=(LIFE, first.head)))[0] == []
    saves(db, "b", name="B")
    saves(db, "a", name="A", archived=True)
    query = DocumentQuery(SKUS, since=(LIFE, first.head), limit=1)
    found, last = listed(db, query)
    assert found == ["b", "a"]
    assert listed(db, DocumentQuery(SKUS, since=(LIFE, last.head)))[0] == []


def test_what_changes_while_a_list_is_read_is_in_the_next(db: sqlite3.Connection) -> None:
    for id_ in ("a", "b", "c"):
        saves(db, id_)
    first = documents.page(db, DocumentQuery(SKUS, limit=1))
    saves(db, "a", name="A")
    second = documents.page(db, DocumentQuery(SKUS, limit=5, cursor=first.following))
    assert second.head == first.head
    assert listed(db, DocumentQuery(SKUS, since=(LIFE, second.head)))[0] == ["a"]


def test_an_own_edit_and_the_end_of_one_are_changes(db: sqlite3.Connection) -> None:
    saves(db, "a")
    head = documents.page(db, DocumentQuery(SKUS)).head
    effect = FieldEffect("skus", "a", "name", 0, 0, "own", Stamp(9, 0, ME), (CATALOGUE,))
    view.record(db, Seq(1), [effect])
    changes.note_operation(db, Seq(1))
    page = documents.page(db, DocumentQuery(SKUS, since=(LIFE, head)))
    assert [held.fields["name"] for held in page.items] == ["own"]
    view.forget_quarantined(db, Seq(1))
    page = documents.page(db, DocumentQuery(SKUS, since=(LIFE, page.head)))
    assert [held.fields["name"] for held in page.items] == ["a"]


def test_a_change_of_the_offices_part_is_one_of_its_document(db: sqlite3.Connection) -> None:
    for first in ("a", "b"):
        saves(db, first)
        saves(db, first, "skus.office", cost={"amount": 1, "currency": "EUR"})
    head = documents.page(db, DocumentQuery(SKUS)).head
    saves(db, "a", "skus.office", cost={"amount": 2, "currency": "EUR"})
    page = documents.page(db, DocumentQuery(SKUS, since=(LIFE, head)))
    assert [(one.id, one.office_fields) for one in page.items] == [
        ("a", {"cost": {"amount": 2, "currency": "EUR"}})
    ]


@pytest.mark.parametrize("since", [(b"otherlif", 5), (LIFE, 1_000), (b"", 0)])
def test_a_number_of_another_life_or_of_the_future_is_before_everything(
    since: tuple[bytes, int], db: sqlite3.Connection
) -> None:
    saves(db, "a")
    db.execute("UPDATE document SET changed = 0")  # as before documents were numbered
    assert listed(db, DocumentQuery(SKUS, since=since))[0] == ["a"]


def test_a_document_whose_only_edit_was_set_aside_is_not_there(db: sqlite3.Connection) -> None:
    effect = FieldEffect("skus", "a", "name", 0, 0, "own", Stamp(9, 0, ME), (CATALOGUE,))
    view.record(db, Seq(1), [effect])
    assert documents.one(db, SKUS, "a") is not None
    view.forget_quarantined(db, Seq(1))
    assert documents.one(db, SKUS, "a") is None
    assert listed(db, DocumentQuery(SKUS))[0] == []


def test_a_document_that_went_out_of_reach_is_not_there(db: sqlite3.Connection) -> None:
    saves(db, "a")
    assert scopes.let_go_piece(db, CATALOGUE)
    assert listed(db, DocumentQuery(SKUS))[0] == []
    assert verify.problems(db) == []


def test_the_states_of_a_document_name_every_scope_that_it_is_in(db: sqlite3.Connection) -> None:
    saves(db, "a")
    effect = FieldEffect("skus", "a", "name", 0, 0, "x", Stamp(9, 0, ME), (Scope("docs:S01"),))
    view.record(db, Seq(1), [effect])
    found = documents.states(db, DocumentKey("skus", "a"))
    assert found.scopes == {"catalogue", "docs:S01"}
    assert found.fields["name"].stamp == Stamp(9, 0, ME)
    assert documents.states(db, DocumentKey("skus", "b")) == Document({}, frozenset())


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "AAAA",
        write_cursor(["1", "0"]),
        write_cursor(["x", "0", "a"]),
        write_cursor(["1", "-1", "a"]),
        write_cursor(["1", "\u0663", "a"]),
        write_cursor(["9" * 19, "0", "a"]),
        write_cursor([1, 0, "a"]),
    ],
)
def test_a_cursor_that_no_list_gave_is_refused(cursor: str, db: sqlite3.Connection) -> None:
    with pytest.raises(Refusal, match="validation_failed"):
        documents.page(db, DocumentQuery(SKUS, cursor=cursor))


def test_lists_go_by_an_index_in_its_order(db: sqlite3.Connection) -> None:
    asked = statements(Path(node.__file__).parent / "replica")
    mine = {name: sql for name, sql in asked.items() if name.startswith("documents.")}
    assert len(mine) == 7
    assert scans(db, mine) == set()
    for name in ("by_id", "by_first_code", "by_change"):
        values = dict.fromkeys(
            ("collection", "office_part", "after", "first", "beyond", "changed", "limit")
        )
        plan = db.execute(f"EXPLAIN QUERY PLAN {mine[f'documents.{name}']}", values)
        assert not any("TEMP B-TREE" in row["detail"] for row in plan), name
