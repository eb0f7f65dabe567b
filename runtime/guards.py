"""What keeps a web page elsewhere from using a daemon through the visitor's browser.

Rule: every request names a host of ours, comes from no page but ours, and writes only with a type
that a browser will not send across sites without asking first. A browser's own protection of local
networks is not relied upon: not every browser has one.

Order: `problems_middleware`, then `guards`, then the application's own. `security_headers` is a
signal, not a middleware, so that streams and error answers carry the headers too:
`app.on_response_prepare.append(security_headers)`. `service.new_app` does all of it.
"""

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from runtime.doors import door_of
from runtime.problems import Problem

WRITING_METHODS = frozenset({"POST", "PUT", "PATCH"})
WRITING_TYPES = frozenset(
    {"application/json", "application/merge-patch+json", "application/msgpack"}
)
CHARSETS = frozenset({"utf-8", "utf8"})
HEADERS = {
    "Cache-Control": "no-store",
    # The last three are not covered by the first.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # addresses hold what was searched for
    "Server": "everstock",  # aiohttp would name the versions of itself and of Python
    "X-Content-Type-Options": "nosniff",
}

_UPGRADE_HEADERS = (
    "Connection",
    "Upgrade",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Nothing else is a host: no user part, no empty port, no leading zeros, no second way to write it.
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>[1-9][0-9]{0,4}))?"
)


@dataclass(frozen=True, slots=True)
class _Ours:
    """The names under which this connection's end may be addressed."""

    scheme: str
    port: int | None  # None on a Unix socket
    names: frozenset[str]  # good with exactly that port
    allowed: frozenset[str]  # 'host' or 'host:port' from the settings

    def has(self, authority: str, scheme: str) -> bool:
        found = _AUTHORITY.fullmatch(authority.lower())
        if found is None:
            return False
        host, port = found["host"], int(found["port"]) if found["port"] else None
        if host in self.names and (port or _DEFAULT_PORTS[scheme]) == self.port:
            return True
        if host in self.allowed and port in {None, self.port}:
            return True
        return f"{host}:{port}" in self.allowed

    def has_origin(self, origin: str) -> bool:
        scheme, separator, authority = origin.lower().partition("://")
        if not separator or scheme not in _DEFAULT_PORTS:
            return False  # 'null', extensions, files
        # A plain page of the same name is anybody's on the way. Behind a proxy we cannot tell.
        if self.scheme == "https" and scheme != "https":
            return False
        return self.has(authority, scheme)


def guards(allowed_hosts: Callable[[], Collection[str]]) -> Middleware:
    """Make the one middleware that lets a request through, or says why not.

    `allowed_hosts()` are the names beside loopback, the connection's own address and those of its door: 'host' (with
    no port or our own), or 'host:port'. It is asked for each request, so it may change.

    Raises, when called: Problem `foreign_host` 421, `foreign_origin` 403, `validation_failed` 422,
    `unsupported_media_type` 415.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        # One layer for all three: each one more would cost every sale what the checks cost.
        check_host_and_origin(request, (*allowed_hosts(), *door_of(request).names))
        check_address(request)
        check_content_type(request)
        return await handler(request)

    return guard


def check_host_and_origin(request: web.Request, allowed: tuple[str, ...]) -> None:
    """Refuse foreign hosts and origins.

    Raises: Problem `foreign_host` 421, `foreign_origin` 403.
    """
    if request.transport is None:
        # Its own address is not known any more, so neither is what is foreign.
        raise ConnectionResetError("the client has gone")
    address = request.transport.get_extra_info("sockname")
    # A Unix socket has a path for an address, and no port.
    host, port = address[:2] if isinstance(address, tuple) else (None, None)
    scheme, headers = "https" if request.secure else "http", request.headers
    for authority in _authorities(request):
        if not _is_host_of(scheme, host, port, allowed, authority):
            raise Problem("foreign_host", "This host is not served here.")
    # Tills and integrations send neither: only a browser does.
    for origin in headers.getall("Origin", ()):
        if not _ours(scheme, host, port, allowed).has_origin(origin):
            raise Problem("foreign_origin", "Requests from other origins are refused.")
    if "cross-site" in headers.getall("Sec-Fetch-Site", ()):
        raise Problem("foreign_origin", "Requests from other sites are refused.")


def check_content_type(request: web.Request) -> None:
    """Let writes through only as JSON or MessagePack; forms and plain text cross sites unasked.

    What has neither a body nor a type needs none: a form always sends one. An address that does
    not take the method says that first.

    Raises: Problem `unsupported_media_type` 415.
    """
    if request.method not in WRITING_METHODS or request.match_info.http_exception is not None:
        return
    given = request.headers.get("Content-Type")
    if given in WRITING_TYPES or (given is None and not request.body_exists):
        return  # as tills send it, without parameters to look at
    if request.content_type not in WRITING_TYPES:
        wanted = " or ".join(sorted(WRITING_TYPES))
        raise Problem("unsupported_media_type", f"The body must be {wanted}.")
    if (request.charset or "utf-8").lower() not in CHARSETS:
        raise Problem("unsupported_media_type", "The body must be in UTF-8.")


def check_address(request: web.Request) -> None:
    """Refuse addresses whose escapes are not UTF-8: taken literally, they would name another thing.

    Raises: Problem `validation_failed` 422.
    """
    path = request.raw_path
    if path.isascii() and "%" not in path:
        return  # as nearly always: nothing in it is escaped
    try:
        unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise Problem("validation_failed", "The address is not UTF-8.") from None


def check_upgrade(request: web.Request) -> None:
    """Refuse a WebSocket's handshake that is not ASCII: the library fails at telling what is wrong with it.

    Raises: Problem `bad_request` 400.
    """
    for name in _UPGRADE_HEADERS:
        if not all(value.isascii() for value in request.headers.getall(name, ())):
            raise Problem("bad_request", "This is no handshake of a WebSocket.")


async def security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on an answer that does not set its own; for `on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]  # aiohttp has set it before


def _authorities(request: web.Request) -> list[str]:
    # A missing Host is as bad as a foreign one: ''.
    named = list(request.headers.getall("Host", [""]))
    if not request.raw_path.startswith("/") and request.raw_path != "*":
        named.append(urlsplit(request.raw_path).netloc)  # the absolute form: GET http://… HTTP/1.1
    return named


# Of every request of a till it is the same: to match it again cost more than all else that is looked at here.
@lru_cache(maxsize=64)
def _is_host_of(
    scheme: str, host: str | None, port: int | None, allowed: tuple[str, ...], authority: str
) -> bool:
    return _ours(scheme, host, port, allowed).has(authority, scheme)


@lru_cache(maxsize=16)  # one daemon answers at a handful of addresses; a sale need not parse them
def _ours(scheme: str, host: str | None, port: int | None, allowed: tuple[str, ...]) -> _Ours:
    # A page under the bare address is served by whoever has it, so rebinding gains nothing.
    own = frozenset() if host is None else frozenset({_literal(host)})
    lowered = frozenset(name.lower() for name in allowed)
    return _Ours(scheme, port, _LOOPBACK_NAMES | own, lowered)


def _literal(address: str) -> str:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"[{parsed}]"
