"""Operations: bytes that never change, read strictly, with room for what later versions add."""

from typing import Any

import pytest
from hypothesis import given

from protocol.codec import pack, unpack
from protocol.errors import ProtocolError
from protocol.operation import Operation, decode, encode, home_of, op_id_of
from tests.protocol.examples import counter, fact, field
from tests.protocol.strategies import operations


def parts(**changes: Any) -> list[Any]:
    """An operation's parts."""
    read = unpack(encode(fact(counter(), **changes)))
    assert isinstance(read, list)
    return read


WRONG: list[tuple[int, object]] = [
    *((0, value) for value in (None, b"", bytes(15), bytes(17), "x" * 16)),
    *((1, value) for value in (None, -1, 1.0, True, "1")),
    *((2, value) for value in (-1, 1.0, True, "1")),
    *((3, value) for value in (1.0, True, "1", 2**63)),
    *((4, value) for value in (None, "", 1, "a\nb")),
    *((5, value) for value in (None, "", 1, "a\nb")),
    *(
        (6, value)
        for value in (None, "", 1, "Sale", "move.", ".sale", "move.sale.x", "sale\n", "é")
    ),
    *((7, value) for value in (None, -1, 10_001, True)),
    *((8, value) for value in (None, {}, [1])),
    *((9, value) for value in (None, [], 1, {"a": 1.5}, {"a": {"b": [float("nan")]}})),
]


@pytest.mark.parametrize(("at", "value"), WRONG)
def test_a_wrong_part_is_refused(at: int, value: object) -> None:
    held = parts()
    held[at] = value
    with pytest.raises(ProtocolError):
        decode(pack(held))


@pytest.mark.parametrize("tail", [[1.5], [2**64 - 1], [{"a": [0.0]}]])
def test_a_tail_is_checked_though_it_is_not_understood(tail: list[object]) -> None:
    with pytest.raises(ProtocolError):
        decode(pack([*parts(), *tail]))


def test_too_few_parts_are_refused() -> None:
    with pytest.raises(ProtocolError):
        decode(pack(parts()[:9]))


@pytest.mark.parametrize("kind", ["note", "edit", "move.sale", "a", "later.kind_of_thing"])
def test_a_kind_that_nobody_knows_is_folded_by_its_effects(kind: str) -> None:
    assert decode(pack(parts(kind=kind))).effects == (counter(),)


@pytest.mark.parametrize("kind", ["move.sale", "edit", "note", "later.thing"])
def test_the_time_of_what_happened_is_that_of_the_record_unless_said(kind: str) -> None:
    assert parts(kind=kind)[2] is None
    late = fact(kind=kind, occurred_at=5)
    assert decode(encode(late)).occurred_at == 5


def test_the_details_are_written_in_one_order() -> None:
    assert encode(fact(details={"b": 1, "a": 2})) == encode(fact(details={"a": 2, "b": 1}))


@pytest.mark.parametrize("details", [{"a": 1.5}, {"a": 2**63}, {"a": "\ud800"}, {1: 2}, {"a": {1}}])
def test_details_that_no_peer_could_read_are_refused_before_they_are_recorded(
    details: dict[Any, Any],
) -> None:
    with pytest.raises(ProtocolError):
        encode(fact(details=details))


@given(operations)
def test_the_op_id_is_found_in_bytes_that_do_not_decode_otherwise(held: Operation) -> None:
    body = encode(held)
    assert op_id_of(body) == held.op_id
    assert op_id_of(body[:30] + b"\xc1") == held.op_id


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x9a",
        b"\x9a\xc4\x10" + bytes(15),
        b"\x9a\xc4\x0f" + bytes(20),
        b"\xc4\x10" + bytes(16),
        b"\x00\x00\x00\xc4\x10" + bytes(16),
        b"\xff\x00\x00\xc4\x10" + bytes(16),
        b"\x8a\xc4\x10" + bytes(16),
        b"garbage of some length, long enough for an id",
    ],
)
def test_bytes_that_are_no_operation_have_no_op_id(body: bytes) -> None:
    assert op_id_of(body) is None


def test_an_operation_of_many_parts_has_its_op_id_too() -> None:
    long = fact(tail=tuple(range(10)))
    assert encode(long)[:1] == b"\xdc"
    assert op_id_of(encode(long)) == long.op_id


def test_an_op_id_is_unique_within_the_location_of_the_first_counter() -> None:
    assert home_of(fact(field(), counter(location="S07"), counter())) == "S07"
    assert home_of(fact(field())) == ""
    assert home_of(fact()) == ""
