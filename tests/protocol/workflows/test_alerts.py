"""Alerts: raised once, cleared once, whoever evaluates, however often and in whatever order it merges."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.workflows import alerts
from protocol.workflows.alerts import Condition, Level, LotLevel, Rule, Subject

LOW = Subject(Condition.LOW, "", "S01", "TEA", "")
RULE = Rule("r1", "S01", "TEA", 50)


def told(
    amounts: list[int], minimum: int | None = 20, rules: tuple[Rule, ...] = ()
) -> list[tuple[str, bool]]:
    """What is told while stock goes through these amounts, looked at after each, twice."""
    known: dict[Subject, int] = {}
    found = []
    for amount in [amount for amount in amounts for _ in range(2)]:
        level = Level("S01", "TEA", amount, amount, minimum)
        for change in alerts.evaluate(alerts.level_marks(level, rules), known):
            known[change.subject] = change.number
            found.append((change.subject.condition.value, change.raised))
    return found


def test_a_condition_is_told_when_it_begins_and_when_it_ends_and_never_in_between() -> None:
    assert told([30, 19, 18, 25]) == [("low", True), ("low", False)]


def test_stock_that_wavers_around_the_minimum_is_told_once() -> None:
    assert told([30, 19, 20, 19, 21, 19, 20]) == [("low", True)]
    assert told([30, 19, 21, 22]) == [("low", True), ("low", False)], "20 and a tenth of it"


def test_exactly_the_minimum_is_not_below_it() -> None:
    assert told([20]) == []


def test_the_last_one_sold_is_low_and_out_and_one_more_sold_is_negative() -> None:
    assert told([30, 0, -1]) == [("low", True), ("out", True), ("negative", True)]
    assert told([-1, 0, 1]) == [
        ("low", True),
        ("negative", True),
        ("out", True),
        ("negative", False),
        ("out", False),
    ]


def test_what_the_location_does_not_keep_is_never_low_nor_out_but_may_be_negative() -> None:
    assert told([5, 0], minimum=None) == told([5, 0], minimum=0) == []
    assert told([5, 0, -1], minimum=None) == [("negative", True)]


def test_a_rule_is_about_its_own_sku_and_place() -> None:
    others = (Rule("r2", "", "TEA", 99), Rule("r3", "S01", "CUP", 99), Rule("r4", "S02", "TEA", 99))
    assert told([60, 40], rules=(RULE, *others)) == [("threshold", True)]
    chain = Level("", "TEA", 98, 98, None)
    held = [s.rule for s, mark in alerts.level_marks(chain, others).items() if mark.begins]
    assert held == ["r2"]


def test_goods_that_are_promised_do_not_count_as_available_but_are_on_the_shelf() -> None:
    marks = alerts.level_marks(Level("S01", "TEA", 30, 0, 20))
    held = {subject.condition for subject, mark in marks.items() if mark.begins}
    assert held == {Condition.LOW, Condition.OUT}


DAYS = ["2026-11-21", "2026-11-22", "2026-11-23", "2027-02-20", "2027-02-21"]


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [
        (DAYS[0], {"expired"}),
        (DAYS[1], {"expiring"}),
        (DAYS[2], {"expiring"}),
        (DAYS[3], {"expiring"}),
        (DAYS[4], set()),
    ],
)
def test_a_lot_is_good_on_its_last_day_and_expired_after_it(
    expiry: str, expected: set[str]
) -> None:
    marks = alerts.lot_marks(
        LotLevel("S01", "PILLS", "L7", 3, expiry), today="2026-11-22", expiring_until="2027-02-20"
    )
    assert {s.condition.value for s, mark in marks.items() if mark.begins} == expected
    assert all(mark.begins is not mark.ends for mark in marks.values())


@pytest.mark.parametrize("on_hand", [0, -2])
def test_a_lot_that_is_gone_expires_no_more(on_hand: int) -> None:
    lot = LotLevel("S01", "PILLS", "L7", on_hand, "2026-01-01")
    marks = alerts.lot_marks(lot, today="2026-11-22", expiring_until="2027-02-20")
    assert all(mark.ends and not mark.begins for mark in marks.values())


def test_an_expiring_lot_that_expires_is_told_as_that_and_no_longer_as_expiring() -> None:
    lot, known, found = LotLevel("S01", "PILLS", "L7", 3, "2026-11-22"), {}, []
    for today in ("2026-11-22", "2026-11-23"):
        marks = alerts.lot_marks(lot, today=today, expiring_until="2027-02-20")
        for change in alerts.evaluate(marks, known):
            known[change.subject] = change.number
            found.append((today, change.subject.condition.value, change.raised))
    assert found == [
        ("2026-11-22", "expiring", True),
        ("2026-11-23", "expired", True),
        ("2026-11-23", "expiring", False),
    ]


def test_what_was_not_looked_at_is_left_as_it_is() -> None:
    assert alerts.evaluate({}, {LOW: 1}) == []


def test_a_rule_that_is_deleted_takes_its_alert_with_it_once() -> None:
    assert alerts.withdraw([LOW], {LOW: 1}) == [alerts.Change(LOW, 2)]
    assert alerts.withdraw([LOW], {LOW: 2}) == alerts.withdraw([LOW], {}) == []


def test_two_who_evaluate_the_same_stock_raise_one_alert() -> None:
    """A node and the office, each from what both remember: the same number, so the join keeps one."""
    marks = alerts.level_marks(Level("S01", "TEA", 3, 3, 20))
    for number in (0, 2, 4):
        node, office = (alerts.evaluate(marks, {LOW: number}) for _ in range(2))
        assert node == office == [alerts.Change(LOW, number + 1)]


@given(
    st.lists(st.integers(-3, 30), max_size=12),
    st.lists(st.integers(-3, 30), max_size=12),
    st.integers(-3, 30),
)
def test_two_who_saw_different_stock_agree_once_they_see_the_same(
    here: list[int], there: list[int], last: int
) -> None:
    """Numbers join by the larger. After a merge both look at one stock, and one more merge leaves nothing to tell."""
    known: list[dict[Subject, int]] = [{}, {}]

    def look(who: int, amount: int) -> None:
        marks = alerts.level_marks(Level("S01", "TEA", amount, amount, 20), (RULE,))
        known[who] |= {c.subject: c.number for c in alerts.evaluate(marks, known[who])}

    def merge() -> None:
        subjects = known[0].keys() | known[1].keys()
        joined = {s: max(known[0].get(s, 0), known[1].get(s, 0)) for s in subjects}
        known[:] = [dict(joined), dict(joined)]

    for who, amounts in enumerate((here, there)):
        for amount in amounts:
            look(who, amount)
    merge()
    look(0, last)
    look(1, last)
    assert known[0] == known[1]
    marks = alerts.level_marks(Level("S01", "TEA", last, last, 20), (RULE,))
    assert alerts.evaluate(marks, known[0]) == []
    for subject, mark in marks.items():
        raised = alerts.is_raised(known[0].get(subject, 0))
        assert raised or not mark.begins
        assert not raised or not mark.ends


@given(st.integers(0, 10**9), st.integers(-(10**9), 10**9))
def test_no_amount_both_begins_and_ends_a_condition(threshold: int, amount: int) -> None:
    mark = alerts.below(amount, threshold)
    assert not (mark.begins and mark.ends)


def test_every_condition_can_be_raised_and_cleared() -> None:
    seen = set()
    for on_hand, available, expiry in product((-1, 0, 5, 100), (-1, 0, 5, 100), DAYS):
        marks = alerts.level_marks(Level("S01", "TEA", on_hand, available, 20), (RULE,))
        lot = LotLevel("S01", "TEA", "L7", on_hand, expiry)
        marks |= alerts.lot_marks(lot, today="2026-11-22", expiring_until="2027-02-20")
        seen |= {(s.condition, mark.begins) for s, mark in marks.items() if mark != (False, False)}
    assert seen == set(product(Condition, (False, True)))
