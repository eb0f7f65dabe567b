"""Whose token a request carries.

Invariant: no handler but those of open addresses (health and the interface's description) runs without a caller, also not for an address that does not exist; a
missing, a malformed and a wrong token get the same answer, and so does one that was made for another door.
"""

from collections.abc import Collection
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node.api.context import NODE
from node.commands.requests import Authority, Caller
from node.commands.rights import actor_of, known_places, why_not
from node.lan.tokens import is_for_lan
from protocol.access.people import Decision, Resource, decide, reach_of
from protocol.access.table import Action, Reach
from runtime.bounds import PROVEN
from runtime.doors import is_from_elsewhere
from runtime.keys import token_digest
from runtime.problems import Problem
from runtime.strangers import count_failure

TOKEN_CHARS_MAX: Final = 200
SHIFT: Final = "Everstock-Shift"
WITNESS: Final = "Everstock-Witness"
OF_SHIFTS: Final = frozenset({"/v1/shifts", "/v1/witnesses"})
"""Where somebody shows who they are: it asks for nobody who has."""
_READING: Final = frozenset({"GET", "HEAD"})

_CALLER: Final = web.RequestKey("CALLER", Caller)


def authenticate(open_paths: Collection[str]) -> Middleware:
    """Make the middleware that finds the caller, or answers 401; `open_paths` need none.

    Raises, when called: Problem `unauthenticated`, `rate_limited`.
    """

    @web.middleware
    async def find_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in open_paths:
            caller = _caller_of(request)
            if caller is None:
                count_failure(request)
                raise Problem(
                    "unauthenticated",
                    "This needs a token: Authorization: Bearer TOKEN.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            request[_CALLER] = _with_people(request, caller)
            request[PROVEN] = True
        return await handler(request)

    return find_caller


def caller(request: web.Request) -> Caller:
    """Who asks."""
    return request[_CALLER]


def require_right(request: web.Request, right: Action) -> None:
    """Return if whoever asks may do something of the kind anywhere.

    Raises: Problem `forbidden`.
    """
    found = caller(request)
    if reach_of(actor_of(found), right) is Reach.NOWHERE:
        raise Problem("forbidden", why_not(found, right))


def require_right_at(request: web.Request, right: Action, location: str | None) -> None:
    """Return if whoever asks may do something of the kind at a location; without one, wherever this node knows of.

    Raises: Problem `forbidden`.
    """
    found, certificate = caller(request), request.app[NODE].certificate
    places = known_places(certificate) if location is None else frozenset({location})
    if decide(actor_of(found), right, Resource(places)) is not Decision.ALLOW:
        detail = "name a location of yours" if location is None else why_not(found, right)
        raise Problem("forbidden", detail)


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


def _with_people(request: web.Request, found: Caller) -> Caller:
    """A till with whoever has signed on at it, and whoever sees what is recorded.

    Raises: Problem `shift_required`.
    """
    if found.authority is Authority.OPERATOR or request.path in OF_SHIFTS:
        return found
    callers, headers = request.app[NODE].callers, request.headers
    if found.authority is Authority.TILL:
        if (shift := headers.get(SHIFT)) is not None:
            on_shift = callers.on_shift(found, shift)
            if on_shift is None:
                raise Problem(
                    "shift_required", "The shift is over, or another till's: sign on again."
                )
            found = on_shift
        elif callers.shift_required and request.method not in _READING:
            raise Problem("shift_required", "Somebody has to sign on at this till first.")
    if (witness := headers.get(WITNESS)) is not None:
        seen = callers.seen_by(found, witness)
        if seen is None:
            raise Problem("shift_required", "The witness has to show their PIN again.")
        found = seen
    return found


def _caller_of(request: web.Request) -> Caller | None:
    token = _token_of(request)
    if token is None or is_for_lan(token) is not is_from_elsewhere(request):
        return None
    return request.app[NODE].callers.authenticate(token)


def _token_of(request: web.Request) -> str | None:
    headers = request.headers.getall("Authorization", [])
    if len(headers) != 1:
        return None
    scheme, _, token = headers[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= TOKEN_CHARS_MAX:
        return None
    return token
