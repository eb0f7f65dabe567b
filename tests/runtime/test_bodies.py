"""Hostile JSON."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bodies import CONTAINERS_MAX, DEPTH_MAX, read_json
from runtime.problems import Problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_can_say_is_read_as_it_was_said(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(Problem):
        read_json(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}x", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"01", "not JSON"),
        (b'"\t"', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"role": "till", "role": "admin"}', "given twice"),
        (b'{"a": {"b": 1, "b": 1}}', "given twice"),
        (b'{"a": 1, "\\u0061": 2}', "given twice"),
        (b"NaN", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"1e400", "too large"),
        (b"-1e400", "too large"),
        (b"1" * 5_000, "too long"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "nested more than"),
        (b"[" * 100_000 + b"]" * 100_000, "objects and arrays"),
        (b"[" * 30_000 + b"]" * 30_000, "nested more than"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested more than"),
        (b"[" + b"[]," * CONTAINERS_MAX + b"1]", "objects and arrays"),
    ],
)
def test_a_hostile_body_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(Problem) as raised:
        read_json(raw)
    assert raised.value.code == "malformed_body"
    assert reason in raised.value.detail
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_the_deepest_body_allowed_is_read() -> None:
    raw = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    value = read_json(raw)
    for _ in range(DEPTH_MAX - 1):
        value = value[0]
    assert value == []


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert read_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_the_worst_body_of_a_mebibyte_is_refused_quickly() -> None:
    began_s = time.process_time()
    with pytest.raises(Problem):
        read_json(b"[" + b"[]," * 349_000 + b"1]")
    assert time.process_time() - began_s < 0.5
