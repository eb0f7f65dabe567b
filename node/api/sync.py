"""`/v1/sync` and `/v1/digest`: how this node stands with the hub, and what its rows add up to."""

from typing import Annotated

from aiohttp import web

from node.api.answers import answer
from node.api.queries import DigestAsked
from node.api.shown import ScopeDigest, SyncStatus
from node.api.typed import Answers
from node.node import Node

Status = Annotated[web.Response, Answers(SyncStatus)]
Digest = Annotated[web.Response, Answers(ScopeDigest)]


async def show(node: Node) -> Status:
    """Show how this node stands with the hub."""
    return answer(await node.reading.sync_status())


async def show_digest(node: Node, asked: DigestAsked) -> Digest:
    """Sum up a scope's rows.

    The hub answers the same address: equal digests mean equal rows. A scope that has no rows has zeros.
    """
    return answer(await node.reading.digest(asked.scope))
