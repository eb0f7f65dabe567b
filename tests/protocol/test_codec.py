"""Strictness of the one way bytes become values: each thing that is refused, at each place it can stand."""

import struct
import tracemalloc
import zlib
from typing import Any

import msgpack
import pytest

from protocol import operation, wire
from protocol.codec import (
    check_plain,
    pack,
    read_blob,
    read_bytes,
    read_int,
    read_list,
    read_map,
    unpack,
    with_sorted_keys,
)
from protocol.errors import Code, ProtocolError
from protocol.frames.log import Ping
from protocol.limits import (
    DEPTH_MAX,
    FRAME_BYTES_BEFORE_AUTHENTICATION_MAX,
    FRAME_BYTES_MAX,
    INT_MAX,
    ITEMS_MAX,
)

TIMESTAMP_32 = b"\xd6\xff\x00\x00\x00\x01"
TIMESTAMP_64 = b"\xd7\xff" + bytes(8)
TIMESTAMP_96 = b"\xc7\x0c\xff" + bytes(12)

NOT_MSGPACK = {
    "nothing at all": b"",
    "a reserved first byte": b"\xc1",
    "a cut off integer": b"\xcd\x01",
    "trailing bytes": b"\x01\x01",
    "trailing zero": b"\xc0\x00",
    "text that is not UTF-8": b"\xa1\xff",
    "an unpaired surrogate": b"\xa3\xed\xa0\x80",
    "an overlong encoding": b"\xa2\xc0\x80",
    "an ext type": b"\xd4\x05\x00",
    "an empty ext type": b"\xc7\x00\x05",
    "an ext type of 64 KiB": b"\xc9\x00\x01\x00\x00\x05" + bytes(65536),
    "a timestamp of 32 bits": TIMESTAMP_32,
    "a timestamp of 64 bits": TIMESTAMP_64,
    "a timestamp of 96 bits": TIMESTAMP_96,
    "an empty timestamp": b"\xc7\x00\xff",
    "text that claims 4 GiB": b"\xdb\xff\xff\xff\xff",
    "bytes that claim 4 GiB": b"\xc6\xff\xff\xff\xff",
    "an array that claims 4 G items": b"\xdd\xff\xff\xff\xff",
    "a map that claims 4 G entries": b"\xdf\xff\xff\xff\xff",
    "an array beyond the cap": b"\xdc"
    + struct.pack(">H", ITEMS_MAX + 1)
    + b"\xc0" * (ITEMS_MAX + 1),
    "a duplicate key": b"\x82\xa1a\x01\xa1a\x02",
    "a duplicate key in another form": b"\x82\xa1a\x01\xd9\x01a\x02",
    "a duplicate key deep inside": b"\x91\x81\xa1x\x82\xa1a\x01\xa1a\x01",
    "a number as a key": b"\x81\x01\x01",
    "null as a key": b"\x81\xc0\x01",
    "an array as a key": b"\x81\x90\x01",
    "a map as a key": b"\x81\x80\x01",
    "a float as a key": b"\x81\xcb" + bytes(8) + b"\x01",
    "nesting without end": b"\x91" * 200_000 + b"\xc0",
}


@pytest.mark.parametrize("data", NOT_MSGPACK.values(), ids=NOT_MSGPACK)
def test_broken_msgpack_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        unpack(data)
    assert refused.value.code is Code.BAD_FRAME


def test_more_bytes_than_allowed_are_not_even_looked_at() -> None:
    with pytest.raises(ProtocolError) as refused:
        unpack(b"\xc1" * 101, bytes_max=100)
    assert refused.value.code is Code.TOO_LARGE


NOT_PLAIN: dict[str, object] = {
    "a float": 1.5,
    "a float that is whole": 5.0,
    "negative zero": -0.0,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "2^63": 2**63,
    "2^64 - 1": 2**64 - 1,
    "below -2^63": -(2**63) - 1,
    "a float in a list": [1, [2.0]],
    "a float in a map": {"a": {"b": 2.0}},
    "a float as a key": {1.0: 1},
    "a key of bytes": {"a": {b"b": 1}},
    "a set": {1},
}


