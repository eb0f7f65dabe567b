"""One HTTP or WebSocket connection: whose turn it is, and what happens when a client does not take its own.

Rule: a client that does not take its turn in time, to send a whole head or to read an answer, loses its connection; what a
WebSocket sends is taken in slices, between which everybody else has a turn. Bytes that are no HTTP get a problem in our
shape, with nothing of them in it.

aiohttp has no public seam for most of this. What is used of it beyond that is pinned by `tests/runtime/test_connections.py`.
"""

import asyncio
import socket
import struct
from typing import Any, Final, Protocol, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from runtime.bounds import PROVEN, Bounds
from runtime.doors import Door
from runtime.guards import HEADERS
from runtime.problems import Problem, problem_of, problem_of_http, problem_response


class Tally(Protocol):
    """Where a connection counts what happens as often as its client likes."""

    def add(self, peer: object) -> None:
        """Count once more; `peer` is whom it happened with last."""


class House(Protocol):
    """What a connection knows of the server that it belongs to."""

    @property
    def bounds(self) -> Bounds:
        """Of each connection."""

    @property
    def door(self) -> Door:
        """Where it listens."""

    @property
    def malformed(self) -> Tally:
        """Requests that are no HTTP."""

    @property
    def slow(self) -> Tally:
        """Connections that were cut for a turn not taken."""

    def answered(self, connection: "Connection", *, caller: bool) -> None:
        """Note that a connection was of use just now; `caller` when it was to somebody with a token."""


def limit_intake(request: web.Request, bytes_max: int | None) -> None:
    """Cut the request's connection once it has sent so many bytes more; None lifts the limit.

    For a WebSocket whose peer has proved nothing: what it sends costs time before it makes a message.
    """
    connection = request.protocol
    if isinstance(connection, Connection):  # aiohttp's own test server has others
        connection.intake_left = bytes_max


