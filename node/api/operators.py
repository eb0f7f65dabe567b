"""`/v1/operator`: what the command line asks of the daemon that has the folder. Operator's token only."""

from typing import Annotated

from aiohttp import web

from node.api.answers import answer
from node.api.models import NamedTill, Nothing, TokenBody
from node.api.shown import SyncStatus, TokenMade, TokensRevoked
from node.api.typed import Answers, Operator
from node.node import Node

Made = Annotated[web.Response, Answers(TokenMade, status=201)]
Revoked = Annotated[web.Response, Answers(TokensRevoked)]
Status = Annotated[web.Response, Answers(SyncStatus)]


async def create_token(node: Node, _operator: Operator, body: TokenBody) -> Made:
    """Make a till's token.

    It is in this answer and nowhere else. Tokens made before under the same name work still, unless it is made for
    another machine (`lan`): then it is the only one of that name.
    """
    older = 0 if body.lan else node.callers.count_tokens(body.name)
    token = await node.callers.create_token(body.name, for_lan=body.lan)
    return answer({"token": token, "older": older}, status=201)


async def revoke_tokens(node: Node, _operator: Operator, body: NamedTill) -> Revoked:
    """End every token of a name, at once."""
    return answer({"revoked": await node.callers.revoke_tokens(body.name)})


async def show_status(node: Node, _operator: Operator, _body: Nothing) -> Status:
    """Show what `GET /v1/sync` shows, for the command line, which only posts."""
    return answer(await node.reading.sync_status())