@pytest.mark.parametrize("value", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_refused_anywhere_inside(value: object) -> None:
    with pytest.raises(ProtocolError) as refused:
        check_plain(value, "details")
    assert refused.value.code is Code.BAD_VALUE


@pytest.mark.parametrize("value", [INT_MAX, -INT_MAX - 1, True, None, "", b"", [], {}, {"a": [1]}])
def test_what_is_plain_passes(value: object) -> None:
    check_plain(value, "details")
    assert unpack(pack(value)) == value


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_has_a_floor() -> None:
    check_plain(nested(DEPTH_MAX), "details")
    with pytest.raises(ProtocolError, match="nested"):
        check_plain(nested(DEPTH_MAX + 1), "details")


def test_a_circle_is_refused_instead_of_followed() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ProtocolError, match="nested"):
        check_plain(circle, "details")


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, [1], b"1"])
def test_only_a_whole_number_is_a_number(value: object) -> None:
    with pytest.raises(ProtocolError):
        read_int(value, "seq")


@pytest.mark.parametrize("value", [-1, INT_MAX + 1, 2**64 - 1])
def test_a_number_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ProtocolError):
        read_int(value, "seq")
    assert read_int(INT_MAX, "seq") == INT_MAX


def test_readers_refuse_other_types_and_sizes() -> None:
    refused: list[tuple[Any, Any, dict[str, Any]]] = [
        (read_bytes, "x" * 16, {"length": 16}),
        (read_bytes, bytes(15), {"length": 16}),
        (read_bytes, bytearray(16), {"length": 16}),
        (read_blob, "", {"bytes_max": 4}),
        (read_blob, bytes(5), {"bytes_max": 4}),
        (read_list, (), {}),
        (read_list, [], {"least": 1}),
        (read_list, [1, 2], {"most": 1}),
        (read_map, [], {}),
        (read_map, {"a": 1, "b": 2}, {"most": 1}),
        (read_map, {b"a": 1}, {}),
    ]
    for reader, value, caps in refused:
        with pytest.raises(ProtocolError):
            reader(value, "it", **caps)


def test_an_unpaired_surrogate_is_refused_before_it_is_written() -> None:
    with pytest.raises(ProtocolError) as refused:
        pack({"note": "a\ud800b"})
    assert refused.value.code is Code.BAD_VALUE


def test_the_sorted_form_does_not_depend_on_the_order_of_insertion() -> None:
    one = {"b": {"y": 1, "x": [{"q": 1, "p": 2}]}, "a": 2}
    other = {"a": 2, "b": {"x": [{"p": 2, "q": 1}], "y": 1}}
    assert pack(one) != pack(other)
    assert pack(with_sorted_keys(one)) == pack(with_sorted_keys(other)) == pack(other)


# --- the same through a frame ----------------------------------------------------------------------------------


def ping(**changes: object) -> bytes:
    """A ping's bytes with keys changed, whatever the values."""
    body = {"sent": 1, "pending": 2, **changes}
    return b"\0" + msgpack.packb([12, body], use_bin_type=True)


@pytest.mark.parametrize(
    "value", [1.0, True, "1", None, 2**63, 2**64 - 1, -1, [], float("nan"), b"1"]
)
def test_a_typed_key_of_a_frame_takes_nothing_else(value: object) -> None:
    with pytest.raises(ProtocolError) as refused:
        wire.decode(ping(pending=value))
    assert refused.value.code is Code.BAD_VALUE


@pytest.mark.parametrize("value", [1.5, 2**63, {"a": float("inf")}, nested(DEPTH_MAX + 1)])
def test_an_unknown_key_is_ignored_only_when_it_is_plain(value: object) -> None:
    assert wire.decode(ping(later=[1, {"a": None}])) == Ping(1, 2)
    with pytest.raises(ProtocolError, match="unknown key"):
        wire.decode(ping(later=value))


def test_an_unknown_key_is_checked_also_where_an_optional_one_is_missing() -> None:
    body = {"signature": bytes(64), "later": 1.5}
    with pytest.raises(ProtocolError, match="unknown key"):
        wire.decode(b"\0" + msgpack.packb([3, body], use_bin_type=True))


@pytest.mark.parametrize(
    "value",
    [
        [12, {"sent": 1, "pending": 2}, 3],
        [12],
        [],
        {"type": 12},
        [True, {"signature": bytes(64)}],
        [12.0, {"sent": 1, "pending": 2}],
        ["12", {}],
        [12, []],
        [12, None],
        [12, {b"sent": 1, "pending": 2}],
        [255, {}],
        [256, {}],
        [0, {}],
    ],
)
def test_a_frame_has_a_known_type_and_a_map(value: object) -> None:
    with pytest.raises(ProtocolError):
        wire.decode(b"\0" + msgpack.packb(value, use_bin_type=True))


