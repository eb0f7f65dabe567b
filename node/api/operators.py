"""`/v1/operator`: what the command line asks of the daemon that has the folder. Operator's token only."""

from aiohttp import web

from node.api.answers import answer
from node.api.authentication import require_operator
from node.api.bodies import read_body, read_nothing
from node.api.context import NODE
from node.api.models import Nothing, TokenBody


async def create_token(request: web.Request) -> web.Response:
    """`POST /v1/operator/tokens`: the token is in the answer and nowhere else; `older` ones work still."""
    require_operator(request)
    body = await read_body(request, TokenBody)
    node = request.app[NODE]
    older = node.count_tokens(body.name)
    return answer({"token": await node.create_token(body.name), "older": older}, status=201)


async def revoke_tokens(request: web.Request) -> web.Response:
    """`POST /v1/operator/tokens/revoke`: every token of that name, at once."""
    require_operator(request)
    body = await read_body(request, TokenBody)
    return answer({"revoked": await request.app[NODE].revoke_tokens(body.name)})


async def show_status(request: web.Request) -> web.Response:
    """`POST /v1/operator/status`: what `GET /v1/sync` says, for the command line, which only posts."""
    require_operator(request)
    await read_nothing(request, Nothing)
    return answer(await request.app[NODE].sync_status())
