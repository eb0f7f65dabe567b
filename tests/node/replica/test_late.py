"""Which movements a count should have known of, and did not: by what was inside at that moment, and not by when they came."""

import sqlite3

import pytest

from node.replica import late, scopes
from protocol.effects import Account, CounterEffect
from protocol.frames.repair import LedgerItem
from protocol.ids import Location, Lot, OpId, ReplicaId, Scope, Seq, Sku
from protocol.operation import Operation
from protocol.workflows.count_sheet import Count
from protocol.workflows.progress import LineKey

S01, OTHER, ANOTHER = Location("S01"), ReplicaId(b"o" * 16), ReplicaId(b"a" * 16)
KEY = LineKey(Sku("tea"), Lot("L1"))
COUNTED_MS = 1_000_000
DAY_MS = 86_400_000


@pytest.fixture
def counted(db: sqlite3.Connection) -> sqlite3.Connection:
    """Tea was counted when five operations of the other replica were inside what was shown."""
    scope = Scope("stock:S01")
    scopes.begin(db, [scope])
    scopes.read_to_end(db, scope, Seq(0), {OTHER: Seq(5)})
    count(db)
    return db


def count(db: sqlite3.Connection, at_ms: int = COUNTED_MS, offset_ms: int | None = None) -> None:
    """Count the tea of stocktake x once."""
    late.note_count(db, S01, "x", Count(KEY, 1, 7, -3, "till@S01", at_ms), offset_ms)


def comes(
    db: sqlite3.Connection,
    seq: int = 6,
    *effects: tuple[str, str, int],
    at_ms: int = COUNTED_MS,
    offset_ms: int | None = None,
    replica: ReplicaId = OTHER,
    account: Account = Account.ON_HAND,
) -> list[int]:
    """A movement of tea comes; what is missing by then in the counts of the stocktake."""
    given = effects or (("tea", "L1", -1),)
    counters = tuple(
        CounterEffect(S01, Sku(sku), Lot(lot), account, delta) for sku, lot, delta in given
    )
    id_ = OpId(bytes([seq]) * 16)
    operation = Operation(
        id_, at_ms, at_ms, offset_ms, "till", "till", "move.sale", 1, counters, {}
    )
    late.judge(db, LedgerItem(1, replica, Seq(seq), 0, b""), operation)
    return [one.delta for one in late.missing(db, "x", 100)]


def test_what_was_inside_was_known_however_late_it_is_listed(counted: sqlite3.Connection) -> None:
    assert comes(counted, 5) == []
    assert comes(counted, 6) == [-1]
    assert comes(counted, 1, replica=ANOTHER) == [-1, -1], "of this one nothing was inside"


def test_what_moved_after_the_count_was_not_to_be_known(counted: sqlite3.Connection) -> None:
    assert comes(counted, 6, at_ms=COUNTED_MS + 1) == []
    assert comes(counted, 7, at_ms=COUNTED_MS) == [-1]


def test_clocks_that_differ_are_compared_by_the_hubs(counted: sqlite3.Connection) -> None:
    count(counted, COUNTED_MS, offset_ms=500)
    assert comes(counted, 6, at_ms=COUNTED_MS, offset_ms=501) == []
    assert comes(counted, 7, at_ms=COUNTED_MS + 400, offset_ms=100) == [-1]


def test_other_goods_and_promises_are_not_missing(counted: sqlite3.Connection) -> None:
    assert comes(counted, 6, ("tea", "", -1), ("rice", "L1", -1)) == []
    assert comes(counted, 7, account=Account.RESERVED) == []
    assert late.stocktakes(counted, "", 10) == []


def test_lines_of_one_movement_add_up_and_are_forgotten_together(
    counted: sqlite3.Connection,
) -> None:
    assert comes(counted, 6, ("tea", "L1", -1), ("tea", "L1", -2)) == [-3]
    assert late.stocktakes(counted, "", 10) == ["x"]
    assert late.stocktakes(counted, "x", 10) == []
    late.forget(counted, "x", late.missing(counted, "x", 10))
    assert late.missing(counted, "x", 10) == []


def test_a_line_that_is_counted_again_in_one_round_knows_what_is_inside_then(
    counted: sqlite3.Connection,
) -> None:
    scopes.read_to_end(counted, Scope("stock:S01"), Seq(0), {OTHER: Seq(6)})
    count(counted)
    assert comes(counted, 6) == []
    scopes.read_to_end(counted, Scope("stock:S01"), Seq(0))
    count(counted)
    assert comes(counted, 6) == [], "what was known stays so where nothing is said"


def test_what_an_earlier_count_of_the_round_missed_is_not_missing_in_the_one_after_it(
    counted: sqlite3.Connection,
) -> None:
    assert comes(counted, 6) == [-1]
    scopes.read_to_end(counted, Scope("stock:S01"), Seq(0), {OTHER: Seq(6)})
    count(counted)
    assert late.missing(counted, "x", 100) == []
    assert comes(counted, 7, at_ms=COUNTED_MS) == [-1]


def test_a_count_is_forgotten_once_no_till_can_have_been_cut_off_for_so_long(
    counted: sqlite3.Connection,
) -> None:
    count(counted, COUNTED_MS + (late.COUNTS_KEPT_DAYS + 1) * DAY_MS)
    (kept,) = counted.execute("SELECT counted_at FROM count_taken").fetchall()
    assert kept["counted_at"] > COUNTED_MS


def test_a_count_of_before_anything_was_read_knows_nothing(db: sqlite3.Connection) -> None:
    count(db)
    assert comes(db, 1) == [-1]
