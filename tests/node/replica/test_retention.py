"""What leaves the log, when, and that nothing of it is ever lost: neither to the list, nor to a hub that forgot it."""

import sqlite3

import pytest

from node.replica import changes, log, movements, recovery, retention, verify, view
from node.replica.identity import read_position, save_acked
from node.replica.movements import MovementQuery
from node.replica.retention import Retention
from protocol import chain
from protocol.clock import Stamp
from protocol.effects import FieldEffect, Join
from protocol.frames.log import StatusEntry
from protocol.ids import OpId, ReplicaId, Scope, Seq
from protocol.operation import Operation, decode, encode
from protocol.session.hello import NewReplica, Push, node_decides
from tests.damage import unguard
from tests.node.chain import ME, movement
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_view import pull, push, record, shown

DAY_MS = 86_400_000
NOW_MS = 2_000 * DAY_MS
NEW = ReplicaId(b"a new replica id")


def prune(db: sqlite3.Connection, keep: Retention | None = None, now_ms: int = NOW_MS) -> int:
    """Cut all there is to cut; how many rows went."""
    gone = 0
    while piece := retention.prune_piece(db, keep or Retention(), now_ms):
        gone += piece
    return gone


def lived(db: sqlite3.Connection, count: int, *, age_days: int, stable: int) -> SmallHub:
    """A node whose hub has everything since long and shows it."""
    hub = SmallHub()
    for number in range(1, count + 1):
        record(db, movement(number, ("apple", 1)))
        changes.note_operation(db, log.head(db).seq)
    push(db, hub)
    pull(db, hub)
    log.acknowledge(db, Seq(count), NOW_MS - age_days * DAY_MS)
    save_acked(db, Seq(count), Seq(stable), NOW_MS)
    return hub


def edit(number: int, name: str) -> bytes:
    """The bytes of an edit of a SKU."""
    stamp = Stamp(number, 0, ME)
    scopes = (Scope("catalogue"),)
    effect = FieldEffect("skus", "a", "name", int(Join.LWW), 0, name, stamp, scopes)
    op_id = OpId(number.to_bytes(16))
    return encode(Operation(op_id, 1, 1, None, "p", "d", "edit", 1, (effect,), {}))


@pytest.mark.parametrize(
    ("age_days", "stable", "base"),
    [
        (31, 200, 200),  # the last one stays
        (31, 120, 121),
        (29, 200, 1),
        (399, 0, 1),
        (401, 0, 200),
        (401, 120, 200),
        (-1_000, 200, 1),  # accepted in the future: a clock is wrong
    ],
)
def test_only_what_is_stable_and_old_or_very_old_is_cut(
    db: sqlite3.Connection, age_days: int, stable: int, base: int
) -> None:
    lived(db, 200, age_days=age_days, stable=stable)
    prune(db)
    assert log.base(db) == base
    assert retention.count(db) == 200 - base + 1
    assert verify.problems(db) == []


def test_what_is_cut_stays_listed_shown_and_reversible(db: sqlite3.Connection) -> None:
    lived(db, 120, age_days=40, stable=120)
    before, _ = movements.newest(db, MovementQuery(limit=1_000))
    value = shown(db)
    assert prune(db) == 119
    after, _ = movements.newest(db, MovementQuery(limit=1_000))
    assert after == before
    assert movements.one(db, OpId((7).to_bytes(16))) is not None
    assert shown(db) == value
    assert log.head(db).seq == 120
    seq = record(db, movement(121, ("apple", 1)))
    assert seq == 121
    assert verify.problems(db) == []


def test_an_operation_the_hubs_rows_do_not_include_yet_is_not_cut(db: sqlite3.Connection) -> None:
    for number in range(1, 11):
        record(db, movement(number, ("apple", 1)))
    log.acknowledge(db, Seq(10), NOW_MS - 100 * DAY_MS)
    save_acked(db, Seq(10), Seq(10), NOW_MS)
    assert prune(db) == 0
    assert log.base(db) == 1


def test_what_is_not_acknowledged_is_never_cut_however_stable_it_is_said_to_be(
    db: sqlite3.Connection,
) -> None:
    lived(db, 50, age_days=100, stable=50)
    recovery.begin_replica(db, NEW)
    save_acked(db, Seq(3), Seq(50), NOW_MS)
    prune(db)
    assert log.base(db) == 4


def test_a_cut_log_is_continued_where_the_hub_stands_at_its_very_beginning(
    db: sqlite3.Connection,
) -> None:
    lived(db, 200, age_days=40, stable=120)
    prune(db)
    held = log.chain_at(db, Seq(120))
    assert held is not None
    decided = node_decides(Seq(120), held, log.compare(db, Seq(120), Seq(200)))
    assert decided == Push((8,), Seq(121))
    prev, items = log.outbox(db, Seq(120), 500)
    assert (prev, len(items)) == (held, 80)
    assert log.chain_at(db, Seq(119)) is None


def test_a_cut_log_is_not_sent_from_its_middle_to_a_hub_that_has_nothing(
    db: sqlite3.Connection,
) -> None:
    """Position 0 was cut off too, although its hash is known: what follows it is no longer there."""
    assert log.chain_at(db, Seq(0)) == chain.CHAIN_START
    lived(db, 200, age_days=40, stable=120)
    prune(db)
    assert log.chain_at(db, Seq(0)) is None
    # As a node stands that was stopped between taking note of it and beginning its new replica.
    decided = node_decides(Seq(0), chain.CHAIN_START, log.compare(db, Seq(0), Seq(0)))
    assert isinstance(decided, NewReplica)


