"""Codes are kept as they are or refused; an op_id is one request of one client at one location."""

import sys
import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, check_code, code_fault, op_id, scope_is_valid, stock_scope
from tests.protocol.examples import CHAIN
from tests.protocol.strategies import codes


@given(codes())
def test_a_valid_code_comes_back_unchanged(code: str) -> None:
    assert check_code(code, "sku") == code


@pytest.mark.parametrize(
    "code",
    [
        "0042",
        "a",
        "A",
        " ",
        "-",
        '5/8 x 2"',
        "Ä",
        "漢字",
        "🍎",
        "e\u0301",
        "\u202eabc",
        "\u00a0",
        "x" * 64,
    ],
)
def test_leading_zeros_case_blanks_and_any_script_are_kept(code: str) -> None:
    assert check_code(code, "sku") == code


@pytest.mark.parametrize(
    "code",
    ["", "\n", "a\0b", "a\x1fb", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\ud800", "x" * 65],
    ids=repr,
)
def test_what_cannot_be_printed_or_is_too_long_is_refused(code: str) -> None:
    assert code_fault(code) is not None
    with pytest.raises(ProtocolError) as refused:
        check_code(code, "sku")
    assert refused.value.code is Code.BAD_VALUE
    assert refused.value.detail.startswith("sku ")


@pytest.mark.parametrize("code", [None, 1, b"A", ["A"], True])
def test_only_text_is_a_code(code: object) -> None:
    with pytest.raises(ProtocolError):
        check_code(code, "sku")


@pytest.mark.parametrize(
    ("scope", "valid"),
    [
        ("catalogue", True),
        ("directory", True),
        ("fleet", True),
        ("stock:S01", True),
        ("docs:S:01", True),
        ("people:漢", True),
        ("mail:0", True),
        ("stock", False),
        ("stock:", False),
        ("Stock:S01", False),
        ("catalogue:S01", False),
        ("ledger:S01", False),
        ("", False),
        (":", False),
        ("stock:a\nb", False),
        ("stock:" + "x" * 65, False),
    ],
)
def test_which_scopes_there_are(scope: str, valid: bool) -> None:
    assert scope_is_valid(scope) is valid


@given(codes())
def test_every_location_has_a_stock_scope(location: str) -> None:
    assert scope_is_valid(stock_scope(location))


@given(codes(), codes(), codes(), st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_the_same_request_has_the_same_id_anywhere(
    location: str, client: str, route: str, key: str
) -> None:
    assert op_id(CHAIN, location, client, route, key) == op_id(CHAIN, location, client, route, key)


@given(codes(), codes(), codes(), st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_an_id_is_the_uuid_that_any_other_program_derives(
    location: str, client: str, route: str, key: str
) -> None:
    expected = uuid.uuid5(uuid.UUID(bytes=bytes(CHAIN)), f"{location}\0{client}\0{route}\0{key}")
    assert op_id(CHAIN, location, client, route, key) == expected.bytes


@given(st.lists(codes(), min_size=4, max_size=4), st.integers(0, 3), codes())
def test_any_other_part_makes_another_id(parts: list[str], at: int, other: str) -> None:
    changed = [*parts[:at], other, *parts[at + 1 :]]
    assert (op_id(CHAIN, *parts) == op_id(CHAIN, *changed)) is (parts == changed)


def test_the_parts_of_an_id_do_not_run_into_each_other() -> None:
    assert op_id(CHAIN, "S0", "1", "r", "k") != op_id(CHAIN, "S", "01", "r", "k")
    assert op_id(CHAIN, "S", "a", "", "b") != op_id(CHAIN, "S", "", "a", "b")


def test_another_chain_has_other_ids() -> None:
    other = ChainId(b"\xc1" * 16)
    assert op_id(CHAIN, "S01", "till", "r", "k") != op_id(other, "S01", "till", "r", "k")


def test_what_a_code_may_not_hold_is_what_unicode_calls_control_surrogate_and_line_end() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        unprintable = unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        assert (code_fault(f"a{char}") is not None) == unprintable, hex(number)
