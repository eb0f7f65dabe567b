"""Editing documents: one transaction for operation, view, change and answer; what may be, and what a repeat gets."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements
from node.commands.depicting import document_body, tag_of
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.replica import changes, log, verify, view
from node.replica import documents as held_documents
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.effects import DocumentKey, FieldEffect, Join
from protocol.ids import Location, Lot, Scope, Seq, Sku
from protocol.limits import ATTRIBUTE_CHARS_MAX, ATTRIBUTE_CHOICES_MAX, DOCUMENT_LINES_MAX
from protocol.movements import MoveKind
from protocol.operation import Operation, decode
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
STORE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
OFFICE = replace(
    STORE, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
APPLE = {"id": "apple", "name": "Apple"}


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def create(
    db: sqlite3.Connection,
    collection: str,
    asked: Mapping[str, object],
    key: str = "create",
    *,
    here: Here = OFFICE,
    caller: Caller = OPERATOR,
) -> Written:
    """Create a document, by the office unless told."""
    return documents.create(db, here, caller, COLLECTIONS[collection], asked, key)


def change(
    db: sqlite3.Connection,
    collection: str,
    id_: str,
    asked: Mapping[str, object],
    key: str = "change",
    *,
    here: Here = OFFICE,
    caller: Caller = OPERATOR,
    if_match: tuple[str, ...] | None = None,
) -> Written:
    """Change a document, by the office unless told."""
    declared = COLLECTIONS[collection]
    return documents.change(db, here, caller, declared, id_, asked, key, if_match)


def body(written: Written) -> dict[str, Any]:
    """The answer as a caller reads it."""
    found: dict[str, Any] = json.loads(written.body)
    return found


def newest(db: sqlite3.Connection) -> Operation:
    """The last operation of the log."""
    packed = log.body_at(db, log.head(db).seq)
    assert packed is not None
    return decode(packed)


def refused(code: str, detail: str = "") -> Any:
    """The refusal that is expected."""
    return pytest.raises(Refusal, match=f"{code}: .*{detail}")


def test_what_is_created_is_one_edit_and_is_shown_at_once(db: sqlite3.Connection) -> None:
    written = create(db, "skus", {**APPLE, "packs": {"bag": {"multiple": 6}}})
    assert (written.id, written.status, written.replayed) == ("apple", 201, False)
    assert body(written)["packs"] == {"bag": {"multiple": 6}}
    assert body(written)["created_at"] == "2023-11-14T22:13:20.000Z"
    assert (body(written)["created_by"], body(written)["created_at_node"]) == ("operator", "office")
    operation = newest(db)
    assert (operation.kind, log.head(db).seq) == ("edit", 1)
    effects = [one for one in operation.effects if isinstance(one, FieldEffect)]
    assert {(one.collection, one.id, one.scopes) for one in effects} == {
        ("skus", "apple", (Scope("catalogue"),))
    }
    assert changes.bounds(db) == (0, 1)
    assert verify.problems(db) == []


def test_a_repeat_gets_the_first_answer_and_changes_nothing(db: sqlite3.Connection) -> None:
    first = create(db, "suppliers", {"name": "Lakeside"})
    change(db, "suppliers", first.id, {"name": "Lakeside Wholesale"})
    again = create(db, "suppliers", {"name": "Lakeside"})
    assert again == replace(first, replayed=True)
    assert change(db, "suppliers", first.id, {"name": "Lakeside Wholesale"}).replayed
    assert log.head(db).seq == 2
    with refused("idempotency_key_reused"):
        create(db, "suppliers", {"name": "Somebody else"})
    with refused("idempotency_key_reused"):
        change(db, "suppliers", first.id, {"name": "Somebody else"})
    suppliers = COLLECTIONS["suppliers"]
    gone = documents.archive(db, OFFICE, OPERATOR, suppliers, first.id, "change")
    assert not gone.replayed, "a key of a change is none of an archiving"
    assert documents.archive(db, OFFICE, OPERATOR, suppliers, first.id, "change").replayed


def test_a_repeat_at_another_node_of_the_shop_is_the_same_document(db: sqlite3.Connection) -> None:
    first = create(db, "suppliers", {"name": "Lakeside"}, here=STORE)
    other = new_replica_database()
    spare = replace(STORE, certificate=STORE.certificate._replace(name="S01 spare"))
    assert create(other, "suppliers", {"name": "Lakeside"}, here=spare).id == first.id
    elsewhere = replace(STORE, certificate=certificate_of(writes=("S02",)))
    third = new_replica_database()
    assert create(third, "suppliers", {"name": "Lakeside"}, here=elsewhere).id != first.id
    assert create(db, "suppliers", {"name": "Lakeside"}, "other key", here=STORE).id != first.id


def test_what_would_change_nothing_is_answered_and_not_recorded(db: sqlite3.Connection) -> None:
    create(db, "skus", APPLE)
    written = change(db, "skus", "apple", {"name": "Apple", "category": None})
    assert (written.status, body(written)["name"], log.head(db).seq) == (200, "Apple", 1)


def test_a_code_is_created_once(db: sqlite3.Connection) -> None:
    create(db, "skus", APPLE)
    with refused("conflict", "already"):
        create(db, "skus", APPLE, "again")
    documents.archive(db, OFFICE, OPERATOR, COLLECTIONS["skus"], "apple", "archive")
    with refused("conflict", "archived"):
        create(db, "skus", APPLE, "once more")
    assert body(change(db, "skus", "apple", {"archived": False}, "back"))["archived"] is False


def test_a_document_that_is_not_there_is_not_changed(db: sqlite3.Connection) -> None:
    with refused("not_found"):
        change(db, "skus", "apple", {"name": "Apple"})
    assert log.head(db).seq == 0


def test_a_change_under_a_tag_of_an_older_state_is_refused(db: sqlite3.Connection) -> None:
    seen = tag_of(create(db, "skus", APPLE).body)
    changed = tag_of(change(db, "skus", "apple", {"unit": "g"}, "1", if_match=(seen,)).body)
    with refused("precondition_failed"):
        change(db, "skus", "apple", {"unit": "kg"}, "2", if_match=(seen,))
    assert change(db, "skus", "apple", {"unit": "g"}, "1", if_match=(seen,)).replayed
    change(db, "skus", "apple", {"unit": "kg"}, "3", if_match=('"other"', changed))
    assert log.head(db).seq == 3


def test_an_edit_after_the_clock_was_put_back_still_comes_after_what_it_replaces(
    db: sqlite3.Connection,
) -> None:
    """Also over a restart: the clock of a document is in its stamps, and nowhere in memory."""
    create(db, "skus", APPLE)
    slow = replace(OFFICE, now_ms=5)
    assert body(change(db, "skus", "apple", {"name": "Apples"}, "1", here=slow))["name"] == "Apples"
    assert body(change(db, "skus", "apple", {"name": "Fruit"}, "2", here=slow))["name"] == "Fruit"
    stamps = [one.stamp for one in newest(db).effects if isinstance(one, FieldEffect)]
    assert [(stamp.wall_ms, stamp.tick) for stamp in stamps] == [(OFFICE.now_ms, 2)]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_till_edits_nothing(collection: str, db: sqlite3.Connection) -> None:
    example = COLLECTIONS[collection].example
    with refused("forbidden", "till"):
        create(db, collection, example, caller=TILL)
    id_ = create(db, collection, example).id
    with refused("forbidden", "till"):
        change(db, collection, id_, {"archived": True}, caller=TILL)


def test_a_shop_creates_a_sku_links_a_barcode_and_changes_no_more_of_it(
    db: sqlite3.Connection,
) -> None:
    create(db, "skus", APPLE, here=STORE)
    linked = change(db, "skus", "apple", {"barcodes": {"400": {}}}, "1", here=STORE)
    assert body(linked)["barcodes"] == {"400": {"pack": None}}
    for asked in ({"name": "Apples"}, {"archived": True}, {"barcodes": {"401": {}}, "minimum": 1}):
        with refused("forbidden", "office"):
            change(db, "skus", "apple", asked, "2", here=STORE)
    assert log.head(db).seq == 2


def test_a_shop_writes_levels_of_its_own_and_not_of_another_shop(db: sqlite3.Connection) -> None:
    create(db, "levels", {"location": "S01", "sku": "a", "minimum": 5}, here=STORE)
    with refused("forbidden"):
        create(db, "levels", {"location": "S02", "sku": "a"}, "2", here=STORE)


def test_an_alert_is_changed_by_its_creator_and_by_the_office(db: sqlite3.Connection) -> None:
    asked = {"sku": "a", "location": "S01", "threshold": 5}
    id_ = create(db, "alerts", asked, here=STORE).id
    change(db, "alerts", id_, {"threshold": 6}, "1", here=STORE)
    other = replace(STORE, certificate=STORE.certificate._replace(name="S01 spare"))
    with refused("forbidden", "created"):
        change(db, "alerts", id_, {"threshold": 7}, "2", here=other)
    with refused("forbidden", "created"):
        documents.archive(db, other, OPERATOR, COLLECTIONS["alerts"], id_, "3")
    assert body(change(db, "alerts", id_, {"threshold": 8}, "4"))["threshold"] == 8
    with refused("forbidden"):
        create(db, "alerts", {"sku": "a", "threshold": 5}, "5", here=STORE)


def test_what_a_sku_costs_is_written_apart_and_shown_to_the_offices_operators_alone(
    db: sqlite3.Connection,
) -> None:
    cost = {"amount": 12, "currency": "EUR"}
    written = create(db, "skus", {**APPLE, "cost": cost})
    assert body(written)["cost"] == cost
    placed = {(e.collection, e.scopes) for e in newest(db).effects if isinstance(e, FieldEffect)}
    assert placed == {("skus", ("catalogue",)), ("skus.office", ("docs:*",))}
    held = held_documents.one(db, COLLECTIONS["skus"], "apple")
    assert held is not None
    assert "cost" not in held.fields
    assert "cost" not in json.loads(document_body(COLLECTIONS["skus"], held, TILL))
    raised = change(db, "skus", "apple", {"cost": {"amount": 13, "currency": "EUR"}})
    assert body(raised)["cost"]["amount"] == 13
    with refused("forbidden", "office"):
        create(db, "skus", {"id": "pear", "name": "Pear", "cost": cost}, "3", here=STORE)


def test_an_attribute_takes_what_the_office_has_declared(db: sqlite3.Connection) -> None:
    create(db, "skus", APPLE)

    def holds(value: object, key: str) -> object:
        asked = {"attributes": {"storage": value}}
        return body(change(db, "skus", "apple", asked, key))["attributes"].get("storage")

    with refused("validation_failed", "not declared"):
        holds("cold", "1")
    declared = {"collection": "skus", "name": "storage", "type": "choice"}
    choices = {"cold": {}, "dry": {"label": "Dry place"}}
    create(db, "attributes", {**declared, "choices": choices}, "a1")
    assert holds("cold", "2") == "cold"
    with refused("validation_failed", "one of cold, dry"):
        holds("wet", "3")
    for type_, good, bad in (
        ("text", "x" * ATTRIBUTE_CHARS_MAX, "x" * (ATTRIBUTE_CHARS_MAX + 1)),
        ("whole_number", -5, "5"),
        ("yes_no", True, 1),
        ("date", "2024-02-29", "2023-02-29"),
    ):
        change(db, "attributes", "skus/storage", {"type": type_}, f"a {type_}")
        assert holds(good, f"good {type_}") == good
        with refused("validation_failed"):
            holds(bad, f"bad {type_}")
    documents.archive(db, OFFICE, OPERATOR, COLLECTIONS["attributes"], "skus/storage", "end")
    with refused("validation_failed", "not declared"):
        holds("2024-03-01", "4")
    assert holds(None, "5") is None, "what is no longer declared can be taken out"


def test_an_attribute_has_at_most_so_many_choices(db: sqlite3.Connection) -> None:
    choices: dict[str, object] = {str(number): {} for number in range(ATTRIBUTE_CHOICES_MAX)}
    declared = {"collection": "skus", "name": "x", "type": "choice"}
    create(db, "attributes", {**declared, "choices": choices})
    with refused("validation_failed", "at most"):
        change(db, "attributes", "skus/x", {"choices": {"one more": {}}})


def test_an_order_is_drafted_and_shows_what_follows_from_its_stage(db: sqlite3.Connection) -> None:
    lines = [{"sku": "a", "lot": None, "quantity": 5}]
    written = create(db, "orders", {"kind": "purchase", "location": "S01", "lines": lines})
    shown = body(written)
    assert (shown["stage"], shown["status"], shown["fulfilled_at"]) == ("draft", "pending", None)
    assert [(one["sku"], one["quantity"]) for one in shown["lines"]] == [("a", 5)]
    with refused("validation_failed", "internal needs from_location"):
        create(db, "orders", {"kind": "internal", "location": "S01"}, "2")


def in_stage(db: sqlite3.Connection, seq: int, stage: str) -> str:
    """An order that a step took there."""
    id_ = create(db, "orders", {"kind": "purchase", "location": "S01"}, f"order {seq}").id
    held = held_documents.states(db, DocumentKey("orders", id_))
    stamp = max(state.stamp for state in held.fields.values())
    effect = FieldEffect("orders", id_, "stage", Join.MAX, 40, stage, stamp, (Scope("docs:S01"),))
    view.record(db, Seq(seq), [effect])
    return id_


@pytest.mark.parametrize("stage", ["placed", "of a newer version"])
def test_what_is_under_way_is_not_edited_by_hand(stage: str, db: sqlite3.Connection) -> None:
    id_ = in_stage(db, 99, stage)
    with refused("conflict", stage):
        change(db, "orders", id_, {"note": "more"})
    with refused("conflict", stage):
        documents.archive(db, OFFICE, OPERATOR, COLLECTIONS["orders"], id_, "archive")


def test_an_order_as_large_as_it_may_be_is_recorded(db: sqlite3.Connection) -> None:
    lines = [
        {"sku": f"{number:064}", "lot": "L" * 64, "quantity": 10**9, "note": "n" * 200}
        for number in range(DOCUMENT_LINES_MAX)
    ]
    written = create(db, "orders", {"kind": "purchase", "location": "S01", "lines": lines})
    assert len(body(written)["lines"]) == DOCUMENT_LINES_MAX
    assert verify.problems(db) == []


def test_a_document_that_no_page_could_carry_is_refused(db: sqlite3.Connection) -> None:
    create(db, "skus", APPLE)
    for part in range(5):
        names = {f"{part}-{number}": "text" for number in range(20)}
        for name in names:
            create(
                db, "attributes", {"collection": "skus", "name": name, "type": "text"}, f"d{name}"
            )
        asked = {"attributes": dict.fromkeys(names, "😀" * ATTRIBUTE_CHARS_MAX)}
        if part < 4:
            change(db, "skus", "apple", asked, f"{part}")
    with refused("too_large"):
        change(db, "skus", "apple", asked, "last")
    assert verify.problems(db) == []


def test_a_sku_that_was_described_is_sold_without_a_warning(db: sqlite3.Connection) -> None:
    def warnings(key: str) -> list[str]:
        line = Line(Sku("apple"), Lot(""), delta=-1)
        sale = Movement(MoveKind.SALE, Location("S01"), (line,))
        answer = movements.record(db, STORE, TILL, sale, key)
        return [one["code"] for one in json.loads(answer.body)["warnings"]]

    assert warnings("before") == ["unknown_sku"]
    create(db, "skus", APPLE, here=STORE)
    assert warnings("after") == []


def sells(
    db: sqlite3.Connection, key: str, *deltas: int, kind: MoveKind = MoveKind.SALE
) -> list[str]:
    """The codes of the warnings at a sale of apples, in as many lines and lots."""
    lines = tuple(
        Line(Sku("apple"), Lot(f"L{number}" if number else ""), delta=delta)
        for number, delta in enumerate(deltas)
    )
    answer = movements.record(db, STORE, TILL, Movement(kind, Location("S01"), lines), key)
    return [one["code"] for one in json.loads(answer.body)["warnings"]]


def test_a_location_says_what_becomes_of_a_sale_below_zero(db: sqlite3.Connection) -> None:
    create(db, "skus", APPLE)
    assert sells(db, "undescribed", -1) == []
    create(db, "locations", {"id": "S01", "name": "Market Street"}, "l")
    assert sells(db, "allowed by default", -1) == []
    change(db, "locations", "S01", {"negative_stock": "warn"}, "w")
    assert sells(db, "warned", -1, -2) == ["negative_stock"]
    change(db, "locations", "S01", {"negative_stock": "refuse"}, "r")
    seq = log.head(db).seq
    with refused("insufficient_stock"):
        sells(db, "refused", -1)
    assert log.head(db).seq == seq
    assert sells(db, "goods in, still below", 1, kind=MoveKind.RECEIVE) == []
    assert sells(db, "goods in", 10, kind=MoveKind.RECEIVE) == []
    assert sells(db, "refused", -5) == [], "what was refused was not recorded under its key"
    assert sells(db, "one lot below zero, another above", -2, 1) == []
    with refused("insufficient_stock"):
        sells(db, "one too many", -2)
    assert verify.problems(db) == []


def test_a_refused_edit_leaves_nothing_behind(db: sqlite3.Connection) -> None:
    create(db, "skus", APPLE)
    before = list(db.iterdump())
    for asked, here in (
        ({"name": "Apples"}, STORE),
        ({"attributes": {"unknown": 1}}, OFFICE),
        ({"packs": {str(number): {"multiple": 1} for number in range(51)}}, OFFICE),
    ):
        with pytest.raises(Refusal):
            change(db, "skus", "apple", asked, here=here)
    assert list(db.iterdump()) == before
