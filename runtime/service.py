"""A daemon's life: it listens, says where, works until told to stop, and ends in good order.

Rule: the first line on stdout is `listening on URL` and comes when requests are served; after
SIGTERM or SIGINT nothing new is accepted, what is under way is answered, within a bound, and the
folder no longer names an address.
"""

import asyncio
import contextlib
import errno
import gc
import ipaddress
import logging
import resource
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry

from runtime.addresses import PROXIES, Network
from runtime.bounds import BOUNDS, PROVEN, Bounds, fit_descriptors
from runtime.connections import Runner, Serving, Site
from runtime.folder import Folder
from runtime.guards import guards, security_headers
from runtime.metrics import REGISTRY, count_requests
from runtime.problems import Problem, problems_middleware
from runtime.settings import SettingsError
from runtime.strangers import THROTTLE
from runtime.throttle import Throttle

EXIT_OK = 0
EXIT_FOUND_WRONG = 1
EXIT_USAGE = 2
EXIT_HUB_UNREACHABLE = 69
EXIT_SOFTWARE = 70
EXIT_IO = 74
EXIT_CONFIG = 78

BODY_BYTES_MAX = 1024 * 1024
ANNOUNCE_RETRY_S = 2
DRAIN_S = 5  # requests under way get this to finish, and as much again after being cancelled
BACKLOG = 1_024  # a hub's nodes may all come back at once

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_log = logging.getLogger(__name__)

STOP = web.AppKey("STOP", asyncio.Event)  # set: the daemon is to end; streams end when they see it
SERVING = web.AppKey("SERVING", Serving)  # for who opens another door


class _LargeBodies:
    """How many are being read or handled, of callers and of strangers: these keep none of those out."""

    def __init__(self) -> None:
        self.counts = {True: 0, False: 0}


_LARGE_BODIES = web.AppKey("_LARGE_BODIES", _LargeBodies)


def new_app(
    allowed_hosts: Callable[[], Collection[str]],
    registry: CollectorRegistry,
    *,
    middlewares: Sequence[Middleware] = (),
    body_bytes_max: int = BODY_BYTES_MAX,
    bounds: Bounds | None = None,
    proxies: tuple[Network, ...] = (),
) -> web.Application:
    """Make an application behind all guards; `middlewares` are the application's own, inside.

    No body is read before they let the request through: a stranger's is never held.
    """
    app = web.Application(
        client_max_size=body_bytes_max,
        middlewares=[
            count_requests(registry),
            problems_middleware,
            guards(allowed_hosts),
            *middlewares,
            body_deadline,
        ],
    )
    app.on_response_prepare.append(security_headers)
    app[REGISTRY] = registry
    app[STOP] = asyncio.Event()
    app[SERVING] = Serving()
    app[BOUNDS] = bounds or Bounds()
    app[PROXIES] = proxies
    app[THROTTLE] = Throttle()
    app[_LARGE_BODIES] = _LargeBodies()
    return app


