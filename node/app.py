"""Puts a node's parts together: the node itself, the guards in front of it, its addresses.

The only module that knows every part. Rule: the store is open before the first request and closed after the last.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from node.api.authentication import authenticate
from node.api.context import LAN, NODE
from node.api.openapi import DOCUMENT, document_bytes
from node.api.refusals import refusals
from node.api.routes import open_paths, routes
from node.config import NodeSettings
from node.lan.door import Lan
from node.node import Node
from protocol.limits import BODY_BYTES_MAX
from runtime.metrics import REFRESH
from runtime.service import SERVING, STOP, new_app
from runtime.vitals import show_vitals


def make_app(node: Node, settings: NodeSettings) -> web.Application:
    """Make the application that serves `node`, which it starts, and closes when it ends."""
    served = routes(with_playground=settings.playground)
    app = new_app(
        lambda: settings.allowed_hosts,
        node.metrics.registry,
        middlewares=[authenticate(open_paths(served)), refusals],
        body_bytes_max=BODY_BYTES_MAX,
        proxies=settings.proxies(),
    )
    app[NODE] = node
    app[LAN] = Lan(node.database.parent, node.world, app[SERVING])
    show_vitals(app, "node", node.database, node.verifier)
    app[REFRESH].add(lambda _: node.show_metrics())
    # After a failed fsync nobody knows what is on the disk, and without an uplink nobody would hear of the sales:
    # end, and come back from the log.
    node.on_failure(app[STOP].set)
    app[DOCUMENT] = document_bytes(served)
    app.add_routes(route.definition() for route in served)
    app.on_shutdown.append(_end_streams)
    app.on_shutdown.append(_close_to_others)
    app.cleanup_ctx.extend([_running, _serving_others])
    return app


async def _end_streams(app: web.Application) -> None:
    # Called once the daemon is told to stop; connections are waited for only after that.
    app[NODE].live.end_all()


async def _close_to_others(app: web.Application) -> None:
    # The server that knows of this door's connections is not the one that the daemon waits for.
    await app[LAN].close()


async def _serving_others(app: web.Application) -> AsyncIterator[None]:
    keeping = asyncio.create_task(app[LAN].run(), name="lan")
    yield
    keeping.cancel()
    await asyncio.wait([keeping])


async def _running(app: web.Application) -> AsyncIterator[None]:
    node = app[NODE]
    await node.log_start()
    await node.start()
    try:
        yield
    finally:
        await node.close()
