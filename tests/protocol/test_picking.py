"""First expired, first out: what is handed out is handed out in full, and never from a lot that may not be used."""

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NO_LOT, Lot
from protocol.picking import LotFacts, LotStock, Part, Standing, facts_of, folded, pick, standing
from protocol.workflows.alerts import LotLevel, lot_marks

TODAY = "2026-11-22"
YESTERDAY, TOMORROW, LATER = "2026-11-21", "2026-11-23", "2027-06-30"
DAYS = (None, YESTERDAY, TODAY, TOMORROW)
STATUSES = ("ok", "on_hold", "quarantined", "recalled")

days = st.sampled_from((None, YESTERDAY, TODAY, TOMORROW, LATER))
facts = st.builds(facts_of, st.sampled_from((None, *STATUSES)), days)
shelves = st.lists(
    st.builds(
        LotStock, st.sampled_from("ABCDEFGH").map(Lot) | st.just(NO_LOT), st.integers(-5, 20), facts
    ),
    unique_by=lambda lot: lot.code,
    max_size=6,
)


def lot(code: str, on_hand: int, expiry: str | None = None, status: str = "ok") -> LotStock:
    """One on the shelf."""
    return LotStock(Lot(code), on_hand, facts_of(status, expiry))


def check(lots: list[LotStock], quantity: int, parts: tuple[Part, ...]) -> None:
    """Everything that is promised of parts."""
    held = {one.code: one for one in lots}
    assert sum(part.quantity for part in parts) == quantity
    assert len({part.lot for part in parts}) == len(parts)
    assert all(part.quantity > 0 for part in parts) or parts == (Part(NO_LOT, 0),)
    picked = [part for part in parts if part.lot != NO_LOT]
    assert parts[: len(picked)] == tuple(picked), "what is of no lot comes last"
    for part in picked:
        assert standing(held[part.lot].facts, TODAY) is Standing.OK
        assert part.quantity <= held[part.lot].on_hand
    usable = {
        one.code: one.on_hand
        for one in lots
        if one.code != NO_LOT and one.on_hand > 0 and standing(one.facts, TODAY) is Standing.OK
    }
    covered = sum(part.quantity for part in picked)
    assert covered == min(quantity, sum(usable.values())), "no lot stays while something is of none"
    keys = [(held[part.lot].facts.expiry or "9999-12-31", part.lot) for part in picked]
    assert keys == sorted(keys)
    for part in picked[:-1]:
        assert part.quantity == usable[part.lot], "a lot is emptied before the next is begun"
    if picked:
        left = [one for one in lots if one.code in usable.keys() - {part.lot for part in picked}]
        assert all((one.facts.expiry or "9999-12-31", one.code) > keys[-1] for one in left)


@given(shelves, st.integers(0, 60))
def test_all_is_handed_out_in_order_and_from_usable_lots_alone(
    lots: list[LotStock], quantity: int
) -> None:
    check(lots, quantity, pick(lots, quantity, TODAY))


@given(shelves, st.integers(0, 60), st.randoms(use_true_random=False))
def test_the_order_in_which_lots_are_named_changes_nothing(
    lots: list[LotStock], quantity: int, random: object
) -> None:
    shuffled = list(lots)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pick(shuffled, quantity, TODAY) == pick(lots, quantity, TODAY)


def test_every_shelf_of_two_lots_and_every_quantity() -> None:
    one_lot = [facts_of(status, day) for status, day in product(STATUSES, DAYS)]
    for first, second in product(one_lot, repeat=2):
        for (some, others), quantity in product(product((-1, 0, 1, 2), repeat=2), range(5)):
            lots = [LotStock(Lot("A"), some, first), LotStock(Lot("B"), others, second)]
            check(lots, quantity, pick(lots, quantity, TODAY))


def test_equal_days_are_taken_by_code_in_whatever_order_they_are_named() -> None:
    lots = [lot("b", 1, LATER), lot("B", 1, LATER), lot("a", 1, LATER)]
    for named in permutations(lots):
        assert pick(named, 3, TODAY) == (Part(Lot("B"), 1), Part(Lot("a"), 1), Part(Lot("b"), 1))


def test_what_no_usable_lot_covers_is_of_no_lot() -> None:
    lots = [lot("gone by", 9, YESTERDAY), lot("back", 9, LATER, "recalled"), lot("good", 2, LATER)]
    assert pick(lots, 5, TODAY) == (Part(Lot("good"), 2), Part(NO_LOT, 3))
    assert pick([], 5, TODAY) == (Part(NO_LOT, 5),)


def test_a_lot_may_be_used_on_its_last_day_and_not_after_it() -> None:
    last = LotFacts(expiry=TODAY)
    assert [standing(last, day) for day in (YESTERDAY, TODAY, TOMORROW)] == [
        Standing.OK,
        Standing.OK,
        Standing.EXPIRED,
    ]


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("status", STATUSES[1:])
def test_what_somebody_decided_is_told_before_its_age(status: str, day: str | None) -> None:
    assert standing(facts_of(status, day), TODAY) == status


def test_a_status_of_a_newer_version_holds_the_lot() -> None:
    assert standing(facts_of("damaged", None), TODAY) is Standing.ON_HOLD
    assert standing(facts_of(7, 7), TODAY) is Standing.ON_HOLD
    assert standing(facts_of(None, None), TODAY) is Standing.OK


@pytest.mark.parametrize("day", [YESTERDAY, TODAY, TOMORROW])
def test_what_is_told_as_expired_is_what_is_not_sold_any_more(day: str) -> None:
    marks = lot_marks(LotLevel("S01", "PILLS", "L7", 3, day), today=TODAY, expiring_until=LATER)
    told = {one.condition.value for one, mark in marks.items() if mark.begins}
    assert ("expired" in told) is (standing(LotFacts(expiry=day), TODAY) is Standing.EXPIRED)


def test_codes_that_differ_by_case_and_spaces_alone_look_alike() -> None:
    assert folded("L-2211") == folded(" l -2211") == folded("L\u00a0-2211\u2003")
    assert len({folded(code) for code in ("L-2211", "L2211", "L-02211", "L-22I1")}) == 4
    assert folded("STRASSE") == folded("stra\u00dfe")
