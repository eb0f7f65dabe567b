"""Which references have a number, and which numbers are missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.limits import RECEIPT_LOOK_BACK, RECEIPT_STEP_MAX
from protocol.receipts import Gap, Numbered, gaps, looked_back, read_reference, rolls, unused


def missing(*references: str, present: set[str] | None = None) -> list[tuple[str, str, int]]:
    """First, last and count of each gap."""
    known = set(references) | (present or set())
    found = [gap for roll in rolls(references) for gap in gaps(roll, known)]
    return [(gap.first.text, gap.last.text, gap.missing) for gap in found]


@pytest.mark.parametrize(
    ("reference", "read"),
    [
        ("A-0017", ("A-", 17, 4)),
        ("receipt 536365", ("receipt ", 536365, 6)),
        ("17", ("", 17, 2)),
        ("0", ("", 0, 1)),
        ("2026/7/0009", ("2026/7/", 9, 4)),
        ("A-000000000017", ("A-", 17, 12)),
        ("", None),
        ("A-", None),
        ("17-A", None),
        ("A-\u0661\u0662", None),
        ("4006381333931", None),
        ("0f8fad5bd9cb469fa16570867728950e", None),
    ],
)
def test_a_reference_has_a_number_when_it_ends_in_a_few_digits(
    reference: str, read: tuple[str, int, int] | None
) -> None:
    assert read_reference(reference) == (None if read is None else Numbered(*read))


@given(st.from_regex(r"\A[A-Z/ -]{0,5}[0-9]{1,12}\Z"))
def test_a_number_is_written_as_it_was_read(reference: str) -> None:
    numbered = read_reference(reference)
    assert numbered is not None
    assert numbered.text == reference


def test_a_number_between_two_that_were_used_is_missing() -> None:
    assert missing("A-0017", "A-0019") == [("A-0018", "A-0018", 1)]
    (gap,) = gaps(rolls(["A-0017", "A-0019"])[0], ())
    assert (gap.after.text, gap.before.text) == ("A-0017", "A-0019")


def test_numbers_in_a_row_miss_nothing() -> None:
    assert missing("A-0998", "A-0999", "A-1000", "A-1001") == []
    assert missing("9", "10", "11") == []


def test_what_is_missing_is_told_in_ranges() -> None:
    assert missing("A-1", "A-5", "A-6", "A-9") == [("A-2", "A-4", 3), ("A-7", "A-8", 2)]


def test_series_do_not_mix_and_what_has_no_number_is_in_none() -> None:
    found = missing("A-1", "B-3", "A-2", "B-5", "cash", "B-4x", "C7")
    assert found == [("B-4", "B-4", 1)]


def test_what_somebody_else_recorded_is_not_missing() -> None:
    assert missing("A-1", "A-5", present={"A-3"}) == [("A-2", "A-2", 1), ("A-4", "A-4", 1)]
    roll = rolls(["A-1", "A-5"])[0]
    first, second = gaps(roll, {"A-3"})
    assert (first.before.text, second.after.text) == ("A-3", "A-3")


def test_a_number_written_in_two_ways_is_one() -> None:
    assert missing("A-7", "A-007", "A-008", "A-10") == [("A-009", "A-009", 1)]


def test_a_large_step_begins_another_roll() -> None:
    last = 10 + RECEIPT_STEP_MAX
    assert missing("10", f"{last}") == [("11", f"{last - 1}", RECEIPT_STEP_MAX - 1)]
    assert missing("10", f"{last + 1}") == []
    assert [len(roll) for roll in rolls(["10", f"{last + 1}", f"{last + 2}"])] == [1, 2]


def test_before_the_first_so_many_are_looked_for_as_might_be_missing() -> None:
    (roll,) = rolls(["A-0100"])
    texts = [numbered.text for numbered in looked_back(roll[0])]
    assert texts[:2] == ["A-0099", "A-0098"]
    assert len(texts) == RECEIPT_LOOK_BACK
    assert [one.text for one in looked_back(Numbered("A-", 2, 4))] == ["A-0001", "A-0000"]
    assert looked_back(Numbered("A-", 0, 4)) == []
    assert [one.text for one in looked_back(Numbered("", 11, 2))][:4] == ["10", "09", "9", "08"]


NUMBERS = st.sets(st.integers(0, 60), min_size=1)


@given(NUMBERS, NUMBERS)
def test_every_number_between_the_first_and_the_last_is_there_or_missing_once(
    used: set[int], elsewhere: set[int]
) -> None:
    present = {f"A{number}" for number in used | elsewhere}
    (roll,) = rolls([f"A{number}" for number in used])
    found: list[Gap] = gaps(roll, present)
    told = [n for gap in found for n in range(gap.first.number, gap.last.number + 1)]
    between = set(range(min(used), max(used) + 1))
    assert told == sorted(between - used - elsewhere)
    assert unused(roll) == len(between - used)
    for gap in found:
        assert {gap.after.number, gap.before.number} <= used | elsewhere
        assert (gap.after.number + 1, gap.before.number - 1) == (gap.first.number, gap.last.number)
