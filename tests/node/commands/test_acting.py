"""The core of acts: steps of a table become operations, all or none, once each."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.commands import acting, documents, recording
from node.commands.acting import Asked
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.recording import Seen
from node.commands.requests import Authority, Caller, Refusal
from node.replica import changes, log, movements, verify, view
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.effects import Account, CounterEffect, DocumentKey
from protocol.ids import Location, Lot, Sku
from protocol.limits import FIELD_VALUE_BYTES_MAX, TOTAL_MAX
from protocol.workflows.steps import Fault, FieldWrite, Step, StepRefused
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.commands.on_shelves import shown
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
STORE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
OFFICE = replace(
    STORE, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
TRANSFERS = COLLECTIONS["transfers"]


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


@pytest.fixture
def id_(db: sqlite3.Connection) -> str:
    """A transfer from S01 to S02, drafted at S01."""
    asked = {"source": "S01", "destination": "S02"}
    return documents.create(db, STORE, OPERATOR, TRANSFERS, asked, "draft").id


def adds(
    location: str, delta: int, field: str, name: tuple[str, ...] | None = None, value: object = True
) -> Step:
    """A step that puts something on a shelf and says so in the document."""
    counter = CounterEffect(Location(location), Sku("tea"), Lot(""), int(Account.ON_HAND), delta)
    kind = "move.transfer_receive"
    return Step(kind, Location(location), (counter,), (FieldWrite(field, value),), name)


def perform(
    db: sqlite3.Connection,
    id_: str,
    *steps: Step,
    key: str = "k1",
    here: Here = STORE,
    caller: Caller = TILL,
    verb: str = "receive",
) -> Written:
    """Do what comes to these steps."""
    asked = Asked(TRANSFERS, id_, verb, ["it"])
    return acting.perform(db, here, caller, asked, key, lambda _: steps)


def on_hand(db: sqlite3.Connection, location: str = "S01") -> int:
    """Of tea."""
    return shown(db, "tea", location)[0]


def refused(code: str, detail: str = "") -> Any:
    """The refusal that is expected."""
    return pytest.raises(Refusal, match=f"{code}: .*{detail}")


def test_every_step_is_an_operation_and_the_answer_is_the_document(
    db: sqlite3.Connection, id_: str
) -> None:
    written = perform(db, id_, adds("S01", 3, "a/1"), adds("S01", 4, "a/2", ("line", "once")))
    shown = json.loads(written.body)
    assert (written.status, shown["id"], shown["source"]) == (200, id_, "S01")
    assert [one["code"] for one in shown["warnings"]] == ["unknown_sku"]
    assert (log.head(db).seq, on_hand(db), changes.bounds(db)[1]) == (3, 7, 3)
    listed, _ = movements.newest(db, movements.MovementQuery(reference=id_))
    assert [one.operation.kind for one in listed] == ["move.transfer_receive"] * 2
    assert verify.problems(db) == []


def test_a_repeated_key_gets_the_same_bytes_and_records_nothing(
    db: sqlite3.Connection, id_: str
) -> None:
    first = perform(db, id_, adds("S01", 3, "a/1"))
    assert perform(db, id_, adds("S01", 3, "a/1")) == replace(first, replayed=True)
    assert (log.head(db).seq, on_hand(db)) == (2, 3)
    asked = Asked(TRANSFERS, id_, "receive", ["something else"])
    with refused("idempotency_key_reused"):
        acting.perform(db, STORE, TILL, asked, "k1", lambda _: ())


def test_a_named_step_counts_once_whatever_its_key(db: sqlite3.Connection, id_: str) -> None:
    once = adds("S01", 3, "a/1", ("line", "once"))
    perform(db, id_, once)
    perform(db, id_, once, key="k2")
    assert (log.head(db).seq, on_hand(db)) == (2, 3)


def test_a_named_step_of_another_nodes_stock_is_left_to_it_unless_this_is_the_office(
    db: sqlite3.Connection, id_: str
) -> None:
    theirs = adds("S02", 3, "a/1", ("line", "once"))
    perform(db, id_, theirs)
    assert (log.head(db).seq, on_hand(db, "S02")) == (1, 0)
    perform(db, id_, theirs, here=OFFICE, key="k2")
    assert (log.head(db).seq, on_hand(db, "S02")) == (2, 3)


def test_an_act_on_another_nodes_stock_is_refused(db: sqlite3.Connection, id_: str) -> None:
    with refused("forbidden"):
        perform(db, id_, adds("S02", 3, "a/1"))


def test_what_the_table_refuses_is_told_by_its_own_name(db: sqlite3.Connection, id_: str) -> None:
    def refuse(_: Seen) -> tuple[Step, ...]:
        raise StepRefused(Fault.WRONG_STAGE, "cannot receive what is eaten")

    asked = Asked(TRANSFERS, id_, "receive", [])
    with refused("conflict", "eaten") as told:
        acting.perform(db, STORE, TILL, asked, "k1", refuse)
    assert told.value.fault == "wrong_stage"
    assert log.head(db).seq == 1


def test_every_fault_of_the_tables_has_a_code() -> None:
    assert set(acting._CODES) == set(Fault)


def test_who_may_not_act_and_what_is_not_there_are_refused(
    db: sqlite3.Connection, id_: str
) -> None:
    with refused("forbidden", "a till does not allocate transfers"):
        perform(db, id_, verb="allocate")
    with refused("not_found"):
        perform(db, "00000000-0000-0000-0000-000000000000")


def test_goods_beyond_what_can_be_counted_and_documents_beyond_a_page_are_refused(
    db: sqlite3.Connection, id_: str
) -> None:
    with refused("validation_failed", "beyond what can be counted"):
        perform(db, id_, adds("S01", TOTAL_MAX + 1, "a/1"))
    long = "x" * (FIELD_VALUE_BYTES_MAX - 100)
    many = [adds("S01", 1, f"a/{n}", ("line", str(n)), long) for n in range(13)]
    with refused("too_large"):
        perform(db, id_, *many)


def test_the_document_that_a_step_was_worked_out_from_is_that_of_the_transaction(
    db: sqlite3.Connection, id_: str
) -> None:
    seen = recording.see(db, TRANSFERS, id_, acting.op_id_of(STORE, acting.Slot("a", "b", "c")))
    assert seen.key == DocumentKey("transfers", id_)
    assert seen.scopes == ("docs:S01", "docs:S02")
    assert seen.values["stage"] == "draft"


def test_nothing_is_done_with_a_document_of_which_only_a_later_edit_has_come(
    db: sqlite3.Connection, id_: str
) -> None:
    """What created it was set aside by the hub, or is still on its way by another shop."""
    perform(db, id_, adds("S01", 1, "moved/receive/e1"))
    for [name] in db.execute("SELECT DISTINCT collection FROM pending_edit").fetchall():
        assert name == TRANSFERS.name
    first = db.execute("SELECT min(seq) FROM pending_edit").fetchone()[0]
    db.execute("DELETE FROM pending_edit WHERE seq = ?", (first,))
    view.show_changed(db, DocumentKey(TRANSFERS.name, id_), frozenset())
    before = on_hand(db)
    with refused("not_found", "only a part"):
        perform(db, id_, adds("S01", 1, "moved/receive/e2"), key="k2")
    assert on_hand(db) == before
