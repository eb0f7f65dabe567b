"""Recording movements: one transaction for operation, view, list and answer."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Answer, Authority, Caller, Line, Movement, Refusal
from node.replica import answers, log, stock, verify
from node.replica import movements as movement_list
from node.replica.movements import MovementQuery
from protocol.certificate import Role
from protocol.ids import Location, Lot, OpId, Sku
from protocol.limits import DELTA_MAX, REMEMBERED_ANSWER_DAYS
from protocol.movements import MoveKind
from protocol.operation import decode
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
HERE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
HUB_MS = HERE.now_ms + 3_600_000


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def sale(sku: str, delta: int, *, location: str = "S01", reference: str | None = None) -> Movement:
    """One line sold."""
    line = Line(Sku(sku), Lot(""), delta=delta)
    return Movement(MoveKind.SALE, Location(location), (line,), reference=reference)


def count(sku: str, *counted: int) -> Movement:
    """What was on the shelf, once or several times."""
    lines = tuple(Line(Sku(sku), Lot(""), counted=each) for each in counted)
    return Movement(MoveKind.COUNT, Location("S01"), lines)


def on_hand(db: sqlite3.Connection, sku: str) -> int:
    """What is shown."""
    return stock.shelf(db, "S01", sku, "").in_lot


def body(answer: Answer) -> dict[str, object]:
    """The answer as a caller reads it."""
    read: dict[str, object] = json.loads(answer.body)
    return read


def test_a_sale_is_answered_with_where_it_left_the_stock(db: sqlite3.Connection) -> None:
    answer = movements.record(db, HERE, TILL, sale("85123A", -6, reference="receipt 1"), "k1")
    shown = body(answer)
    assert (answer.status, answer.replayed) == (201, False)
    assert shown["lines"] == [
        {"sku": "85123A", "lot": None, "delta": -6, "on_hand": -6, "available": -6}
    ]
    assert (shown["seq"], shown["kind"], shown["actor"]) == (1, "sale", "till-1")
    assert [warning["code"] for warning in shown["warnings"]] == ["unknown_sku"]  # type: ignore[attr-defined]


def test_a_repeat_gets_the_same_bytes_and_records_nothing(db: sqlite3.Connection) -> None:
    first = movements.record(db, HERE, TILL, sale("a", -1), "k1")
    again = movements.record(db, HERE, TILL, sale("a", -1), "k1")
    assert again == replace(first, replayed=True)
    assert log.head(db).seq == 1
    assert on_hand(db, "a") == -1


@pytest.mark.parametrize("other", [sale("a", -2), sale("b", -1), sale("a", -1, reference="x")])
def test_a_key_with_another_body_is_refused(db: sqlite3.Connection, other: Movement) -> None:
    movements.record(db, HERE, TILL, sale("a", -1), "k1")
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        movements.record(db, HERE, TILL, other, "k1")
    assert log.head(db).seq == 1


def test_the_same_key_of_another_till_is_another_key(db: sqlite3.Connection) -> None:
    movements.record(db, HERE, TILL, sale("a", -1), "k1")
    movements.record(db, HERE, Caller("till-2", Authority.TILL), sale("a", -1), "k1")
    assert on_hand(db, "a") == -2


def test_equal_movements_with_different_keys_both_count(db: sqlite3.Connection) -> None:
    for key in ("k1", "k2"):
        movements.record(db, HERE, TILL, sale("a", -1), key)
    assert on_hand(db, "a") == -2


def test_a_key_first_sent_in_a_batch_may_be_repeated_alone(db: sqlite3.Connection) -> None:
    batch = movements.record_batch(db, HERE, TILL, [("k1", sale("a", -1)), ("k2", sale("a", -2))])
    again = movements.record(db, HERE, TILL, sale("a", -2), "k2")
    assert isinstance(batch[1], Answer)
    assert again == replace(batch[1], replayed=True)


def test_a_refused_item_of_a_batch_leaves_the_others_recorded(db: sqlite3.Connection) -> None:
    bad = Refusal("validation_failed", "not a movement")
    items = [
        ("k1", sale("a", -1)),
        bad,
        ("k2", sale("a", -1, location="S99")),
        ("k3", sale("a", -1)),
    ]
    results = movements.record_batch(db, HERE, TILL, items)
    codes = [result.code if isinstance(result, Refusal) else result.status for result in results]
    assert codes == [201, "validation_failed", "forbidden", 201]
    assert on_hand(db, "a") == -2
    assert verify.problems(db) == []


def test_a_node_records_nothing_at_a_location_it_does_not_write(db: sqlite3.Connection) -> None:
    with pytest.raises(Refusal, match="forbidden"):
        movements.record(db, HERE, TILL, sale("a", -1, location="S02"), "k1")
    assert log.head(db).seq == 0


@pytest.mark.parametrize(("kind", "allowed"), [(MoveKind.ADJUST, True), (MoveKind.SALE, False)])
def test_an_office_changes_any_stock_by_adjustment_only(
    db: sqlite3.Connection, kind: MoveKind, allowed: bool
) -> None:
    office = Here(CHAIN, ME, certificate_of(writes=(), role=Role.OFFICE), None, 1_000)
    line = Line(Sku("a"), Lot(""), delta=-1)
    movement = Movement(kind, Location("S02"), (line,), reason="FOUND")
    if allowed:
        assert movements.record(db, office, TILL, movement, "k1").status == 201
    else:
        with pytest.raises(Refusal, match="forbidden"):
            movements.record(db, office, TILL, movement, "k1")


def test_a_count_is_frozen_against_what_is_shown_at_the_scan(db: sqlite3.Connection) -> None:
    opening = Movement(MoveKind.OPENING, Location("S01"), (Line(Sku("a"), Lot(""), delta=100),))
    movements.record(db, HERE, TILL, opening, "k1")
    movements.record(db, HERE, TILL, sale("a", -5), "k2")
    counted = movements.record(db, HERE, TILL, count("a", 92), "k3")
    movements.record(db, HERE, TILL, sale("a", -3), "k4")
    assert body(counted)["lines"] == [
        {"sku": "a", "lot": None, "delta": -3, "counted": 92, "on_hand": 92, "available": 92}
    ]
    assert on_hand(db, "a") == 89


def test_the_second_count_of_a_sku_in_one_movement_sees_the_first(db: sqlite3.Connection) -> None:
    movements.record(db, HERE, TILL, count("a", 10, 12), "k1")
    assert on_hand(db, "a") == 12


def test_stock_beyond_what_can_be_counted_is_refused_before_anything_is_written(
    db: sqlite3.Connection,
) -> None:
    for number in range(2):
        movements.record(db, HERE, TILL, count("a", DELTA_MAX * number), f"k{number}")
    sold = movements.record(db, HERE, TILL, sale("a", -DELTA_MAX), "k5")
    movements.record(db, HERE, TILL, sale("a", -DELTA_MAX), "k6")
    with pytest.raises(Refusal, match="validation_failed"):
        movements.record(db, HERE, TILL, count("a", DELTA_MAX), "k7")
    assert sold.status == 201
    assert log.head(db).seq == 4


def test_a_reversal_appends_the_opposite_and_happens_once(db: sqlite3.Connection) -> None:
    sold = body(movements.record(db, HERE, TILL, sale("a", -4, reference="r1"), "k1"))
    id_ = OpId(bytes.fromhex(str(sold["id"]).replace("-", "")))
    reversal = movements.reverse(db, HERE, TILL, id_, "k2")
    assert on_hand(db, "a") == 0
    assert body(reversal)["reverses"] == sold["id"]
    assert movements.reverse(db, HERE, TILL, id_, "k2") == replace(reversal, replayed=True)
    with pytest.raises(Refusal, match="conflict"):
        movements.reverse(db, HERE, TILL, id_, "k3")
    with pytest.raises(Refusal, match="not_found"):
        movements.reverse(db, HERE, TILL, OpId(bytes(16)), "k4")


def test_the_log_keeps_every_line_in_order_and_the_list_finds_it(db: sqlite3.Connection) -> None:
    lines = (
        Line(Sku("a"), Lot(""), delta=-1),
        Line(Sku("b"), Lot("L1"), delta=-2),
        Line(Sku("a"), Lot(""), delta=0),
    )
    movements.record(
        db, HERE, TILL, Movement(MoveKind.SALE, Location("S01"), lines, reference="r"), "k1"
    )
    body_of_first = log.body_at(db, log.head(db).seq)
    assert body_of_first is not None
    assert [effect[1:] for effect in decode(body_of_first).effects] == [
        ("a", "", 0, -1),
        ("b", "L1", 0, -2),
        ("a", "", 0, 0),
    ]
    for query in (
        MovementQuery(sku="b"),
        MovementQuery(sku="b", lot="L1"),
        MovementQuery(location="S01", kind="move.sale"),
        MovementQuery(reference="r"),
        MovementQuery(since_ms=HERE.now_ms, until_ms=HERE.now_ms + 1),
    ):
        found, _ = movement_list.newest(db, query)
        assert len(found) == 1, query
    for query in (
        MovementQuery(sku="c"),
        MovementQuery(sku="b", lot=""),
        MovementQuery(until_ms=HERE.now_ms),
    ):
        assert movement_list.newest(db, query)[0] == [], query


def test_pages_of_the_list_meet_without_gap_or_overlap(db: sqlite3.Connection) -> None:
    for number in range(7):
        movements.record(db, HERE, TILL, sale("a", -1, reference=str(number)), f"k{number}")
    seen: list[object] = []
    cursor = None
    while True:
        found, cursor = movement_list.newest(db, MovementQuery(limit=3, cursor=cursor))
        seen += [one.operation.details["reference"] for one in found]
        if cursor is None:
            break
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_answers_are_remembered_for_400_days_and_then_forgotten_in_pieces(
    db: sqlite3.Connection,
) -> None:
    for number in range(answers.PIECE_ANSWERS + 1):
        movements.record(db, HERE, TILL, sale("a", -1), f"k{number}")
    answers.mark(db, HUB_MS)
    kept_until_ms = HUB_MS + REMEMBERED_ANSWER_DAYS * 86_400_000
    assert answers.forget_old_piece(db, kept_until_ms) == 0
    dropped = [answers.forget_old_piece(db, kept_until_ms + 1) for _ in range(3)]
    assert dropped == [answers.PIECE_ANSWERS, 1, 0]


def test_an_answer_given_after_all_others_were_forgotten_is_kept_its_400_days(
    db: sqlite3.Connection,
) -> None:
    """Positions begin again at 1 then; the marks of those forgotten say nothing of it."""
    movements.record(db, HERE, TILL, sale("a", -1), "k1")
    answers.mark(db, HUB_MS)
    later_ms = HUB_MS + (REMEMBERED_ANSWER_DAYS + 1) * 86_400_000
    assert answers.forget_old_piece(db, later_ms) == 1
    movements.record(db, HERE, TILL, sale("a", -1), "k2")
    answers.mark(db, later_ms)
    assert answers.forget_old_piece(db, later_ms) == 0
    assert movements.record(db, HERE, TILL, sale("a", -1), "k2").replayed


@pytest.mark.parametrize("now_ms", [0, 4_102_444_800_000], ids=["1970", "2100"])
def test_an_answer_given_under_a_wrong_clock_is_kept_like_any_other(
    db: sqlite3.Connection, now_ms: int
) -> None:
    movements.record(db, replace(HERE, now_ms=now_ms), TILL, sale("a", -1), "k1")
    answers.mark(db, HUB_MS)
    days = [1, REMEMBERED_ANSWER_DAYS - 1, REMEMBERED_ANSWER_DAYS + 1]
    forgotten = [answers.forget_old_piece(db, HUB_MS + day * 86_400_000) for day in days]
    assert forgotten == [0, 0, 1]


def test_a_key_older_than_its_answer_is_refused_and_not_counted_twice(
    db: sqlite3.Connection,
) -> None:
    movements.record(db, HERE, TILL, sale("a", -1), "k1")
    answers.mark(db, HUB_MS)
    assert answers.forget_old_piece(db, 2 * HUB_MS) == 1
    with pytest.raises(Refusal, match="too long ago"):
        movements.record(db, HERE, TILL, sale("a", -1), "k1")
    assert on_hand(db, "a") == -1
