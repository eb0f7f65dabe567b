"""What the questions of who asks and what they may take of a sale, each alone: thousands of times of one real request.

They run warm, so this is the least that they cost; case R has two whole nodes beside it, which also pay for what they push
out of the caches.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from node.api import authentication
from node.api.routes import routes
from node.app import make_app
from node.commands import rights
from node.config import NodeSettings
from node.node import Node
from protocol.access.people import Resource
from protocol.access.table import action
from runtime import guards
from runtime.doors import door_of
from runtime.world import World
from tests.bench.scale import scaled
from tests.node.enrolled import enrolled_folder

_REPEATS: Final = 20_000
_PATH: Final = "/v1/movements"
_RIGHT: Final = action("stock.sale")


async def of_a_sale(folder: Path) -> dict[str, float]:
    """Microseconds of processor time for each question that a till's sale is asked."""
    shop = enrolled_folder(folder / "questioned")
    node = await Node.open(shop.folder, World())
    found: dict[str, float] = {}

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == _PATH:
            found.update({name: _took_us(ask) for name, ask in _questions(request).items()})
        return await handler(request)

    app = make_app(node, NodeSettings())
    app.middlewares.append(measure)  # the innermost: whoever asks is known
    async with TestClient(TestServer(app)) as http:
        token = await node.callers.create_token("till-1")
        sale = {"kind": "sale", "location": "S01", "lines": [{"sku": "A1", "delta": -1}]}
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
        async with http.post(_PATH, json=sale, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
    return found


def _questions(request: web.Request) -> dict[str, Callable[[], Any]]:
    caller = authentication.caller(request)

    def from_where() -> None:
        guards.check_host_and_origin(request, door_of(request).names)
        guards.check_address(request)
        guards.check_content_type(request)

    def who() -> None:
        known = authentication._caller_of(request)
        assert known is not None
        authentication._with_people(request, known)

    route = next(one for one in routes() if (one.method, one.path) == ("POST", _PATH))
    right = route.action
    assert right is not None

    def may() -> None:
        authentication.require_right(request, right)
        rights.check(caller, _RIGHT, Resource(frozenset({"S01"})))
        rights.check_proved(caller, None)

    return {"from where": from_where, "who": who, "may they": may}


def _took_us(ask: Callable[[], Any]) -> float:
    repeats = scaled(_REPEATS)
    began_s = time.thread_time()
    for _ in range(repeats):
        ask()
    return (time.thread_time() - began_s) / repeats * 1e6
