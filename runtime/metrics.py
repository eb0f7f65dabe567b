"""Metrics in Prometheus's text format.

Rule: a registry belongs to one application, so two daemons in one process do not mix. Labels come
from fixed sets (methods, route patterns, status classes), never from what a client sent.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SAFE_SQLITE = (3, 51, 3)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_REQUEST_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_COMMIT_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0, 5.0)
_GROUP_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REGISTRY = web.AppKey("REGISTRY", CollectorRegistry)


def new_registry() -> CollectorRegistry:
    """Make a registry that knows this process and its SQLite."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    Gauge(
        "everstock_sqlite_wal_reset_risk",
        "1 when this SQLite is older than 3.51.3, in which concurrent checkpoints can damage a "
        "database (one writer avoids it)",
        registry=registry,
    ).set(sqlite3.sqlite_version_info < SAFE_SQLITE)
    return registry


def observe_commits(registry: CollectorRegistry) -> Callable[[int, float], None]:
    """Make the observer for `Store.open`: sizes and times of group commits."""
    sizes = Histogram(
        "everstock_commit_group_size",
        "Transactions in one group commit",
        buckets=_GROUP_BUCKETS,
        registry=registry,
    )
    seconds = Histogram(
        "everstock_commit_seconds",
        "Time from a group's first statement to its COMMIT",
        buckets=_COMMIT_BUCKETS_S,
        registry=registry,
    )

    def observe(group_size: int, duration_s: float) -> None:
        sizes.observe(group_size)
        seconds.observe(duration_s)

    return observe


def count_requests(registry: CollectorRegistry) -> Middleware:
    """Make the middleware that times requests by method, route pattern and status class."""
    requests = Histogram(
        "everstock_http_request_seconds",
        "Time from a request's headers to the end of its handler",
        ("method", "route", "status"),
        buckets=_REQUEST_BUCKETS_S,
        registry=registry,
    )

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began_s = time.monotonic()
        status = "cut"  # the client left, or the handler was cancelled
        try:
            response = await handler(request)
            status = f"{response.status // 100}xx"
            return response
        finally:
            method = request.method if request.method in _METHODS else "other"
            took_s = time.monotonic() - began_s
            requests.labels(method, _route(request), status).observe(took_s)

    return measure


async def metrics_handler(request: web.Request) -> web.Response:
    """Answer with the application's metrics; it needs `app[REGISTRY]`."""
    # The process's own figures are read from files.
    text = await asyncio.to_thread(generate_latest, request.app[REGISTRY])
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"
