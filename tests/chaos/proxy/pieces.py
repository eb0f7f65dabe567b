"""One direction of a connection, cut into what it is made of: a head of HTTP, then WebSocket frames.

Invariant: the pieces put together are the bytes that were fed, and a frame is never given before it is whole.
"""

from enum import Enum
from typing import Final, NamedTuple

HEAD_END: Final = b"\r\n\r\n"
_BINARY_LAST: Final = 0x82
_MASKED: Final = 0x80


class Kind(Enum):
    """What a piece is; RAW are bytes that nobody here can read."""

    HEAD = "head"
    FRAME = "frame"
    RAW = "raw"


class Piece(NamedTuple):
    """Bytes that belong together."""

    kind: Kind
    data: bytes


class Splitter:
    """Takes bytes as they come and gives whole pieces."""

    def __init__(self, expected: Kind = Kind.HEAD) -> None:
        self._buffer = bytearray()
        self._expected = expected

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that these bytes complete; what is left waits for more."""
        self._buffer += data
        pieces = []
        while (piece := self._next()) is not None:
            pieces.append(piece)
        return pieces

    def _next(self) -> Piece | None:
        kind = self._expected
        size = self._size(kind)
        if size is None or len(self._buffer) < size:
            return None
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        if kind is Kind.HEAD:
            upgrades = b"upgrade: websocket" in data.lower()
            self._expected = Kind.FRAME if upgrades else Kind.RAW
        return Piece(kind, data)

    def _size(self, kind: Kind) -> int | None:
        match kind:
            case Kind.HEAD:
                end = self._buffer.find(HEAD_END)
                return None if end < 0 else end + len(HEAD_END)
            case Kind.FRAME:
                return frame_size(self._buffer)
            case Kind.RAW:
                return len(self._buffer) or None


def frame_size(data: bytes | bytearray) -> int | None:
    """How long the frame is that begins here, its own head included; None while that is not known."""
    if len(data) < 2:
        return None
    length, size = data[1] & 0x7F, 2
    if length >= 126:
        size = 4 if length == 126 else 10
        if len(data) < size:
            return None
        length = int.from_bytes(data[2:size])
    return size + (4 if data[1] & _MASKED else 0) + length


def binary_frame(payload: bytes, *, masked: bool) -> bytes:
    """A frame as a client (masked, with a mask of zeros) or a server sends it."""
    flag = _MASKED if masked else 0
    if len(payload) < 126:
        head = bytes([_BINARY_LAST, flag | len(payload)])
    else:
        head = bytes([_BINARY_LAST, flag | 126]) + len(payload).to_bytes(2)
    return head + (bytes(4) if masked else b"") + payload
