"""Whatever bytes arrive, `decode` returns a frame or raises ProtocolError, and nothing else.

Three kinds of bytes: any at all (Hypothesis), msgpack of any values where frames are due
(Hypothesis), and true frames with bytes flipped, cut, repeated and spliced (seeded, in bulk).
"""

import contextlib
import random
from collections.abc import Iterator

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import certificate, operation, rows
from protocol.codec import unpack
from protocol.enrolment import code_from_text
from protocol.errors import ProtocolError
from protocol.wire import decode, encode
from tests.protocol import strategies, vector_page

BULK_QUICK = 20_000
BULK_LONG = 300_000
_TYPES = sorted(frame.TYPE for frame in strategies.FRAMES)

# Values of any type, also such as no peer may send.
_wild = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=40),
        strategies.blob(16),
        strategies.blob(32),
    ),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


def survives(data: bytes) -> bool:
    """Whether `data` is a frame; any exception but ProtocolError fails the test."""
    try:
        frame = decode(data)
    except ProtocolError:
        return False
    # What was read can be written and read again: nothing half-checked came through.
    assert decode(encode(frame)) == frame
    return True


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    survives(data)
    survives(b"\0" + data)


@settings(max_examples=300)
@given(st.sampled_from(_TYPES), _wild)
def test_any_values_are_a_frame_or_refused(kind: int, body: object) -> None:
    survives(b"\0" + msgpack.packb([kind, body], use_bin_type=True))


@settings(max_examples=300)
@given(st.data())
def test_a_frame_with_any_value_at_any_key_is_a_frame_or_refused(data: st.DataObject) -> None:
    frame = data.draw(strategies.frames)
    body = dict(frame.to_body())
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(_wild)
    survives(b"\0" + msgpack.packb([frame.TYPE, body], use_bin_type=True))


@settings(max_examples=200)
@given(_wild, st.binary(max_size=200))
def test_nothing_else_is_raised_by_the_other_readers(value: object, data: bytes) -> None:
    packed = msgpack.packb(value, use_bin_type=True)
    for candidate in (data, packed):
        for reader in (operation.decode, lambda b: rows.row_from_wire(unpack(b)), _certificate):
            try:
                reader(candidate)
            except ProtocolError:
                continue
    operation.op_id_of(data)


@settings(max_examples=200)
@given(st.data())
def test_an_operation_with_any_value_at_any_place_is_read_or_refused(data: st.DataObject) -> None:
    fact = data.draw(strategies.operations)
    parts = unpack(operation.encode(fact))
    assert isinstance(parts, list)
    parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(_wild)
    body = msgpack.packb(parts, use_bin_type=True)
    with contextlib.suppress(ProtocolError):
        assert operation.encode(operation.decode(body))


@given(st.text(max_size=100))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    with contextlib.suppress(ProtocolError):
        code_from_text(text)


def _certificate(data: bytes) -> object:
    return certificate.verify(data, bytes(32))


# --- in bulk ---------------------------------------------------------------------------------------------------


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """Every example frame of PROTOCOL.md, damaged in `count` ways."""
    chance = random.Random(seed)
    true = vector_page.frame_bytes()
    assert len(true) >= len(_TYPES)
    for _ in range(count):
        data = bytearray(chance.choice(true))
        for _ in range(chance.randint(1, 4)):
            _damage(data, chance, true)
        yield bytes(data)


def _damage(data: bytearray, chance: random.Random, true: list[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(6):
        case 0 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(data):
            data[at] = chance.choice(
                b"\x00\x80\x90\x7f\xc0\xc1\xc2\xc3\xc4\xca\xcb\xcc\xcf\xd3\xd4\xdf\xff"
            )
        case 2:
            del data[at : at + chance.randint(1, 8)]
        case 3:
            data[at:at] = data[at : at + chance.randint(1, 40)]
        case 4:
            other = chance.choice(true)
            data[at:] = other[chance.randrange(len(other)) :]
        case _:
            data[at:at] = chance.randbytes(chance.randint(1, 9))


def _bombard(seed: int, count: int) -> None:
    still_frames = sum(survives(data) for data in mutations(seed, count))
    # Some damage leaves a frame (another number, another byte of a hash); most must not.
    assert count * 0.005 < still_frames < count * 0.6


def test_damaged_frames_are_read_or_refused() -> None:
    _bombard(seed=1, count=BULK_QUICK)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_great_many_damaged_frames_are_read_or_refused() -> None:
    for seed in range(2, 12):
        _bombard(seed, BULK_LONG // 10)
