"""Rows and pages: one form for every receiver, read strictly, with room for what later hubs add."""

from typing import Any

import pytest

from protocol.codec import pack
from protocol.errors import ProtocolError
from protocol.frames.feed import Page
from protocol.frames.repair import Fetch
from protocol.rows import CounterRow, DocumentRow, row_from_wire, row_to_wire
from protocol.wire import decode
from tests.protocol.examples import REPLICA

STAMP: list[Any] = [5, 0, REPLICA]
COUNTER: list[Any] = [0, "S01", "A-100", "L7", 0, 9, -3]
DOCUMENT: list[Any] = [
    1,
    "sku",
    "A",
    9,
    ["catalogue", "docs:S01"],
    [["a", 0, 0, 1, STAMP], ["b", 1, 7, None, STAMP]],
]


def test_both_examples_are_read_with_and_without_a_tail() -> None:
    assert isinstance(row_from_wire(COUNTER), CounterRow)
    assert isinstance(row_from_wire(DOCUMENT), DocumentRow)
    for parts in (COUNTER, DOCUMENT):
        longer = [*parts, "later", {"more": [1]}]
        assert row_to_wire(row_from_wire(longer)) == longer


@pytest.mark.parametrize(
    ("parts", "at", "value"),
    [
        *((COUNTER, 0, value) for value in (2, False, 0.0, "0", None)),
        *((COUNTER, 1, value) for value in ("", None, 1)),
        *((COUNTER, 2, value) for value in ("", None, 1)),
        *((COUNTER, 3, value) for value in (None, 0, "\n")),
        *((COUNTER, 4, value) for value in (-1, 256, True)),
        *((COUNTER, 5, value) for value in (0, -1, 1.0, True, 2**63)),
        *((COUNTER, 6, value) for value in (1.0, True, None, 2**63, -(2**63))),
        *((DOCUMENT, 0, value) for value in (True, 1.0, 0)),
        *((DOCUMENT, 1, value) for value in ("", None)),
        *((DOCUMENT, 2, value) for value in ("", None)),
        *((DOCUMENT, 3, value) for value in (0, None)),
        *((DOCUMENT, 4, value) for value in ([], ["docs:S01", "catalogue"], ["x"])),
        *((DOCUMENT, 5, value) for value in (None, {}, [1], [[]])),
    ],
)
def test_a_wrong_part_of_a_row_is_refused(parts: list[Any], at: int, value: object) -> None:
    with pytest.raises(ProtocolError):
        row_from_wire([*parts[:at], value, *parts[at + 1 :]])


@pytest.mark.parametrize(
    "fields",
    [
        [["a", 0, 0, 1, STAMP], ["a", 0, 0, 2, STAMP]],
        [["b", 0, 0, 1, STAMP], ["a", 0, 0, 2, STAMP]],
        [["a", 0, 1, 1, STAMP]],
        [["a", 2, 0, 1, STAMP]],
        [["a", 0, 0, 1.5, STAMP]],
        [["a", 0, 0, 1]],
        [["", 0, 0, 1, STAMP]],
        [[1, 0, 0, 1, STAMP]],
    ],
    ids=["twice", "unsorted", "a rank", "a join", "a float", "short", "no name", "no text"],
)
def test_fields_have_one_form(fields: list[Any]) -> None:
    with pytest.raises(ProtocolError):
        row_from_wire([*DOCUMENT[:5], fields])


@pytest.mark.parametrize("tail", [[1.5], [2**63], [{"a": 0.0}]])
def test_a_tail_is_checked_though_it_is_not_understood(tail: list[object]) -> None:
    with pytest.raises(ProtocolError):
        row_from_wire([*COUNTER, *tail])


def test_a_document_is_in_its_scopes_and_a_counter_in_that_of_its_location() -> None:
    assert row_from_wire(COUNTER).scopes == ("stock:S01",)
    assert row_from_wire(DOCUMENT).scopes == ("catalogue", "docs:S01")


# --- pages -------------------------------------------------------------------------------------------------------


def read(**changes: object) -> object:
    """Read a page with keys changed."""
    body = {
        "scope": "stock:S01",
        "base": 5,
        "to": 9,
        "salt": bytes(8),
        "more": False,
        "inside": [[b"a" * 16, 1], [b"b" * 16, 2]],
        "rows": [[0, "S01", "A", "", 0, 7, 1], [0, "S01", "B", "", 0, 9, 1]],
    }
    return decode(b"\0" + pack([Page.TYPE, body | changes]))


def test_the_example_page_is_read() -> None:
    page = read()
    assert isinstance(page, Page)
    assert page.inside == {b"a" * 16: 1, b"b" * 16: 2}
    assert read(base=5, to=5, rows=[])


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": [[0, "S01", "A", "", 0, 5, 1]]},
        {"rows": [[0, "S01", "A", "", 0, 10, 1]]},
        {"rows": [[0, "S01", "A", "", 0, 9, 1], [0, "S01", "B", "", 0, 7, 1]]},
        {"rows": [[0, "S01", "A", "", 0, 9, 1], [0, "S01", "B", "", 0, 9, 1]]},
        {"rows": [[0, "S02", "A", "", 0, 9, 1]]},
        {"rows": [[1, "sku", "A", 9, ["catalogue"], []]]},
        {"base": 9, "to": 5, "rows": []},
        {"inside": [[b"a" * 16, 1], [b"a" * 16, 2]]},
        {"inside": [[b"b" * 16, 1], [b"a" * 16, 2]]},
        {"inside": [[b"a" * 15, 1]]},
        {"inside": [[b"a" * 16, True]]},
        {"inside": {}},
        {"more": 0},
        {"more": None},
        {"salt": bytes(7)},
        {"scope": "shelf:S01"},
        {"scope": None},
    ],
    ids=repr,
)
def test_a_page_that_is_out_of_order_or_form_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        read(**changes)


@pytest.mark.parametrize("buckets", [b"\x02\x01", b"\x01\x01", bytes(257)])
def test_buckets_to_fetch_rise(buckets: bytes) -> None:
    body = {"scope": "catalogue", "buckets": buckets}
    with pytest.raises(ProtocolError):
        decode(b"\0" + pack([Fetch.TYPE, body]))
