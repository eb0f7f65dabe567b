"""Notes in the log of a node: chained like everything else, bounded where anybody can bring them about."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.commands.movements import Here
from node.commands.noting import Who, note
from node.replica import log, retention, verify
from node.replica.identity import save_acked
from node.replica.retention import Retention
from protocol.ids import Seq
from protocol.limits import NOTES_UNPROVEN_PER_HOUR_MAX
from protocol.notes import Action, Entity, Note, from_details
from protocol.operation import Operation, decode
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

HERE = Here(CHAIN, ME, certificate_of(writes=("S01",)), 5, 1_700_000_000_000)
ADA = Who("ada", "till-1")
HOUR_MS = 3_600_000


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def operation_at(db: sqlite3.Connection, seq: int) -> Operation:
    """What stands in the log."""
    body = log.body_at(db, Seq(seq))
    assert body is not None
    return decode(body)


def test_a_note_is_an_operation_without_effects_by_whom_it_is_of(db: sqlite3.Connection) -> None:
    told = Note(Action.DETAIL_OPENED, Entity("movements", "ab12"), {"why": "recall"})
    assert note(db, HERE, ADA, told) == 1
    entered = operation_at(db, 1)
    assert (entered.actor, entered.device, entered.effects) == ("ada", "till-1", ())
    assert (entered.kind, entered.recorded_at) == ("note.detail_opened", HERE.now_ms)
    assert from_details(entered.kind, entered.details) == told
    assert verify.problems(db) == []


def test_two_notes_that_say_the_same_are_two(db: sqlite3.Connection) -> None:
    told = Note(Action.SIGNED_IN, Entity("person", "p1"))
    assert [note(db, HERE, ADA, told) for _ in range(2)] == [1, 2]
    assert operation_at(db, 1).op_id != operation_at(db, 2).op_id


def test_a_node_that_was_let_go_notes_nothing(db: sqlite3.Connection) -> None:
    gone = replace(HERE, certificate=HERE.certificate.silenced())
    assert note(db, gone, ADA, Note(Action.SIGNED_IN)) is None
    assert log.head(db).seq == 0


def test_a_flood_of_refused_sign_ins_is_noted_in_part_and_counted(db: sqlite3.Connection) -> None:
    told = Note(Action.SIGN_IN_REFUSED, Entity("person", "ada"))
    noted = [note(db, HERE, ADA, told) for _ in range(NOTES_UNPROVEN_PER_HOUR_MAX + 7)]
    assert noted == [*range(1, NOTES_UNPROVEN_PER_HOUR_MAX + 1), *[None] * 7]
    assert note(db, HERE, ADA, Note(Action.SIGNED_IN)) == NOTES_UNPROVEN_PER_HOUR_MAX + 1
    later = replace(HERE, now_ms=HERE.now_ms + HOUR_MS)
    first, second = note(db, later, ADA, told), note(db, later, ADA, told)
    assert first is not None
    assert second is not None
    assert operation_at(db, first).details["said"] == {"left_out": 7}
    assert "said" not in operation_at(db, second).details


def test_a_note_that_leaves_the_log_is_kept(db: sqlite3.Connection) -> None:
    told = Note(Action.EXPORTED, None, {"rows": 3})
    for _ in range(3):
        note(db, HERE, ADA, told)
    bodies = [log.body_at(db, Seq(seq)) for seq in (1, 2)]
    day_ms = 86_400_000
    log.acknowledge(db, Seq(3), 0)
    save_acked(db, Seq(3), Seq(3), 40 * day_ms)
    assert retention.prune_piece(db, Retention(), 40 * day_ms) == 2
    kept = [row[0] for row in db.execute("SELECT body FROM kept_edit ORDER BY position")]
    assert kept == bodies
    assert verify.problems(db) == []
