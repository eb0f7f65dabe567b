"""The stock of an instant is what the movements up to it come to, whatever came late and whichever till recorded it."""

import random

import pytest

from node.commands.requests import Refusal
from node.reports import stock_as_of
from node.reports.frame import Piece, Span
from node.reports.stock_as_of import StockAsOf
from protocol.movements import MoveKind
from tests.node.reports.past import DAY_MS, NOW_MS, Past

SKUS, LOTS = ("tea", "rice", "pills"), ("", "L1")
KINDS = (MoveKind.ADJUST, MoveKind.COUNT)


@pytest.fixture
def past() -> Past:
    """One in which nothing has happened."""
    return Past()


def report(past: Past, at_ms: int, limit: int = 1_000, **others: str) -> Piece:
    """All of it, in pages of `limit`."""
    asked = StockAsOf(at_ms, **others)
    found, cursor = [], None
    while True:
        piece = asked.piece(past.db, past.moment, Span(limit, cursor))
        found += piece.rows
        if (cursor := piece.following) is None:
            return Piece(found, None, asked.notes(past.db, past.moment))


def lay(past: Past, at_ms: int, **others: str) -> dict[tuple[str, str], int]:
    """What the report says was there, without what was not."""
    rows = report(past, at_ms, **others).rows
    found = {(str(row["sku"]), str(row["lot"] or "")): row["on_hand"] for row in rows}
    return {shelf: amount for shelf, amount in found.items() if amount}  # type: ignore[misc]


def without_nothing(amounts: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Those of which there is something."""
    return {shelf: amount for shelf, amount in amounts.items() if amount}


@pytest.mark.parametrize("seed", range(40))
def test_at_each_instant_it_is_what_the_movements_up_to_it_come_to(past: Past, seed: int) -> None:
    chance = random.Random(seed)
    instants = [NOW_MS - chance.randint(-2, 20) * DAY_MS // 4 for _ in range(8)]

    def line() -> tuple[str, str, int]:
        return (chance.choice(SKUS), chance.choice(LOTS), chance.randint(-5, 5))

    made: list[bytes] = []
    for _ in range(chance.randint(1, 30)):
        lines = [line() for _ in range(chance.randint(1, 3))]
        match chance.randint(0, 5):
            case 0:
                past.elsewhere(chance.choice(instants), *lines)
            case 1 if made:
                past.reverses(made.pop(chance.randrange(len(made))))
            case 2 if made:
                past.is_set_aside(made.pop())
            case _:
                made.append(past.records(MoveKind.ADJUST, chance.choice(instants), *lines))
    past.hears()
    past.fetches()
    for instant in instants:
        for at_ms in (instant - 1, instant, instant + 1):
            expected = without_nothing(past.lay(at_ms))
            assert lay(past, at_ms) == expected
            assert lay(past, at_ms, sku="tea") == {
                shelf: amount for shelf, amount in expected.items() if shelf[0] == "tea"
            }
    assert all(row["unexplained"] == 0 for row in report(past, NOW_MS - DAY_MS).rows)


def test_as_of_now_it_is_what_is_shown_also_of_what_is_dated_tomorrow(past: Past) -> None:
    past.records(MoveKind.RECEIVE, NOW_MS - DAY_MS, ("tea", "", 10))
    past.records(MoveKind.SALE, NOW_MS + DAY_MS, ("tea", "", -3))
    assert lay(past, NOW_MS) == lay(past, NOW_MS + 5 * DAY_MS) == {("tea", ""): 7}
    before = report(past, NOW_MS - 1)
    assert [row["on_hand"] for row in before.rows] == [10]
    assert [(note.code, note.count) for note in before.notes] == [("dated_ahead", 1)]


def test_what_arrives_late_changes_what_was_there_and_not_what_is(past: Past) -> None:
    past.records(MoveKind.RECEIVE, NOW_MS - 3 * DAY_MS, ("tea", "", 10))
    assert lay(past, NOW_MS - DAY_MS) == {("tea", ""): 10}
    past.records(MoveKind.SALE, NOW_MS - 2 * DAY_MS, ("tea", "", -4))
    assert lay(past, NOW_MS - DAY_MS) == {("tea", ""): 6}
    assert lay(past, NOW_MS - 3 * DAY_MS) == {("tea", ""): 10}


def test_stock_whose_movements_were_not_fetched_yet_is_refused_then_told_as_unexplained(
    past: Past,
) -> None:
    past.elsewhere(NOW_MS - DAY_MS, ("tea", "", -4))
    past.hears()
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            report(past, NOW_MS - 2 * DAY_MS)
        assert refused.value.code == "movements_not_held"
        past.fetches(to_the_end=False)
    past.fetches()
    past.elsewhere(NOW_MS - DAY_MS, ("tea", "", -5))
    past.hears()
    found = report(past, NOW_MS - 2 * DAY_MS)
    assert [(row["on_hand"], row["unexplained"]) for row in found.rows] == [(-5, -5)]
    assert [(note.code, note.count) for note in found.notes] == [("movements_missing", 1)]
    past.fetches()
    found = report(past, NOW_MS - 2 * DAY_MS)
    assert [(row["on_hand"], row["unexplained"]) for row in found.rows] == [(0, 0)]
    assert found.notes == ()


def test_a_neighbours_stock_of_then_is_refused(past: Past) -> None:
    with pytest.raises(Refusal) as refused:
        report(past, NOW_MS - DAY_MS, location="S02")
    assert refused.value.code == "movements_not_held"


def test_pages_of_any_size_are_the_same_rows(past: Past) -> None:
    for number in range(7):
        past.records(MoveKind.RECEIVE, NOW_MS - number, (f"sku-{number % 3}", f"L{number}", 1))
    whole = report(past, NOW_MS - 3).rows
    assert len(whole) == 7
    for limit in (1, 2, 3, 7):
        assert report(past, NOW_MS - 3, limit).rows == whole
    with pytest.raises(Refusal):
        StockAsOf(NOW_MS).piece(past.db, past.moment, Span(1, "gqFhoWI"))


def test_more_movements_than_are_walked_back_over_are_refused_and_not_cut(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_as_of, "REPORT_MOVEMENTS_MAX", 2)
    for number in range(3):
        past.records(MoveKind.RECEIVE, NOW_MS - number, ("tea", "", 1))
    assert lay(past, NOW_MS - 2) == {("tea", ""): 1}
    with pytest.raises(Refusal) as refused:
        report(past, NOW_MS - 3)
    assert refused.value.code == "too_large"


def test_where_there_are_too_many_movements_it_says_that_it_did_not_compare_them(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_as_of, "REPORT_CHECKED_MOVEMENTS_MAX", 1)
    for number in range(2):
        past.records(MoveKind.RECEIVE, NOW_MS - number, ("tea", "", 1))
    found = report(past, NOW_MS - 1)
    assert [row["unexplained"] for row in found.rows] == [None]
    assert [note.code for note in found.notes] == ["not_checked"]
    past.records(MoveKind.RECEIVE, NOW_MS, ("rice", "", 1))
    assert [row["unexplained"] for row in report(past, NOW_MS - 1, sku="rice").rows] == [0]
    assert [row["unexplained"] for row in report(past, NOW_MS - 1, sku="tea").rows] == [None]
