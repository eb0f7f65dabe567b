"""Whose token a request carries.

Invariant: no handler but those of health runs without a caller, also not for an address that does not exist; a
missing, a malformed and a wrong token get the same answer.
"""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from node.api.context import NODE
from node.commands.requests import Authority, Caller
from runtime.problems import Problem

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
TOKEN_CHARS_MAX: Final = 200

_CALLER: Final = web.RequestKey("CALLER", Caller)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the caller, or answer 401.

    Raises: Problem `unauthenticated`.
    """
    if request.path not in OPEN_PATHS:
        caller = _caller_of(request)
        if caller is None:
            raise Problem(
                "unauthenticated",
                "This needs a token: Authorization: Bearer TOKEN.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        request[_CALLER] = caller
    return await handler(request)


def caller(request: web.Request) -> Caller:
    """Who asks."""
    return request[_CALLER]


def require_operator(request: web.Request) -> None:
    """Refuse tills.

    Raises: Problem `forbidden`.
    """
    if caller(request).authority is not Authority.OPERATOR:
        raise Problem("forbidden", "Only the operator may do this.")


def _caller_of(request: web.Request) -> Caller | None:
    headers = request.headers.getall("Authorization", [])
    if len(headers) != 1:
        return None
    scheme, _, token = headers[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= TOKEN_CHARS_MAX:
        return None
    return request.app[NODE].authenticate(token)
