"""Handlers as typed functions: what a handler takes is its signature, what it answers its return annotation.

Rule: signatures are looked at once, when the application is made. A request runs the readers that were found then and
nothing else; an answer is what the handler made, never checked again. `openapi` describes the same `Route`s.

    async def record(node: Node, caller: Caller, key: IdempotencyKey, body: MovementBody) -> Recorded

An argument is a `Node`, the `Lan`, a `Caller`, an `Operator` (refused for others), an `Address`, a `Query`, a header of `headers`,
the `web.Request` itself, or, last because it is read last, a `Body`.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final, NewType, get_args, get_type_hints

from aiohttp import web
from aiohttp.typedefs import Handler

from node.api.answers import JSON_TYPE
from node.api.authentication import caller, require_operator, require_right, require_right_at
from node.api.bodies import read_body, read_nothing
from node.api.context import LAN, NODE
from node.api.headers import header_of
from node.api.models import Body, Nothing
from node.api.queries import Address, Query, parameters, refuse_parameters
from node.commands.requests import Caller
from node.lan.door import Lan
from node.node import Node
from protocol.access.table import Action

Reader = Callable[[web.Request], Any]

Operator = NewType("Operator", Caller)
"""A caller that may administer this node."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a handler answers when nothing is wrong, as `Annotated[web.Response, Answers(Model)]`."""

    model: Any = None
    """The type of the body; None when there is none that JSON Schema can describe."""
    status: int = 200
    media_type: str | None = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that callers act on, each with its meaning."""
    or_as: tuple[str, ...] = ()
    """Other media types in which the same is answered to who prefers them, as text."""


@dataclass(frozen=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    handler: Callable[..., Awaitable[web.StreamResponse]]
    problems: tuple[str | tuple[str, int], ...] = ()
    """Codes that follow from no argument but from what the handler does, with the status if it is not the code's own."""
    action: Action | None = None
    """What a caller must be allowed somewhere; where, its handler or command asks. None of one that asks for no right."""
    is_open: bool = False
    """Whether it is answered without a token."""
    is_narrowed: bool = False
    """Of a list: whether it leaves out what the caller may not see. Otherwise whoever may not see all names a location."""
    is_own: bool = False
    """Whether it is for any caller, about itself."""
    tag: str = ""
    """The heading under which the document has it; the module of its handler if there is none."""

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """The type of each argument, in order."""
        hints = get_type_hints(self.handler, include_extras=True)
        return {name: hints[name] for name in inspect.signature(self.handler).parameters}

    @cached_property
    def answers(self) -> Answers:
        """What the return annotation says."""
        hint = get_type_hints(self.handler, include_extras=True)["return"]
        (found,) = (part for part in get_args(hint) if isinstance(part, Answers))
        return found

    def argument_of(self, kind: type) -> Any:
        """The argument that is a `kind`, or None."""
        return next((hint for hint in self.arguments.values() if _is(hint, kind)), None)

    def definition(self) -> web.RouteDef:
        """The route as aiohttp takes it."""
        # Only what may be an id is one: `GET /v1/movements/batch` is the wrong method, not an unknown movement.
        pattern = self.path.replace("{id}", "{id:[0-9A-Fa-f-]+}")
        return web.RouteDef(self.method, pattern, _adapt(self), {})


_READERS: Final[Mapping[Any, Reader]] = {
    web.Request: lambda request: request,
    Node: lambda request: request.app[NODE],
    Lan: lambda request: request.app[LAN],
    Caller: caller,
    Operator: require_operator,
}


def _adapt(route: Route) -> Handler:
    inner = _read_for(route)
    right = route.action
    if right is None:
        return inner

    async def check_first(request: web.Request) -> web.StreamResponse:
        # Before anything is read: whoever may not is not told what was wrong with the request.
        require_right(request, right)
        return await inner(request)

    return check_first


def _read_for(route: Route) -> Handler:
    hints = list(route.arguments.values())
    if hints == [web.Request]:
        return route.handler  # it reads for itself
    handler, body = route.handler, None
    if hints and _is(hints[-1], Body):
        body = hints.pop()
    readers = [_reader(hint) for hint in hints]
    takes_parameters = web.Request in hints or route.argument_of(Query) is not None
    read = read_nothing if issubclass(body or Body, Nothing) else read_body
    right = None if route.is_narrowed or route.argument_of(Query) is None else route.action

    async def handle(request: web.Request) -> web.StreamResponse:
        if not takes_parameters:
            refuse_parameters(request)
        arguments = [reader(request) for reader in readers]
        if right is not None:
            asked = next(one for one in arguments if isinstance(one, Query))
            require_right_at(request, right, getattr(asked, "location", None))
        if body is not None:
            arguments.append(await read(request, body))
        return await handler(*arguments)

    return handle


def _reader(hint: Any) -> Reader:
    if header := header_of(hint):
        return header.read
    if _is(hint, Query):
        return partial(parameters, model=hint)
    if _is(hint, Address):
        return lambda request: hint.model_validate(dict(request.match_info))
    if hint in _READERS:
        return _READERS[hint]
    raise TypeError(f"a handler cannot take {hint!r}")


def _is(hint: object, kind: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, kind)