@web.middleware
async def body_deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the whole body, bounded in size and time by `app[BOUNDS]`, before a handler sees the request.

    Raises: Problem `request_timeout` 408, `malformed_body` 400, `too_large` 413, `unavailable` 503.
    """
    if not request.body_exists or request.match_info.http_exception is not None:
        return await handler(request)  # which says so if the address or the method is not served
    bounds, large = request.app[BOUNDS], request.app[_LARGE_BODIES]
    length = request.content_length
    if (length or 0) > request.client_max_size:
        raise _cut("too_large", "The body is too large.")
    if length is not None and length <= bounds.large_body_bytes:
        if _came_whole(request):
            # As nearly always, in one piece with the head; what `read` would keep for the handler, without its
            # coroutines and a timer, which cost as much as all guards together.
            request._read_bytes = request.content.read_nowait()
        else:
            await _read(request, bounds.body_s)
        return await handler(request)
    is_callers = PROVEN in request
    if large.counts[is_callers] >= bounds.large_bodies_max:
        raise _cut("unavailable", "Too many large bodies are on their way.", retry_after_s=1)
    large.counts[is_callers] += 1
    try:
        await _read(request, bounds.body_s)
        return await handler(request)
    finally:
        large.counts[is_callers] -= 1


def _came_whole(request: web.Request) -> bool:
    return request.content.is_eof() and request.content.exception() is None


async def _read(request: web.Request, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await request.read()  # kept by the request for its handler
    except TimeoutError as error:
        raise _cut("request_timeout", "The body did not arrive in time.") from error
    except web.RequestPayloadError as error:
        raise _cut("malformed_body", "The body is not encoded as it says.") from error


async def serve(
    app: web.Application,
    *,
    host: str,
    port: int,
    folder: Folder,
    ssl_context: ssl.SSLContext | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve `app` until SIGTERM, SIGINT or `app[STOP]`; the caller holds the folder's lock.

    Port 0 is any free one. `on_ready(url)` is called when requests are served.

    Raises: OSError if the address cannot be had; what the application's start-up raises.
    """
    if STOP not in app:
        app[STOP] = asyncio.Event()
    runner = Runner(
        app,
        fit_descriptors(app.get(BOUNDS) or Bounds()),
        auto_decompress=False,  # handlers refuse it; a bomb is never opened
        access_log=None,  # it would hold what people search for, and cost more than the answer
        shutdown_timeout=DRAIN_S,
    )
    with _signals_set(app[STOP]):
        try:
            await runner.setup()
            site = Site(runner, host, port, ssl_context=ssl_context, backlog=BACKLOG)
            await _listen(site, host, port)
            if SERVING in app:
                app[SERVING].begin(runner)
            url = _url("https" if ssl_context else "http", host, runner.addresses[0][1])
            # What there is now stays until the end. Looking through it in vain was a pause of 70 ms for
            # whoever sold something just then.
            gc.collect()
            gc.freeze()
            async with _announced(folder, url):
                if on_ready:
                    on_ready(url)
                await app[STOP].wait()
        finally:
            await runner.cleanup()


async def _listen(site: Site, host: str, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(error.errno, "address already in use", f"{host}:{port}") from error


def _cut(code: str, detail: str, *, retry_after_s: int | None = None) -> Problem:
    # The rest of the body is still to come, so the connection is good for nothing more.
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Problem(code, detail, headers={"Connection": "close", **headers})


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a program's main coroutine on the fastest loop there is; answers its exit code.

    Should it crash, no core is dumped: keys and tokens are in its memory.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        import uvloop  # noqa: PLC0415 - it does not exist everywhere
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def listen_address(text: str) -> tuple[str, int]:
    """Split '127.0.0.1:7300' or '[::1]:7300' into host and port.

    Raises: SettingsError.
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or not port.isascii() or not port.isdigit() or (bare == host and ":" in host):
        raise SettingsError(f"{text!r} is not HOST:PORT.")
    if int(port) > 65_535:
        raise SettingsError(f"{port} is not a port.")
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host; names other than localhost are not asked."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _announced(folder: Folder, url: str) -> AsyncIterator[None]:
    announcing: asyncio.Task[None] | None = None
    try:
        await asyncio.to_thread(folder.announce, _from_here(url))
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        # A full disk can still be read from, and only a running daemon can tell anybody so.
        _log.error("commands do not find this daemon until there is room: %s", error)
        announcing = asyncio.create_task(_announce_later(folder, url), name="announcing")
    try:
        await asyncio.to_thread(_say, f"listening on {url}")
        yield
    finally:
        if announcing is not None:
            announcing.cancel()
            await asyncio.wait([announcing])
        await asyncio.to_thread(folder.retract)


async def _announce_later(folder: Folder, url: str) -> None:
    while True:
        await asyncio.sleep(ANNOUNCE_RETRY_S)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(folder.announce, _from_here(url))
            return


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _from_here(url: str) -> str:
    # 'Every address' is where to listen, not where to call.
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
