"""Whose token a request carries.

Invariant: no handler but those of open addresses (health and the interface's description) runs without a caller, also not for an address that does not exist; a
missing, a malformed and a wrong token get the same answer.
"""

from collections.abc import Collection
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node.api.context import NODE
from node.commands.requests import Authority, Caller
from runtime.bounds import PROVEN
from runtime.keys import token_digest
from runtime.problems import Problem

TOKEN_CHARS_MAX: Final = 200

_CALLER: Final = web.RequestKey("CALLER", Caller)


def authenticate(open_paths: Collection[str]) -> Middleware:
    """Make the middleware that finds the caller, or answers 401; `open_paths` need none.

    Raises, when called: Problem `unauthenticated`.
    """

    @web.middleware
    async def find_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in open_paths:
            caller = _caller_of(request)
            if caller is None:
                raise Problem(
                    "unauthenticated",
                    "This needs a token: Authorization: Bearer TOKEN.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            request[_CALLER] = caller
            request[PROVEN] = True
        return await handler(request)

    return find_caller


def caller(request: web.Request) -> Caller:
    """Who asks."""
    return request[_CALLER]


def require_operator(request: web.Request) -> Caller:
    """Who asks, if that is the operator.

    Raises: Problem `forbidden`.
    """
    found = caller(request)
    if found.authority is not Authority.OPERATOR:
        raise Problem("forbidden", "Only the operator may do this.")
    return found


def credential(request: web.Request) -> bytes:
    """What the caller's right to be here hangs on: the digest of its token."""
    token = _token_of(request)
    assert token is not None, "asked after the caller was found"
    return token_digest(token)


def _caller_of(request: web.Request) -> Caller | None:
    token = _token_of(request)
    return None if token is None else request.app[NODE].callers.authenticate(token)


def _token_of(request: web.Request) -> str | None:
    headers = request.headers.getall("Authorization", [])
    if len(headers) != 1:
        return None
    scheme, _, token = headers[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= TOKEN_CHARS_MAX:
        return None
    return token
