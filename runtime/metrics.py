"""Metrics in Prometheus's text format.

Rule: a registry belongs to one application, so two daemons in one process do not mix. Labels come
from fixed sets (methods, route patterns, status classes, problem codes), never from what a client
sent. What is true only at a moment is read when somebody scrapes.
"""

import asyncio
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from runtime.histogram import LoopHistogram, Series
from runtime.problems import PROBLEM_CODE, STATUS_BY_CODE

SAFE_SQLITE = (3, 51, 3)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_REQUEST_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_COMMIT_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0, 5.0)
_GROUP_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REFRESH_INTERVAL_S: Final = 1.0
"""Figures older than this are read again when somebody scrapes; several scrapers share one reading."""
NOT_KNOWN: Final = math.nan
"""What a gauge shows that cannot be read now: Prometheus takes it for no value, and 0 would be a lie."""

REGISTRY = web.AppKey("REGISTRY", CollectorRegistry)


class Refresh:
    """Brings gauges up to date before a scrape: each step sets its own, on the event loop, and waits for no writer."""

    def __init__(self) -> None:
        self._steps: list[Callable[[web.Request], Awaitable[None]]] = []
        self._under_way = asyncio.Lock()
        self._done_s = -math.inf

    def add(self, step: Callable[[web.Request], Awaitable[None]]) -> None:
        """Have `step(request)` awaited before a scrape; it raises nothing, and shows NOT_KNOWN instead."""
        self._steps.append(step)

    async def run(self, request: web.Request) -> None:
        """Run all steps, unless that was done within REFRESH_INTERVAL_S."""
        async with self._under_way:
            if time.monotonic() - self._done_s >= REFRESH_INTERVAL_S:
                for step in self._steps:
                    await step(request)
                self._done_s = time.monotonic()


REFRESH = web.AppKey("REFRESH", Refresh)


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
    sizes = LoopHistogram(
        "everstock_commit_group_size",
        "Transactions in one group commit",
        bounds=_GROUP_BUCKETS,
        registry=registry,
    ).series()
    seconds = LoopHistogram(
        "everstock_commit_seconds",
        "Time from a group's first statement to its COMMIT, on the disk",
        bounds=_COMMIT_BUCKETS_S,
        registry=registry,
    ).series()

    def observe(group_size: int, duration_s: float) -> None:
        sizes.observe(group_size)
        seconds.observe(duration_s)

    return observe


def count_requests(registry: CollectorRegistry) -> Middleware:
    """Make the middleware that times requests by method, route pattern and status class, and counts refusals by code.

    It is on the way of every sale: a series is looked up by what aiohttp found already, and costs under a microsecond.
    """
    requests = LoopHistogram(
        "everstock_http_request_seconds",
        "Time from a request's headers to the end of its handler",
        labels=("method", "route", "status"),
        bounds=_REQUEST_BUCKETS_S,
        registry=registry,
    )
    refused = Counter(
        "everstock_http_refused",
        "Requests answered with a problem, by its code",
        ("code",),
        registry=registry,
    )
    for code in STATUS_BY_CODE:
        refused.labels(code)  # zero from the start: an alert compares with what was before
    kept: dict[tuple[str, web.AbstractResource | None, int], Series] = {}

    def observe(request: web.Request, status_class: int, took_s: float) -> None:
        method = request.method if request.method in _METHODS else "other"
        # The route of an address that does not exist is made for each request; its resource is None.
        resource = request.match_info.route.resource
        series = kept.get((method, resource, status_class))
        if series is None:
            route = "none" if resource is None else resource.canonical
            status = f"{status_class}xx" if status_class else "cut"
            series = kept[method, resource, status_class] = requests.series(method, route, status)
        series.observe(took_s)

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began_s = time.monotonic()
        status_class = 0  # the client left, or the handler was cancelled
        try:
            response = await handler(request)
            status_class = response.status // 100
            if status_class >= 4 and (code := response.get(PROBLEM_CODE)) is not None:
                refused.labels(code).inc()
            return response
        finally:
            observe(request, status_class, time.monotonic() - began_s)

    return measure


def by_fixed_values(counter: Counter, values: Sequence[str]) -> dict[str, Counter]:
    """The children of a counter with one label, for each value it can have; all at zero from the start."""
    return {value: counter.labels(value) for value in values}


async def metrics_handler(request: web.Request) -> web.Response:
    """Answer with the application's metrics; it needs `app[REGISTRY]`, and refreshes `app[REFRESH]` if there is one."""
    refresh = request.app.get(REFRESH)
    if refresh is not None:
        await refresh.run(request)
    # The process's own figures, and those of the disk, are read from files.
    text = await asyncio.to_thread(generate_latest, request.app[REGISTRY])
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
