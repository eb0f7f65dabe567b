"""Effects are read strictly: each part of each form takes its type and range and nothing else."""

from typing import Any

import pytest

from protocol.codec import pack, unpack
from protocol.effects import (
    Account,
    CounterKey,
    DocumentKey,
    counter_effect,
    effects_from_wire,
    scopes_from_wire,
    scopes_of,
)
from protocol.errors import Code, ProtocolError
from protocol.limits import DELTA_MAX
from tests.protocol.examples import REPLICA, counter, field

COUNTER: list[Any] = [0, "S01", "A-100", "L7", 0, -2]
FIELD: list[Any] = [1, "sku", "A", "name", 0, 0, "Tea", [5, 0, REPLICA], ["catalogue", "docs:S01"]]

WRONG_COUNTERS: list[tuple[int, object]] = [
    *((0, value) for value in (2, -1, False, True, 0.0, 1.0, "0", None, b"\0", [0])),
    *((1, value) for value in ("", None, 1, b"S01", "a\nb", "\u2028")),
    *((2, value) for value in ("", None, 7, "a\0b")),
    *((3, value) for value in (None, 0, b"", "\x7f")),
    *((4, value) for value in (-1, 256, False, 0.0, None)),
    *((5, value) for value in (DELTA_MAX + 1, True, -2.0, "2", None, 2**63)),
]
WRONG_FIELDS: list[tuple[int, object]] = [
    *((0, value) for value in (0, 2, True, 1.0)),
    *((1, value) for value in ("", None, 1)),
    *((2, value) for value in ("", None, 1)),
    *((3, value) for value in ("", None, 1)),
    *((4, value) for value in (2, -1, False, None)),
    *((5, value) for value in (1, -1, False, None)),
    *((6, value) for value in (1.5, float("nan"), 2**63, {1: 2}, [[1.0]])),
    *((7, value) for value in (None, [], [5, 0], [5, 0, b"x"], [5.0, 0, REPLICA])),
    *(
        (8, value)
        for value in ([], None, ["docs:S01", "catalogue"], ["fleet", "fleet"], ["x"], [1])
    ),
]


def read(parts: list[Any]) -> object:
    return effects_from_wire(unpack(pack([parts])))


def test_both_examples_are_read() -> None:
    assert read(COUNTER) == (counter(lot="L7"),)
    read(FIELD)


@pytest.mark.parametrize(("at", "value"), WRONG_COUNTERS)
def test_a_wrong_part_of_a_counter_is_refused(at: int, value: object) -> None:
    with pytest.raises(ProtocolError) as refused:
        read([*COUNTER[:at], value, *COUNTER[at + 1 :]])
    assert refused.value.code in {Code.BAD_VALUE, Code.BAD_FRAME}


@pytest.mark.parametrize(("at", "value"), WRONG_FIELDS)
def test_a_wrong_part_of_a_field_is_refused(at: int, value: object) -> None:
    with pytest.raises(ProtocolError):
        read([*FIELD[:at], value, *FIELD[at + 1 :]])


@pytest.mark.parametrize("parts", [[], COUNTER[:-1], [*COUNTER, 1], FIELD[:-1], [*FIELD, 1]])
def test_a_form_of_another_length_is_refused(parts: list[Any]) -> None:
    with pytest.raises(ProtocolError, match="unknown form"):
        read(parts)


@pytest.mark.parametrize("value", [None, 1, "x", {}, [1], [None], [{}], ["x"]])
def test_what_is_no_list_of_effects_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        effects_from_wire(value)


def test_a_rank_belongs_to_a_field_that_joins_by_rank() -> None:
    by_rank = [*FIELD[:4], 1, 7, *FIELD[6:]]
    read(by_rank)
    with pytest.raises(ProtocolError, match="rank"):
        read([*FIELD[:4], 0, 7, *FIELD[6:]])


def test_a_counter_may_have_no_lot_and_an_account_of_a_later_version() -> None:
    assert counter_effect("S01", "A", "", 200, 0).account == 200
    assert {account.value for account in Account} == set(range(6))


def test_an_effect_names_its_row_and_its_scopes() -> None:
    assert counter().key == CounterKey("S01", "A-100", "", 0)
    assert scopes_of(counter()) == ("stock:S01",)
    assert field().key == DocumentKey("sku", "A-100")
    assert scopes_of(field()) == ("catalogue",)


def test_scopes_are_sorted_and_named_once() -> None:
    assert scopes_from_wire(["catalogue", "docs:S01"]) == ("catalogue", "docs:S01")
    for broken in (["docs:S01", "catalogue"], ["fleet", "fleet"], [], ["nowhere"], [None]):
        with pytest.raises(ProtocolError):
            scopes_from_wire(broken)
