"""`everstock-node` that asks nobody who they are or what they may: `python -m tests.bench.unguarded serve --data DIR`.

The product has no switch for it, and must not have one. Here the questions are replaced before anything has them: whoever
calls is a till, from nowhere foreign, that may do everything. What a node itself may write is still asked.
"""

from collections.abc import Callable, Collection
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node.commands import rights
from node.commands.requests import Authority, Caller
from runtime import guards
from runtime.bounds import PROVEN

_TILL: Final = Caller("till-1", Authority.TILL)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _unguarded(_allowed_hosts: Callable[[], Collection[str]]) -> Middleware:
    @web.middleware
    async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    return pass_on


# Before the commands and the application are imported, which take them from here by name.
for name in ("check", "check_found", "check_proved", "require"):
    setattr(rights, name, _nothing)
guards.guards = _unguarded

from node.api import authentication  # noqa: E402 - after the lines above


def _anybody(_open_paths: Collection[str]) -> Middleware:
    @web.middleware
    async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[authentication._CALLER] = _TILL
        request[PROVEN] = True
        return await handler(request)

    return pass_on


authentication.authenticate = _anybody
authentication.require_right = _nothing
authentication.require_right_at = _nothing

from node.__main__ import main  # noqa: E402 - after the lines above

if __name__ == "__main__":
    main()