def test_a_hub_that_lost_what_was_cut_gets_all_of_it_under_a_new_replica(
    db: sqlite3.Connection,
) -> None:
    """Row 8 with a gap: the list of movements still has the bytes, so nothing needs to be counted."""
    lived(db, 200, age_days=40, stable=200)
    prune(db)
    again = SmallHub()
    decided = node_decides(Seq(50), again_chain(db, 50), log.compare(db, Seq(50), Seq(200)))
    assert isinstance(decided, NewReplica)
    assert decided.history_gap
    recovery.begin_replica(db, NEW)
    assert (log.base(db), log.head(db).seq, read_position(db).stable) == (1, 200, 0)
    assert verify.problems(db) == []
    _, items = log.outbox(db, Seq(0), 1_000)
    for seq, item in enumerate(items, start=1):
        again.push(NEW, Seq(seq), item.body)
    assert {decode(item.body).op_id for item in items} == {
        OpId(number.to_bytes(16)) for number in range(1, 201)
    }
    assert sum(again.totals.values()) == 200
    assert items[-1].accepted_at_ms == NOW_MS - 40 * DAY_MS
    found, _ = movements.newest(db, MovementQuery(limit=1_000))
    assert len(found) == 200
    assert {recorded.replica for recorded in found} == {NEW}


def again_chain(db: sqlite3.Connection, at: int) -> bytes:
    """The hash that a hub put back to an old backup has; the node can no longer compare it."""
    assert log.chain_at(db, Seq(at)) is None
    return bytes(32)


def test_edits_are_kept_for_ever_and_sent_again_first_with_their_own_clock(
    db: sqlite3.Connection,
) -> None:
    body = edit(1_000, "Apple")
    log.append(db, log.head(db), body)
    log.acknowledge(db, Seq(1), 77)
    lived(db, 60, age_days=500, stable=61)
    save_acked(db, Seq(61), Seq(61), NOW_MS)
    log.acknowledge(db, Seq(61), NOW_MS - 500 * DAY_MS)
    assert prune(db) == 60
    assert log.base(db) == 61
    assert db.execute("SELECT body, accepted_at FROM kept_edit").fetchall()[0][:] == (body, 77)
    assert verify.problems(db) == []
    pending = record(db, movement(2_000, ("plum", 3)))
    assert pending == 62
    recovery.begin_replica(db, NEW)
    _, items = log.outbox(db, Seq(0), 1_000)
    assert items[0] == (body, 77)
    assert len(items) == 62
    assert items[-1].accepted_at_ms is None
    assert shown(db)["plum"] == 3
    assert verify.problems(db) == []
    assert db.execute("SELECT count(*) FROM kept_edit").fetchone()[0] == 0


def test_own_operations_on_top_keep_their_place_when_the_log_is_numbered_anew(
    db: sqlite3.Connection,
) -> None:
    hub = lived(db, 100, age_days=40, stable=80)
    prune(db)
    for number in range(101, 110):
        record(db, movement(number, ("apple", 1), ("pear", 2)))
        view.record(db, log.head(db).seq, decode(edit(5_000 + number, "x")).effects)
    before = shown(db)
    log.quarantine(db, [StatusEntry(Seq(3), "forbidden", "no")], 1)
    recovery.begin_replica(db, NEW)
    assert shown(db) == before
    assert [fault for fault in verify.problems(db) if "catalogue" not in fault] == []
    assert log.head(db).seq == 109
    assert hub.head


def test_no_change_names_an_operation_that_has_left_the_log(db: sqlite3.Connection) -> None:
    lived(db, 900, age_days=40, stable=900)
    prune(db)
    first, last = changes.bounds(db)
    assert last == 901  # the page's own
    told = list(changes.after(db, first, 10_000))
    assert all(log.body_at(db, one.what) for one in told if isinstance(one.what, int))
    assert len(told) == 2


def test_a_body_that_changed_after_it_left_the_log_is_named(db: sqlite3.Connection) -> None:
    log.append(db, log.head(db), edit(1_000, "Apple"))
    lived(db, 30, age_days=500, stable=31)
    log.acknowledge(db, Seq(31), NOW_MS - 500 * DAY_MS)
    save_acked(db, Seq(31), Seq(31), NOW_MS)
    prune(db)
    assert verify.problems(db) == []
    (body,) = db.execute("SELECT body FROM movement WHERE seq = 9").fetchone()
    changed = body.replace(b"till", b"tall", 1)
    assert changed != body
    unguard(db)
    db.execute("UPDATE movement SET body = ? WHERE seq = 9", (changed,))
    db.execute("UPDATE kept_edit SET body = ?", (edit(1_000, "Pear"),))
    told = verify.problems(db)
    assert [fault.split(":")[0] for fault in told] == ["movement 8", "kept edit 1"]


def test_a_cut_log_that_lost_more_than_it_says_is_found(db: sqlite3.Connection) -> None:
    lived(db, 100, age_days=40, stable=50)
    prune(db)
    unguard(db)
    db.execute("DELETE FROM log WHERE seq = 51")
    assert verify.problems(db)[0].startswith("log 52: operation 51 is missing")


@pytest.mark.parametrize(
    ("age_days", "stable", "alarm"),
    [(9, 0, "no verified backup"), (9, 5, "behind by 9 days"), (9, 10, None), (3, 0, None)],
)
def test_a_hub_without_backups_is_an_alarm(
    db: sqlite3.Connection, age_days: int, stable: int, alarm: str | None
) -> None:
    lived(db, 10, age_days=age_days, stable=stable)
    found = retention.backup_alarm(db, NOW_MS)
    assert (found is None) == (alarm is None)
    assert alarm is None or alarm in str(found)
