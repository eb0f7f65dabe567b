"""Puts a node's parts together: the node itself, the guards in front of it, its addresses.

The only module that knows every part. Rule: the store is open before the first request and closed after the last.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from node.api.authentication import authenticate
from node.api.context import NODE
from node.api.openapi import DOCUMENT, document_bytes
from node.api.refusals import refusals
from node.api.routes import open_paths, routes
from node.config import NodeSettings
from node.node import Node
from protocol.limits import BODY_BYTES_MAX
from runtime.metrics import REFRESH
from runtime.service import STOP, new_app
from runtime.vitals import show_vitals


def make_app(node: Node, settings: NodeSettings) -> web.Application:
    """Make the application that serves `node`, which it starts, and closes when it ends."""
    served = routes(with_playground=settings.playground)
    app = new_app(
        lambda: settings.allowed_hosts,
        node.metrics.registry,
        middlewares=[authenticate(open_paths(served)), refusals],
        body_bytes_max=BODY_BYTES_MAX,
    )
    app[NODE] = node
    show_vitals(app, "node", node.database, node.verifier)
    app[REFRESH].add(lambda _: node.show_metrics())
    # After a failed fsync nobody knows what is on the disk, and without an uplink nobody would hear of the sales:
    # end, and come back from the log.
    node.on_failure(app[STOP].set)
    app[DOCUMENT] = document_bytes(served)
    app.add_routes(route.definition() for route in served)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_running)
    return app


async def _end_streams(app: web.Application) -> None:
    # Called once the daemon is told to stop; connections are waited for only after that.
    app[NODE].live.end_all()


async def _running(app: web.Application) -> AsyncIterator[None]:
    node = app[NODE]
    await node.log_start()
    await node.start()
    try:
        yield
    finally:
        await node.close()
