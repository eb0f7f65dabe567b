"""Numbers of documents: what they look like, what they are told apart by, and how a document is found by one."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from protocol.limits import CODE_CHARS_MAX, DOCUMENT_NUMBER_CHARS_MAX
from protocol.numbering import COUNT_MAX, count_of, document_number, ids_with

CODES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=CODE_CHARS_MAX)
COUNTS = st.integers(1, COUNT_MAX)
IDS = st.uuids().map(str)
AN_ID = "deadbeef-1234-5678-9abc-def012345678"


def test_a_number_is_short_and_has_no_letter_that_is_read_as_another() -> None:
    assert document_number("S01", 42, AN_ID) == "S01-42-VTPVX"


@given(CODES, COUNTS, IDS)
def test_a_number_says_its_count_to_whoever_knows_its_document(
    location: str, count: int, id_: str
) -> None:
    number = document_number(location, count, id_)
    assert len(number) <= DOCUMENT_NUMBER_CHARS_MAX
    assert count_of(number, location, id_) == count


@given(CODES, COUNTS, IDS, CODES, COUNTS)
def test_other_locations_and_other_counts_make_other_numbers(
    location: str, count: int, id_: str, other: str, other_count: int
) -> None:
    same = (location, count) == (other, other_count)
    number = document_number(location, count, id_)
    assert (number == document_number(other, other_count, id_)) == same


def test_a_code_that_looks_like_a_number_is_no_other_locations() -> None:
    tricky = document_number("S01-1-VTPVX", 2, AN_ID)
    assert count_of(tricky, "S01-1-VTPVX", AN_ID) == 2
    assert count_of(tricky, "S01", AN_ID) is None


@given(CODES, COUNTS, IDS, IDS)
def test_a_document_is_among_the_few_that_its_number_leads_to(
    location: str, count: int, id_: str, other: str
) -> None:
    lower, beyond = ids_with(document_number(location, count, id_))
    assert lower < id_ < beyond
    same_bits = uuid.UUID(id_).int >> 103 == uuid.UUID(other).int >> 103
    assert (lower < other < beyond) == same_bits


@given(st.text(max_size=DOCUMENT_NUMBER_CHARS_MAX))
def test_what_is_no_number_leads_nowhere(text: str) -> None:
    lower, beyond = ids_with(text)
    assert count_of(text, "S01", AN_ID) is None
    assert not lower < AN_ID < beyond


def test_what_another_device_wrote_as_a_number_or_an_id_is_looked_at_and_not_believed() -> None:
    number = document_number("S01", 7, AN_ID)
    for made_up in (None, 7, "", "S01-7", number.lower(), "S01-0-VTPVX", "S01-07-VTPVX"):
        assert count_of(made_up, "S01", AN_ID) is None
    assert count_of(f"S01-{COUNT_MAX + 1}-VTPVX", "S01", AN_ID) is None
    for id_ in ("", "x", "no hexadecimal", "deadbeef"):
        assert count_of(number, "S01", id_) is None
    assert count_of(number, None, AN_ID) is None
