"""Numbers of orders, transfers and stocktakes: final at once, found again, and never a second document's.

What DOMAIN (c) says of temporary order numbers: there are none.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.api.document_models import models_of
from node.commands import documents
from node.commands.requests import Refusal
from node.replica import documents as held_documents
from node.replica import log, numbering, verify, view
from node.replica.documents import DocumentQuery
from protocol.declarations import COLLECTIONS
from protocol.declarations.vocabulary import NUMBER
from protocol.effects import DocumentKey, FieldEffect
from protocol.ids import Seq
from protocol.operation import decode
from tests.node.chain import ME
from tests.node.commands.test_documents import OFFICE, OPERATOR, STORE, body, create
from tests.node.replica.conftest import new_replica_database

ORDER = {"kind": "purchase", "location": "S01"}
NEW = {
    "orders": ORDER,
    "transfers": {"source": "S01", "destination": "S02"},
    "stocktakes": {"location": "S01"},
}


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def number_of(written: documents.Written) -> str:
    """The number of a new document."""
    found: str = body(written)[NUMBER]
    return found


def copy_of(db: sqlite3.Connection) -> sqlite3.Connection:
    """Another database with the same bytes: a backup, or a folder that somebody copied."""
    other = new_replica_database()
    db.backup(other)
    return other


def tell(db: sqlite3.Connection, other: sqlite3.Connection) -> None:
    """Show at `other` what `db` has recorded last, as a page of the hub would."""
    packed = log.body_at(db, log.head(db).seq)
    assert packed is not None
    effects = decode(packed).effects
    view.put_on_top(other, Seq(10_000), effects)
    for key in {one.key for one in effects if isinstance(one, FieldEffect)}:
        view.show_document(other, DocumentKey(*key))


def test_each_kind_of_paper_has_a_number_of_one_row_of_its_location(
    db: sqlite3.Connection,
) -> None:
    numbers = [number_of(create(db, name, asked, here=STORE)) for name, asked in NEW.items()]
    assert [number.rpartition("-")[0] for number in numbers] == ["S01-1", "S01-2", "S01-3"]
    elsewhere = create(db, "orders", {**ORDER, "location": "S02"}, "other")
    assert number_of(elsewhere).startswith("S02-1-")
    assert verify.problems(db) == []


def test_a_number_is_not_asked_for_and_not_changed(db: sqlite3.Connection) -> None:
    written = create(db, "orders", ORDER)
    orders = COLLECTIONS["orders"]
    changed = documents.change(db, OFFICE, OPERATOR, orders, written.id, {"note": "x"}, "c")
    assert number_of(changed) == number_of(written)
    for model in (models_of(orders).created, models_of(orders).changed):
        assert NUMBER not in model.model_fields


def test_what_is_refused_and_what_is_repeated_take_no_number(db: sqlite3.Connection) -> None:
    first = create(db, "orders", ORDER)
    assert create(db, "orders", ORDER).body == first.body
    db.execute("SAVEPOINT command")
    with pytest.raises(Refusal):
        create(db, "orders", {**ORDER, "kind": "internal", "from_location": "S01"}, "bad")
    db.execute("ROLLBACK TO command")
    assert number_of(create(db, "orders", ORDER, "next")).startswith("S01-2-")


def test_two_nodes_of_one_location_that_are_cut_off_make_different_numbers(
    db: sqlite3.Connection,
) -> None:
    standby = new_replica_database()
    other = replace(STORE, certificate=STORE.certificate._replace(name="standby"))
    here = {number_of(create(db, "orders", ORDER, f"a{n}", here=STORE)) for n in range(50)}
    there = {number_of(create(standby, "orders", ORDER, f"b{n}", here=other)) for n in range(50)}
    assert len(here | there) == 100
    standby.close()


@pytest.mark.parametrize("becomes_new_replica", [True, False], ids=["restored", "copied"])
def test_a_node_that_was_put_back_or_copied_repeats_no_number(
    db: sqlite3.Connection, becomes_new_replica: bool
) -> None:
    create(db, "orders", ORDER, "before")
    older = copy_of(db)
    replica = type(ME)(b"2" * 16) if becomes_new_replica else ME
    lost = {number_of(create(db, "orders", ORDER, f"lost{n}", here=STORE)) for n in range(20)}
    here = replace(STORE, replica=replica)
    made = {number_of(create(older, "orders", ORDER, f"new{n}", here=here)) for n in range(20)}
    assert len(lost | made) == 40
    again = [number_of(create(older, "orders", ORDER, f"lost{n}", here=here)) for n in range(20)]
    ends = [number.rpartition("-")[2] for number in again]
    assert sorted(ends) == sorted(number.rpartition("-")[2] for number in lost)
    older.close()


def test_a_node_that_replaces_another_goes_on_counting_where_that_was(
    db: sqlite3.Connection,
) -> None:
    spare = new_replica_database()
    for n in range(3):
        create(db, "orders", ORDER, f"{n}", here=STORE)
    tell(db, spare)
    assert number_of(create(spare, "stocktakes", {"location": "S01"}, "x")).startswith("S01-4-")
    spare.close()


def test_what_somebody_else_wrote_as_a_number_moves_no_count(db: sqlite3.Connection) -> None:
    other = new_replica_database()
    create(other, "orders", ORDER)
    packed = log.body_at(other, log.head(other).seq)
    assert packed is not None
    effects = [
        one._replace(value="S01-999999-AAAAA") if one.field == NUMBER else one
        for one in decode(packed).effects
        if isinstance(one, FieldEffect)
    ]
    view.put_on_top(db, Seq(10_000), effects)
    view.show_document(db, effects[0].key)
    assert number_of(create(db, "orders", ORDER, "x")).startswith("S01-1-")
    other.close()


def test_the_count_stays_where_it_ends(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO numbering (location, last) VALUES ('S01', 999999999)")
    ids = [f"{n:08x}-0000-0000-0000-000000000000" for n in (1 << 8, 1 << 9)]
    first, second = (numbering.next_number(db, "S01", id_) for id_ in ids)
    assert first != second
    assert first.startswith("S01-999999999-")


def found(db: sqlite3.Connection, collection: str, number: str) -> list[Any]:
    """The ids that a list of this number has."""
    query = DocumentQuery(COLLECTIONS[collection], {NUMBER: number})
    return [held.id for held in held_documents.page(db, query).items]


def test_a_document_is_found_by_its_number_among_others(db: sqlite3.Connection) -> None:
    made = [create(db, "orders", ORDER, f"{n}") for n in range(30)]
    for written in made:
        assert found(db, "orders", number_of(written)) == [written.id]
        assert found(db, "transfers", number_of(written)) == []
    assert found(db, "orders", "S01-1-00000") == []
    assert found(db, "orders", "what is that") == []
