"""Saving a row of a list: created, changed where it differs, and once under one key."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from node.commands import saving
from node.commands.movements import Here
from node.commands.requests import Caller
from node.commands.saving import Outcome, Row
from node.replica import documents as held_documents
from node.replica import log, verify
from protocol.declarations import COLLECTIONS
from tests.node.commands.test_documents import (
    OFFICE,
    OPERATOR,
    STORE,
    TILL,
    change,
    create,
    newest,
    refused,
)
from tests.node.replica.conftest import new_replica_database


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def save(
    db: sqlite3.Connection,
    collection: str,
    asked: Mapping[str, object],
    key: str = "row",
    *,
    id_: str | None = None,
    here: Here = OFFICE,
    caller: Caller = OPERATOR,
) -> tuple[str, str, bool]:
    """Save a row, by the office unless told: id, outcome, and whether it was a repeat."""
    declared = COLLECTIONS[collection]
    row = Row(key, asked, id_)
    expected = saving.judge(db, here, caller, declared, row)
    saved = saving.save(db, here, caller, declared, row)
    told = json.loads(saved.body)
    assert expected == (None if saved.repeated else told["outcome"]), "what a dry run says comes"
    assert saved.status == (201 if told["outcome"] == "created" else 200)
    return told["id"], told["outcome"], saved.repeated


def fields(db: sqlite3.Connection, collection: str, id_: str) -> dict[str, Any]:
    """The fields of a document."""
    held = held_documents.one(db, COLLECTIONS[collection], id_)
    assert held is not None
    return dict(held.fields)


def test_a_row_creates_then_changes_only_what_differs(db: sqlite3.Connection) -> None:
    apple = {"id": "apple", "name": "Apple", "packs": {"bag": {"multiple": 6}}}
    assert save(db, "skus", apple) == ("apple", "created", False)
    assert save(db, "skus", apple, "again") == ("apple", "unchanged", False)
    more = {"id": "apple", "name": "Apple", "unit": "g", "packs": {"box": {"multiple": 60}}}
    assert save(db, "skus", more, "more") == ("apple", "changed", False)
    written = {effect.field for effect in newest(db).effects}  # type: ignore[union-attr]
    assert written == {"unit", "packs/box"}
    assert log.head(db).seq == 2
    assert verify.problems(db) == []


def test_a_key_counts_once_whatever_became_of_the_document(db: sqlite3.Connection) -> None:
    apple = {"id": "apple", "name": "Apple"}
    first = save(db, "skus", apple)
    change(db, "skus", "apple", {"name": "Apples"})
    assert save(db, "skus", apple) == (*first[:2], True)
    assert fields(db, "skus", "apple")["name"] == "Apples"
    with refused("idempotency_key_reused"):
        save(db, "skus", {**apple, "unit": "g"})
    assert log.head(db).seq == 2


def test_rows_with_drawn_ids_are_new_unless_they_say_which(db: sqlite3.Connection) -> None:
    suppliers = COLLECTIONS["suppliers"]
    id_, outcome, _ = save(db, "suppliers", {"name": "Lakeside"})
    assert outcome == Outcome.CREATED
    assert id_ == saving.id_of_row(OFFICE, OPERATOR, suppliers, "row")
    other, _, _ = save(db, "suppliers", {"name": "Lakeside"}, "other")
    assert other != id_
    saved = save(db, "suppliers", {"contact_info": "x"}, "change", id_=id_)
    assert saved == (id_, "changed", False)
    with refused("not_found"):
        save(db, "suppliers", {"name": "x"}, "nobody", id_=id_.replace(id_[0], "0" * 2)[:36])


def test_what_is_set_once_must_be_as_it_is(db: sqlite3.Connection) -> None:
    written = create(db, "orders", {"kind": "purchase", "location": "S01"})
    save(db, "orders", {"kind": "purchase", "note": "x"}, id_=written.id)
    with refused("validation_failed", "location is set once"):
        save(db, "orders", {"location": "S02"}, "other", id_=written.id)


def test_a_new_document_needs_what_a_document_needs(db: sqlite3.Connection) -> None:
    with refused("validation_failed", "a new SKU needs name"):
        save(db, "skus", {"id": "apple", "unit": "g"})
    assert log.head(db).seq == 0


def test_rights_are_those_of_any_edit(db: sqlite3.Connection) -> None:
    save(db, "skus", {"id": "apple", "name": "Apple"}, here=STORE)
    with refused("forbidden"):
        save(db, "skus", {"id": "apple", "name": "Apples"}, "change", here=STORE)
    with refused("forbidden"):
        save(db, "locations", {"id": "S02", "name": "x"}, here=STORE)
    with refused("forbidden", "a till"):
        save(db, "skus", {"id": "pear", "name": "Pear"}, "till", caller=TILL)


def test_a_row_that_is_recorded_and_not_answered_is_the_same_operation(
    db: sqlite3.Connection,
) -> None:
    other = new_replica_database()
    for base in (db, other):
        save(base, "skus", {"id": "apple", "name": "Apple"})
    assert newest(db).op_id == newest(other).op_id
    other.close()
