"""Recalling a lot and answering: what is written, by whom, and what a repeat gets."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, lots
from node.commands.documents import Written
from node.commands.lots import Acknowledgement
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Refusal
from node.replica import log, tracing, verify
from protocol.certificate import Role
from protocol.declarations.catalogue import LOTS
from protocol.ids import Location, Lot, Sku
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
STORE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
TWO_SHOPS = replace(STORE, certificate=certificate_of(writes=("S01", "S02")))
OFFICE = replace(
    STORE, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
PILLS, L1 = Sku("pills"), Lot("L/1")
ID = "pills/L~11"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    assert verify.problems(database) == []
    database.close()


def recall(
    db: sqlite3.Connection, reason: str = "wrong strength", key: str = "recall", **others: Any
) -> Written:
    """By the office unless told."""
    asked = {"here": OFFICE, "caller": OPERATOR, **others}
    return lots.recall(db, asked["here"], asked["caller"], PILLS, L1, reason, key)


def answers(
    db: sqlite3.Connection,
    set_aside: int = 4,
    location: str | None = None,
    key: str = "answer",
    **others: Any,
) -> Written:
    """By the shop unless told."""
    asked = {"here": STORE, "caller": OPERATOR, **others}
    given = Acknowledgement(None if location is None else Location(location), set_aside)
    return lots.acknowledge(db, asked["here"], asked["caller"], PILLS, L1, given, key)


def body(written: Written) -> dict[str, Any]:
    """The lot as it is answered."""
    shown: dict[str, Any] = json.loads(written.body)
    return shown


def refused(code: str) -> AbstractContextManager[pytest.ExceptionInfo[Refusal]]:
    """What must be refused."""
    return pytest.raises(Refusal, check=lambda refusal: refusal.code == code)


def create(db: sqlite3.Connection, **fields: object) -> None:
    """The office describes the lot."""
    asked = {"sku": PILLS, "code": L1, **fields}
    documents.create(db, OFFICE, OPERATOR, LOTS, asked, "create")


@pytest.mark.parametrize("is_described", [True, False])
def test_a_lot_is_recalled_whether_or_not_anybody_described_it(
    db: sqlite3.Connection, is_described: bool
) -> None:
    if is_described:
        create(db, expiry="2030-01-31")
    shown = body(recall(db))
    assert (shown["id"], shown["status"], shown["note"]) == (ID, "recalled", "wrong strength")
    assert shown["expiry"] == ("2030-01-31" if is_described else None)
    assert tracing.recalled_ms(db, PILLS, L1) == OFFICE.now_ms


def test_an_archived_lot_that_is_recalled_is_listed_again(db: sqlite3.Connection) -> None:
    create(db)
    documents.archive(db, OFFICE, OPERATOR, LOTS, ID, "archive")
    assert body(recall(db))["archived"] is False


def test_a_repeated_recall_is_answered_the_same_and_records_nothing(db: sqlite3.Connection) -> None:
    first = recall(db)
    seq = log.head(db).seq
    assert recall(db) == replace(first, replayed=True)
    assert recall(db, key="another").replayed is False
    assert log.head(db).seq == seq, "it is recalled already"
    with refused("idempotency_key_reused"):
        recall(db, "another reason")


def test_only_the_office_recalls(db: sqlite3.Connection) -> None:
    with refused("forbidden"):
        recall(db, here=STORE)
    with refused("forbidden"):
        recall(db, caller=TILL)
    assert log.head(db).seq == 0


def test_a_shop_says_what_it_set_aside_and_of_which_recall(db: sqlite3.Connection) -> None:
    recall(db)
    later = replace(STORE, now_ms=STORE.now_ms + 60_000)
    shown = body(answers(db, here=later))
    assert shown["acknowledged"] == {
        "S01": {
            "by": "operator",
            "at": "2023-11-14T22:14:20.000Z",
            "recall": "2023-11-14T22:13:20.000Z",
            "set_aside": 4,
        }
    }
    first = answers(db, here=later)
    assert first.replayed
    assert body(answers(db, 7, key="more"))["acknowledged"]["S01"]["set_aside"] == 7
    with refused("idempotency_key_reused"):
        answers(db, 5)


def test_a_shop_answers_for_itself_alone_and_the_office_for_any(db: sqlite3.Connection) -> None:
    recall(db)
    with refused("forbidden"):
        answers(db, location="S02")
    with refused("forbidden"):
        answers(db, caller=TILL)
    with refused("validation_failed"):
        answers(db, here=TWO_SHOPS)
    with refused("validation_failed"):
        answers(db, here=OFFICE)
    answers(db, location="S02", here=TWO_SHOPS)
    assert sorted(body(answers(db, location="S09", here=OFFICE, key="o"))["acknowledged"]) == [
        "S02",
        "S09",
    ]


def test_what_is_not_recalled_is_not_answered(db: sqlite3.Connection) -> None:
    with refused("not_found"):
        answers(db)
    create(db, status="on_hold")
    with refused("conflict"):
        answers(db)
    recall(db)
    documents.change(db, OFFICE, OPERATOR, LOTS, ID, {"status": "ok"}, "it was another one")
    with refused("conflict"):
        answers(db)


def test_a_key_of_a_recall_is_another_than_that_of_an_edit(db: sqlite3.Connection) -> None:
    recall(db, key="k")
    answers(db, key="k", here=OFFICE, location="S01")
    documents.change(db, OFFICE, OPERATOR, LOTS, ID, {"status": "ok"}, "k")
    assert tracing.recalled_ms(db, PILLS, L1) is None
