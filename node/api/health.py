"""`/healthz` and `/readyz`: for who watches the process; they need no token and say nothing about the shop.

Rule: a node that cannot reach the hub is ready. Selling is its work, and that needs only its own disk.
"""

from typing import Annotated

from aiohttp import web

from node.api.answers import answer
from node.api.context import NODE
from node.api.shown import Health, Readiness
from node.api.typed import Answers
from runtime.metrics import metrics_handler
from runtime.readiness import refuse_unless_ready

Alive = Annotated[web.Response, Answers(Health)]
Ready = Annotated[web.Response, Answers(Readiness)]
Metrics = Annotated[web.Response, Answers(media_type="text/plain")]


async def alive(_request: web.Request) -> Alive:
    """Say that the process works."""
    return answer({"status": "ok"})


async def ready(request: web.Request) -> Ready:
    """Say whether what is sold now can be recorded.

    A node that cannot reach the hub is ready.

    Raises: Problem `unavailable` or `disk_full`, both with status 503.
    """
    node = request.app[NODE]
    await refuse_unless_ready(
        request.app,
        node.database.parent,
        takes_writes=await node.is_ready(),
        is_broken=not node.writable,
    )
    return answer({"status": "ready"})


async def metrics(request: web.Request) -> Metrics:
    """Show the figures that a monitor collects, as Prometheus reads them."""
    return await metrics_handler(request)