@pytest.mark.parametrize("codec", [2, 3, 0x92, 255])
def test_an_unknown_codec_is_refused(codec: int) -> None:
    with pytest.raises(ProtocolError, match="unknown codec"):
        wire.decode(bytes([codec]) + ping()[1:])
    with pytest.raises(ProtocolError, match="unknown codec"):
        wire.decode(b"")


# --- compression -----------------------------------------------------------------------------------------------


def squeezed(packed: bytes) -> bytes:
    return b"\x01" + zlib.compress(packed, 9)


def test_a_compressed_frame_is_read_whatever_its_level() -> None:
    assert wire.decode(squeezed(ping()[1:])) == Ping(1, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"\x01",
        b"\x01garbage",
        squeezed(ping()[1:])[:-1],
        squeezed(ping()[1:]) + b"\0",
        squeezed(ping()[1:]) * 2,
        b"\x01" + zlib.compress(ping()[1:])[2:],
    ],
    ids=["empty", "garbage", "cut", "a byte more", "two streams", "raw deflate"],
)
def test_broken_compression_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        wire.decode(data)
    assert refused.value.code is Code.BAD_FRAME


def test_a_stream_that_asks_for_a_dictionary_is_refused() -> None:
    packer = zlib.compressobj(zdict=b"pending")
    data = b"\x01" + packer.compress(ping()[1:]) + packer.flush()
    with pytest.raises(ProtocolError):
        wire.decode(data)


@pytest.mark.parametrize("expanded", [FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 64 * 1024 * 1024])
def test_a_zlib_bomb_is_stopped_at_the_cap(expanded: int) -> None:
    data = squeezed(bytes(expanded))
    assert len(data) <= FRAME_BYTES_MAX
    tracemalloc.start()
    with pytest.raises(ProtocolError) as refused:
        wire.decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # At the cap itself it fits, and is refused as the nonsense it is.
    fits = expanded == FRAME_BYTES_MAX
    assert refused.value.code in ({Code.BAD_FRAME, Code.TOO_LARGE} if fits else {Code.TOO_LARGE})
    assert peak < 2 * 1024 * 1024


def test_before_authentication_the_small_cap_holds_for_what_a_frame_expands_to() -> None:
    small = FRAME_BYTES_BEFORE_AUTHENTICATION_MAX
    body = b"\0" + msgpack.packb([11, {"certificate": bytes(3400), "later": bytes(700)}])
    assert len(body) > small > len(squeezed(body[1:]))
    for data in (body, squeezed(body[1:])):
        wire.decode(data)
        with pytest.raises(ProtocolError) as refused:
            wire.decode(data, bytes_max=small)
        assert refused.value.code is Code.TOO_LARGE


# --- memory ----------------------------------------------------------------------------------------------------


def filled(item: bytes) -> bytes:
    """A ping of exactly the cap, all of arrays of the most items allowed, each the same item."""
    room = FRAME_BYTES_MAX - 10
    full, left = divmod(room, 3 + ITEMS_MAX * len(item))
    rest = max(left - 3, 0) // len(item)
    array = b"\xdc" + struct.pack(">H", ITEMS_MAX) + item * ITEMS_MAX
    last = b"\xdc" + struct.pack(">H", rest) + item * rest
    return b"\0\x92\x0c\x81\xa1x\xdc" + struct.pack(">H", full + 1) + array * full + last


@pytest.mark.parametrize(
    "item",
    [
        b"\x80",
        b"\x90",
        b"\x81\xa0\xc0",
        b"\x81\xa0\x80",
        b"\xce\x01\x02\x03\x04",
        b"\xa2ab",
        b"\xc4\x00",
    ],
    ids=["empty maps", "empty arrays", "small maps", "maps of maps", "numbers", "texts", "bytes"],
)
def test_no_frame_costs_much_more_memory_than_its_cap_says(item: bytes) -> None:
    data = filled(item)
    assert FRAME_BYTES_MAX - 16 < len(data) <= FRAME_BYTES_MAX
    tracemalloc.start()
    with pytest.raises(ProtocolError):  # a ping without its keys
        wire.decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 1024 * 1024, f"{peak / 2**20:.1f} MiB"


def test_an_operation_is_read_as_strictly_as_a_frame() -> None:
    for broken in NOT_MSGPACK.values():
        with pytest.raises(ProtocolError):
            operation.decode(broken)
