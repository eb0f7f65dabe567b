"""Answers and frames in what a process wrote to its sockets.

Invariant: a fact stands where the first byte of its answer left: a peer that has read a status line believes it. Frames are
read by `protocol.wire`, answers by their Content-Length; a socket whose bytes are neither says nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from protocol.errors import ProtocolError
from protocol.frames.handshake import Welcome
from protocol.frames.log import Acknowledge
from protocol.wire import decode

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END: Final = b"\r\n\r\n"
_SUCCESS: Final = range(200, 300)
_SWITCHED: Final = 101


class Answered(NamedTuple):
    """An answer of HTTP with a status of 2xx."""

    status: int
    body: bytes


class Asked(NamedTuple):
    """A request that this process sent: its first line."""

    line: str


class Acknowledged(NamedTuple):
    """The hub acknowledged a log up to `acked`, whose operations have this hash."""

    acked: int
    chain: bytes


class Welcomed(NamedTuple):
    """The hub opened a session."""

    session: bytes
    epoch: bytes
    acked: int
    chain: bytes


class Said(NamedTuple):
    """A command wrote this on stdout (1) or stderr (2)."""

    where: int
    text: str


Fact = Answered | Asked | Acknowledged | Welcomed | Said


class Left(NamedTuple):
    """A fact, and the number of the call with which its first byte left."""

    call: int
    fact: Fact


class _Bytes:
    """A stream's bytes, and which call wrote each."""

    def __init__(self, pieces: Sequence[tuple[int, bytes]]) -> None:
        self.content = b"".join(content for _, content in sorted(pieces))
        self._starts: list[tuple[int, int]] = []
        at = 0
        for call, content in sorted(pieces):
            self._starts.append((at, call))
            at += len(content)

    def call_at(self, offset: int) -> int:
        """The call that wrote the byte at `offset`."""
        return max(call for start, call in self._starts if start <= offset)


def facts(sent: Mapping[str, Sequence[tuple[int, bytes]]]) -> Iterator[Left]:
    """Everything that peers were told; `sent` is by descriptor and peer, as strace shows them."""
    for where, pieces in sent.items():
        stream = _Bytes(pieces)
        if "TCP:[" not in where:
            for call, content in pieces:
                yield Left(
                    call, Said(int(where.partition("<")[0]), content.decode(errors="replace"))
                )
        elif stream.content.startswith((b"GET ", b"POST ")):
            line = stream.content.partition(b"\r\n")[0].decode(errors="replace")
            yield Left(stream.call_at(0), Asked(line))
        else:
            yield from _answers(stream)


def _answers(stream: _Bytes) -> Iterator[Left]:
    at, content = 0, stream.content
    while content.startswith(b"HTTP/1.1 ", at):
        head_end = content.find(_HEAD_END, at)
        if head_end < 0:
            return
        head, status = content[at:head_end], int(content[at + 9 : at + 12])
        length = _LENGTH.search(head)
        body_at = head_end + len(_HEAD_END)
        if status == _SWITCHED:
            yield from _frames(stream, body_at)
            return
        if status in _SUCCESS:
            body = content[body_at : body_at + int(length[1])] if length else b""
            yield Left(stream.call_at(at), Answered(status, body))
        at = body_at + (int(length[1]) if length else 0)


def _frames(stream: _Bytes, at: int) -> Iterator[Left]:
    """Messages of a server: unmasked, RFC 6455 section 5.2."""
    content = stream.content
    while at + 2 <= len(content):
        start, kind, length = at, content[at] & 0x0F, content[at + 1] & 0x7F
        at += 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(content[at : at + size])
            at += size
        message = content[at : at + length]
        at += length
        if kind != 2 or len(message) < length:
            continue
        try:
            frame = decode(message)
        except ProtocolError:
            continue
        match frame:
            case Acknowledge(acked=acked, chain=chain):
                yield Left(stream.call_at(start), Acknowledged(acked, bytes(chain)))
            case Welcome(session=session, epoch=epoch, acked=acked, chain=chain):
                yield Left(
                    stream.call_at(start), Welcomed(session, bytes(epoch), acked, bytes(chain))
                )
            case _:
                pass
