"""Frames to bytes and back: `[codec: u8][msgpack [type, body]]`, one WebSocket binary message each.

Invariant: `decode` either returns a checked frame or raises ProtocolError; it never costs more memory than the caps of
`limits` allow, whatever the bytes are. The form, byte by byte, is in PROTOCOL.md; its examples are the test vectors.
"""

import zlib
from typing import Final

from protocol.codec import check_plain, pack, read_int, read_list, read_map, unpack
from protocol.errors import Code, ProtocolError
from protocol.frames.feed import CaughtUp, Page, Scopes
from protocol.frames.fleet import Departures
from protocol.frames.handshake import Authenticate, Authenticated, Challenge, Close, Hello, Welcome
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.frames.log import Acknowledge, Grant, Negative, Operations, Ping, Pong, Status
from protocol.frames.repair import (
    AskBuckets,
    AskDigests,
    AskLedger,
    Buckets,
    Claim,
    Claimed,
    Digests,
    Fetch,
    Ledger,
)
from protocol.frames.witness import Checkpoints
from protocol.limits import COMPRESS_ABOVE_BYTES, FRAME_BYTES_MAX

VERSIONS: Final = (1, 1)
"""Least and most version of the protocol that this code speaks."""
SUBPROTOCOL: Final = "everstock.v1"
REPAIR: Final = "repair"
"""The feature of a hub that answers every question of `frames.repair`."""
SEALED: Final = "sealed"
"""The feature of a hub that keeps the keys of sealed records: see `frames.keys`."""
CHECKPOINTS: Final = "checkpoints"
"""The feature of a side that takes the frame of `frames.witness`."""
FEATURES: Final = ("raw", "zlib", REPAIR, SEALED, CHECKPOINTS)

_RAW: Final = 0
_ZLIB: Final = 1
_ZLIB_LEVEL: Final = 1
"""Level 1 takes 0.6 ms for 27 KB of operations and saves 40 %; level 6 takes 1.5 ms for 2 % more (SYNC §7)."""

Frame = (
    Challenge
    | Authenticate
    | Authenticated
    | Hello
    | Welcome
    | Close
    | Operations
    | Acknowledge
    | Negative
    | Status
    | Grant
    | Ping
    | Pong
    | Page
    | CaughtUp
    | Scopes
    | Claim
    | Claimed
    | AskDigests
    | Digests
    | AskBuckets
    | Buckets
    | Fetch
    | AskLedger
    | Ledger
    | Departures
    | KeepKeys
    | KeysKept
    | AskKeys
    | Keys
    | Checkpoints
)
_KNOWN_KEYS: dict[int, frozenset[str]] = {}
"""The keys of each frame, learnt from the first one written out: a page is not packed again to name them."""
_BY_TYPE: Final[dict[int, type[Frame]]] = {frame.TYPE: frame for frame in Frame.__args__}


def encode(frame: Frame) -> bytes:
    """Write a frame, compressed when it is larger than 1 KiB and shrinks."""
    packed = pack([frame.TYPE, frame.to_body()])
    assert len(packed) < FRAME_BYTES_MAX, "senders split by limits"
    if len(packed) > COMPRESS_ABOVE_BYTES:
        shrunk = zlib.compress(packed, _ZLIB_LEVEL)
        if len(shrunk) < len(packed):
            return bytes([_ZLIB]) + shrunk
    return bytes([_RAW]) + packed


def decode(data: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> Frame:
    """Read a frame of at most `bytes_max` bytes.

    Raises:
        ProtocolError: `too_large`, `bad_frame` or `bad_value`; its detail does not repeat the bytes.
    """
    if len(data) > bytes_max:
        raise ProtocolError(Code.TOO_LARGE, f"a frame has at most {bytes_max} bytes here")
    parts = read_list(
        unpack(_expand(data, bytes_max), bytes_max=bytes_max), "a frame", least=2, most=2
    )
    kind = _BY_TYPE.get(read_int(parts[0], "a frame's type", most=255))
    if kind is None:
        raise ProtocolError(Code.BAD_FRAME, "a frame of an unknown type")
    body = read_map(parts[1], "a frame's body")
    frame = kind.from_body(body)
    _check_unknown_keys(frame, body)
    return frame


def _expand(data: bytes, bytes_max: int) -> bytes:
    match data[:1]:
        case b"\x00":
            return data[1:]
        case b"\x01":
            stream = zlib.decompressobj()
            try:
                packed = stream.decompress(data[1:], bytes_max)
            except zlib.error as error:
                raise ProtocolError(Code.BAD_FRAME, "not valid zlib") from error
            if stream.unconsumed_tail or (not stream.eof and len(packed) == bytes_max):
                raise ProtocolError(
                    Code.TOO_LARGE, f"a frame expands to at most {bytes_max} bytes here"
                )
            if not stream.eof or stream.unused_data:
                raise ProtocolError(Code.BAD_FRAME, "not valid zlib")
            return packed
        case _:
            raise ProtocolError(Code.BAD_FRAME, "an unknown codec")


def _check_unknown_keys(frame: Frame, body: dict[str, object]) -> None:
    known = _KNOWN_KEYS.get(frame.TYPE)
    if known is None:
        known = _KNOWN_KEYS[frame.TYPE] = frozenset(frame.to_body())
    for key in body.keys() - known:
        check_plain(body[key], "an unknown key")
