"""`/healthz` and `/readyz`: for who watches the process; they need no token and say nothing about the shop.

Rule: a node that cannot reach the hub is ready. Selling is its work, and that needs only its own disk.
"""

from aiohttp import web

from node.api.answers import answer
from node.api.context import NODE
from runtime.problems import Problem


async def alive(_request: web.Request) -> web.Response:
    """`GET /healthz`: the process works."""
    return answer({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """`GET /readyz`: what is sold now can be recorded.

    Raises: Problem `unavailable`.
    """
    if not await request.app[NODE].is_ready():
        raise Problem("unavailable", "The store cannot be written.")
    return answer({"status": "ready"})
