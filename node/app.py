"""Puts a node's parts together: the node itself, the guards in front of it, its addresses.

The only module that knows every part. Rule: the store is open before the first request and closed after the last.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from node.api.authentication import authenticate
from node.api.context import NODE
from node.api.refusals import refusals
from node.api.routes import routes
from node.config import NodeSettings
from node.node import Node
from protocol.limits import BODY_BYTES_MAX
from runtime.service import STOP, new_app


def make_app(node: Node, settings: NodeSettings) -> web.Application:
    """Make the application that serves `node`, which it starts, and closes when it ends."""
    app = new_app(
        lambda: settings.allowed_hosts,
        node.metrics.registry,
        middlewares=[authenticate, refusals],
        body_bytes_max=BODY_BYTES_MAX,
    )
    app[NODE] = node
    # After a failed fsync nobody knows what is on the disk, and without an uplink nobody would hear of the sales:
    # end, and come back from the log.
    node.on_failure(app[STOP].set)
    app.add_routes(routes())
    app.cleanup_ctx.append(_running)
    return app


async def _running(app: web.Application) -> AsyncIterator[None]:
    node = app[NODE]
    await node.start()
    try:
        yield
    finally:
        await node.close()
