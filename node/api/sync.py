"""`/v1/sync` and `/v1/digest`: how this node stands with the hub, and what its rows add up to."""

from aiohttp import web

from node.api.answers import answer
from node.api.context import NODE
from node.api.queries import DigestAsked, parameters, refuse_parameters


async def show(request: web.Request) -> web.Response:
    """`GET /v1/sync`."""
    refuse_parameters(request)
    return answer(await request.app[NODE].sync_status())


async def show_digest(request: web.Request) -> web.Response:
    """`GET /v1/digest?scope=`: equal digests mean equal rows."""
    asked = parameters(request, DigestAsked)
    return answer(await request.app[NODE].digest(asked.scope))
