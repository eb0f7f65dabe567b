"""One keep-alive HTTP/1.1 connection with as little between the socket and the clock as Python allows.

A load client must not be what is measured: no headers are parsed but the length, and requests come ready as bytes.
Knows only answers with a Content-Length, which is what the servers here send.
"""

import asyncio
import time
from typing import Final, Self, cast

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Connection(asyncio.Protocol):
    """Asks one thing at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = b""

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine; Nagle's algorithm is off, as asyncio always has it."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Write a request; the future is its status and body, or fails when the connection does."""
        assert self._answer is None, "the answer before comes first"
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Close without waiting."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        head_end = received.find(_HEAD_END)
        if head_end < 0:
            return
        head = received[:head_end].lower()
        length_at = head.index(_LENGTH) + len(_LENGTH)
        line_end = head.find(b"\r\n", length_at)
        length = int(head[length_at : line_end if line_end > 0 else head_end])
        body_at = head_end + len(_HEAD_END)
        if len(received) < body_at + length:
            return
        self._received = b""
        answer, self._answer = self._answer, None
        assert answer is not None, "an answer that nobody asked for"
        if not answer.done():
            answer.set_result((int(received[9:12]), received[body_at : body_at + length]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up"))


class EventStream(asyncio.Protocol):
    """A GET whose answer never ends; says when certain bytes come and parses nothing."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awaited = b""
        self._seen_s: asyncio.Future[float] | None = None
        self._received = b""

    @classmethod
    async def open(cls, port: int, request: bytes) -> tuple[asyncio.BaseTransport, Self]:
        """Connect to a port of this machine and ask."""
        transport, stream = await asyncio.get_running_loop().create_connection(
            cls, "127.0.0.1", port
        )
        transport.write(request)
        return transport, stream

    def expect(self, awaited: bytes) -> asyncio.Future[float]:
        """When these bytes have come, by `time.perf_counter`; what came until now does not count."""
        self._awaited, self._received = awaited, b""
        self._seen_s = self._loop.create_future()
        return self._seen_s

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._seen_s is not None and self._awaited in self._received:
            self._seen_s.set_result(time.perf_counter())
            self._seen_s = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._seen_s is not None and not self._seen_s.done():
            self._seen_s.set_exception(error or ConnectionResetError("the stream has ended"))


def get(port: int, path: str, token: str) -> bytes:
    """The bytes of a GET."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


class Sales:
    """The bytes of sales of one line each, every one with a key of its own; all of one length."""

    def __init__(self, port: int, location: str, token: str, name: str) -> None:
        """Requests of the same `name` have the same keys."""
        form = (
            f'{{"kind":"sale","location":"{location}","lines":[{{"sku":"SKU%05d","delta":-%d}}]}}'
        )
        self._form = (
            f"POST /v1/movements HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(form % (0, 1))}\r\nIdempotency-Key: {name}-%010d\r\n\r\n{form}"
        ).encode()

    def request(self, number: int, sku: int, quantity: int) -> bytes:
        """The sale with the key `number`; `quantity` is 1 to 9."""
        return self._form % (number, sku, quantity)