class Connection(RequestHandler):
    """aiohttp's, which takes its turn; aiohttp and the event loop call most of this."""

    __slots__ = (
        "_answers",
        "_head_bytes",
        "_is_pacing",
        "_not_before_s",
        "_rest",
        "_server",
        "_unread",
        "_unread_bytes",
        "intake_left",
    )

    def __init__(self, server: House, **kwargs: Any) -> None:
        super().__init__(cast("web.Server", server), **kwargs)
        self._server = server
        self._answers = 0
        self._head_bytes = 0
        self._not_before_s = 0.0
        self._is_pacing = False
        self._unread: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        # Of a WebSocket's bytes: what is still to be fed. Then the transport is paused.
        self._rest = b""
        self.intake_left: int | None = None

    @property
    def door(self) -> Door:
        """Where the client came in."""
        return self._server.door

    async def start(self) -> None:
        """Serve what is asked; called by aiohttp, and after the client left if it did so at once."""
        if self.transport is not None:
            await super().start()

    def is_clients_turn(self) -> bool:
        """Whether the client keeps the connection waiting, and not we the client."""
        if self._payload_parser is not None:
            return False  # a WebSocket; whoever serves it has bounds of its own
        if self.writing_paused or self._is_pacing:
            return True
        if not self._request_in_progress:
            return self._answers == self._request_count
        return self._current_request is not None and not self._current_request.content.is_eof()

    def cut(self) -> None:
        """End it at once, with whatever was still to be sent."""
        if self.transport is not None:
            reset(self.transport)

    def refuse(self) -> None:
        """Answer before anything was asked, and end it."""
        if self.transport is not None:
            self.transport.write(_CROWDED)
        self.force_close()

    def data_received(self, data: bytes) -> None:
        """Take in what came; called by the event loop."""
        if self.intake_left is not None:
            self.intake_left -= len(data)
            if self.intake_left < 0:
                return self._too_slow()
        if self._payload_parser is not None:
            return self._feed(self._rest + data)
        requests = self._request_count
        super().data_received(data)
        if self._waiter is None or self._request_count > requests:
            self._head_bytes = 0  # it was a body, or made a head whole
            return None
        self._head_bytes += len(data)
        if self._head_bytes > self._server.bounds.head_bytes_max:
            self._too_slow()
        return None

    def pause_writing(self) -> None:
        """Give the client its time to read; called when more is unread than a socket should hold."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """Note that the client has read; called when little is unread."""
        self._stop_unread()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of everything; called by the event loop."""
        self._stop_unread()
        self._rest = b""
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what no handler saw; called by aiohttp."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has gone; aiohttp expects that here
        if status < 500:
            self._server.malformed.add(request.remote)
            problem = Problem("bad_request", "This is not an HTTP request.")
        elif isinstance(exc, Exception):
            problem = problem_of(exc)
        else:
            problem = Problem("unavailable", "This took too long.")
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer was cut short")
        return _last_answer(problem)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; one that aiohttp made before our middlewares (Expect) becomes a problem."""
        self._answers += 1
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            resp = _last_answer(problem_of_http(resp))
        is_proven = PROVEN in request
        if not is_proven:
            await self._pace()
        self._server.answered(self, caller=is_proven)
        return await super().finish_response(request, resp, start_time)

    async def _pace(self) -> None:
        now_s = self._loop.time()
        if now_s < self._not_before_s:
            self._is_pacing = True
            await asyncio.sleep(self._not_before_s - now_s)
            self._is_pacing = False
        self._not_before_s = self._loop.time() + self._server.bounds.stranger_s

    def _feed(self, data: bytes) -> None:
        # One read may hold 40,000 frames, and one turn of the loop 32 reads: nobody else would be served for long.
        size = self._server.bounds.slice_bytes
        piece, self._rest = data[:size], data[size:]
        super().data_received(piece)
        if not self._buffer_paused:
            self._pause_reading_for_buffer()
            self._loop.call_soon(self._feed_on)

    def _feed_on(self) -> None:
        if self.transport is None:
            return
        if self._rest and self._payload_parser is not None:
            super().data_received(self._rest[: self._server.bounds.slice_bytes])
            self._rest = self._rest[self._server.bounds.slice_bytes :]
            self._loop.call_soon(self._feed_on)
        else:
            self._resume_reading_for_buffer()

    def _await_reader(self) -> None:
        if self.transport is not None:
            self._unread_bytes = self.transport.get_write_buffer_size()
            self._unread = self._loop.call_later(self._server.bounds.unread_s, self._see_reader)

    def _see_reader(self) -> None:
        if self.transport is None:
            return None
        # A whole answer may be written at once: on a slow line it stays paused although its client reads all the time.
        taken = self._unread_bytes - self.transport.get_write_buffer_size()
        if taken < self._server.bounds.unread_bytes_min:
            return self._too_slow()
        return self._await_reader()

    def _too_slow(self) -> None:
        self._server.slow.add(self.peername)
        self.cut()

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def tcp_socket(transport: asyncio.Transport) -> socket.socket | None:
    """The transport's own socket; None when it is closed or no TCP."""
    own: socket.socket | None = transport.get_extra_info("socket")
    is_tcp = own is not None and own.fileno() >= 0 and own.family != socket.AF_UNIX
    return own if is_tcp else None


def reset(transport: asyncio.Transport) -> None:
    """End a connection at once, with whatever was still to be sent."""
    # Without this the kernel would go on offering what the client does not read, for minutes and out of its own memory.
    if (own := tcp_socket(transport)) is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _last_answer(problem: Problem) -> web.Response:
    # The signal that sets the headers is sent only for requests that reached the application.
    response = problem_response(problem)
    response.headers.update(HEADERS)
    response.force_close()
    return response


def _raw(problem: Problem) -> bytes:
    response = _last_answer(problem)
    body = cast("bytes", response.body)
    fields = {**response.headers, "Content-Length": str(len(body)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {response.status} {response.reason}\r\n{lines}\r\n".encode() + body


_CROWDED: Final = _raw(
    Problem("unavailable", "All places are taken.", headers={"Retry-After": "1"})
)
