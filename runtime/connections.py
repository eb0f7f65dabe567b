"""The connections of a daemon together: how many there are, and who gives way.

Rule: when all places are taken the one that has been idle longest gives way, strangers first, so that a silent crowd keeps
no till out. What happens as often as a client likes is at most one log line a while with a count: whoever can reach the
port must not be able to fill the disk. What bounds each connection is in `turns`.

aiohttp has no public seam for most of this. What is used of it beyond that is pinned by `tests/runtime/test_connections.py`.
"""

import asyncio
import logging
import socket
import time
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_runner import BaseSite

from runtime.bounds import Bounds
from runtime.doors import OWN, Door
from runtime.turns import Connection, reset, tcp_socket

LOG_INTERVAL_S: Final = 60.0

_log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """aiohttp's runner, with connections that are bounded and answer as the rest of a daemon does."""

    def __init__(self, app: web.Application, bounds: Bounds, **kwargs: Any) -> None:
        super().__init__(
            app,
            keepalive_timeout=bounds.idle_s,
            lingering_time=bounds.lingering_s,
            max_headers=bounds.headers_max,
            max_field_size=bounds.header_bytes_max,
            **kwargs,
        )
        self.bounds = bounds

    async def _make_server(self) -> web.Server:
        # The seam that aiohttp's own runners differ in. It has no public one for a connection's errors.
        return _like(await super()._make_server(), self.bounds, OWN)


class Serving:
    """Who serves an application, once it is served; aiohttp's test server never says so."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._begun = asyncio.Event()

    def begin(self, runner: Runner) -> None:
        """Note that the runner has its address."""
        self._runner = runner
        self._begun.set()

    async def runner(self) -> Runner:
        """The runner; waits for it."""
        await self._begun.wait()
        assert self._runner is not None, "it has begun"
        return self._runner


class Beside(web.BaseRunner):
    """Another door to an application that a `Runner` serves, with places of its own: a crowd at one takes none of the other.

    `cleanup` closes it with every connection that came in by it.
    """

    def __init__(self, runner: Runner, bounds: Bounds, door: Door, *, drain_s: float) -> None:
        super().__init__(shutdown_timeout=drain_s)
        self.bounds = bounds
        self._runner = runner
        self._door = door

    def rename(self, door: Door) -> None:
        """Be called otherwise from now on."""
        assert isinstance(self.server, _Server), "it was set up"
        self.server.door = door

    async def shutdown(self) -> None:
        """Nothing: the application goes on; called by aiohttp."""

    async def _make_server(self) -> web.Server:
        assert self._runner.server is not None, "the runner serves"
        return _like(self._runner.server, self.bounds, self._door)

    async def _cleanup_server(self) -> None:
        pass


def _like(server: web.Server, bounds: Bounds, door: Door) -> "_Server":
    return _Server(
        server.request_handler,
        bounds=bounds,
        door=door,
        request_factory=server.request_factory,
        handler_cancellation=server.handler_cancellation,
        loop=server._loop,
        **server._kwargs,
    )


class Site(web.TCPSite):
    """aiohttp's, with a bound on TLS handshakes: they hold a descriptor, and not yet one of the places."""

    def __init__(self, runner: Runner | Beside, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        self._tls_handshake_s = runner.bounds.tls_handshake_s

    async def start(self) -> None:
        """Listen.

        Raises: OSError if the address cannot be had.
        """
        await BaseSite.start(self)
        assert self._runner.server is not None, "the runner was set up"
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=self._tls_handshake_s if self._ssl_context else None,
        )


class _Tally:
    """Counts what happens as often as a client likes, and says so once in a while."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._said_s = float("-inf")

    def add(self, peer: object) -> None:
        self._count += 1
        now_s = time.monotonic()
        if now_s - self._said_s < LOG_INTERVAL_S:
            return
        _log.info("%s: %d, the last from %s", self._what, self._count, peer)
        self._count, self._said_s = 0, now_s


class _Server(web.Server):
    """All connections, and who gives way when there are too many."""

    def __init__(self, handler: Any, *, bounds: Bounds, door: Door, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self.bounds = bounds
        self.door = door
        self.malformed = _Tally("malformed requests")
        self.slow = _Tally("connections cut that read or sent too little")
        self._crowded = _Tally("connections cut because all places were taken")
        # Both in the order of the last answer, the longest idle first.
        self._strangers: dict[Connection, None] = {}
        self._callers: dict[Connection, None] = {}
        # Not aiohttp's own list: that also has connections which are lost and whose handler goes on.
        self._open: dict[Connection, asyncio.Transport] = {}
        self._closing: set[asyncio.Transport] = set()
        self._sweeping = self._loop.call_later(bounds.closing_s, self._sweep)

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Take a connection in, and send one away if there are too many; called by aiohttp."""
        super().connection_made(handler, transport)
        newcomer = cast("Connection", handler)
        self._open[newcomer] = transport
        if (own := tcp_socket(transport)) is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.bounds.send_buffer_bytes)
        self._strangers[newcomer] = None
        if len(self._strangers) + len(self._callers) > self.bounds.connections_max:
            self._crowded.add(newcomer.peername)
            self._make_room(newcomer)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection; called by aiohttp."""
        self._open.pop(cast("Connection", handler), None)
        self._forget(cast("Connection", handler))
        super().connection_lost(handler, exc)

    def answered(self, connection: Connection, *, caller: bool) -> None:
        """Note that a connection was of use just now; `caller` when it was to somebody with a token."""
        if connection not in self._strangers and connection not in self._callers:
            return  # it gave way meanwhile
        is_known = caller or connection in self._callers
        self._forget(connection)
        (self._callers if is_known else self._strangers)[connection] = None

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its own
        """End every connection; called by aiohttp."""
        self._sweeping.cancel()
        await super().shutdown(timeout)

    def _make_room(self, newcomer: Connection) -> None:
        for crowd in (self._strangers, self._callers):
            for each in crowd:
                if each is not newcomer and each.is_clients_turn():
                    self._forget(each)
                    each.cut()
                    return
        self._forget(newcomer)
        newcomer.refuse()

    def _forget(self, connection: Connection) -> None:
        self._strangers.pop(connection, None)
        self._callers.pop(connection, None)

    def _sweep(self) -> None:
        # Closing waits until the peer has taken what was sent, however long that is.
        closing = {each for each in self._open.values() if each.is_closing()}
        for transport in closing & self._closing:
            reset(transport)
        self._closing = closing
        self._sweeping = self._loop.call_later(self.bounds.closing_s, self._sweep)
