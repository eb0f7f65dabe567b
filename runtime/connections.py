"""What a daemon says and logs when a connection carries no request that could be handled.

Rule: bytes that are no HTTP get a problem in our shape, with nothing of them in it, and at most one
log line a while with a count: whoever can reach the port must not be able to fill the disk. aiohttp
by itself echoes what came and logs a traceback for each.
"""

import logging
import time
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from runtime.guards import HEADERS
from runtime.problems import Problem, problem_of, problem_of_http, problem_response

MALFORMED_LOG_INTERVAL_S: Final = 60.0

_log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """aiohttp's runner, with connections that answer as the rest of a daemon does."""

    async def _make_server(self) -> web.Server:
        # The seam that aiohttp's own runners differ in. It has no public one for a connection's errors.
        plain = await super()._make_server()
        return _Server(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            loop=plain._loop,
            **plain._kwargs,
        )


class _Server(web.Server):
    def __init__(self, handler: Any, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self._malformed = _Malformed()

    def __call__(self) -> RequestHandler:
        return _Connection(self, self._malformed, loop=self._loop, **self._kwargs)


class _Malformed:
    """Counts what was no request, and says so once in a while."""

    def __init__(self) -> None:
        self._count = 0
        self._said_s = float("-inf")

    def add(self, peer: str | None) -> None:
        self._count += 1
        now_s = time.monotonic()
        if now_s - self._said_s < MALFORMED_LOG_INTERVAL_S:
            return
        _log.info("malformed requests: %d, the last from %s", self._count, peer)
        self._count, self._said_s = 0, now_s


class _Connection(RequestHandler):
    __slots__ = ("_malformed",)

    def __init__(self, server: web.Server, malformed: _Malformed, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._malformed = malformed

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
            self._malformed.add(request.remote)
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
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            resp = _last_answer(problem_of_http(resp))
        return await super().finish_response(request, resp, start_time)


def _last_answer(problem: Problem) -> web.Response:
    # The signal that sets the headers is sent only for requests that reached the application.
    response = problem_response(problem)
    response.headers.update(HEADERS)
    response.force_close()
    return response
