"""Formula cells: what a spreadsheet would run never leaves, and every text comes back as it was."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.exchange.cells import neutralised, restored

TEXTS = st.one_of(st.text(), st.text(alphabet="'=+-@\uff1d \u00a0\t\r\n,;\"aA1"))
# Written down on its own: what OWASP's "CSV Injection" says must not begin a cell.
DANGEROUS = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


@given(TEXTS)
def test_what_was_neutralised_is_restored(text: str) -> None:
    assert restored(neutralised(text)) == text


@given(TEXTS)
def test_no_cell_begins_with_what_a_spreadsheet_runs(text: str) -> None:
    assert DANGEROUS.match(neutralised(text)) is None


@given(TEXTS, st.sampled_from(",;\t"))
def test_no_part_does_when_a_spreadsheet_splits_at_another_sign(text: str, delimiter: str) -> None:
    for line in re.split(r"[\r\n]", neutralised(text)):
        for part in line.split(delimiter):
            assert re.match(r"[^\S\t]*[=+\-@\uff1d\uff0b\uff0d\uff20]", part) is None


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+49", "-5", "@SUM(1)", " =1", "\uff1d1"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert neutralised(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "A-1", "4006381333931", "it's", "a = b", "5'6", "a, b; c"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert neutralised(text) == restored(text) == text
