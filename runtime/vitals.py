"""What every daemon shows of itself: its version, its event loop, its disk, its verifier.

Invariant: the disk is looked at by the scraping thread, the loop's own state on the loop; nothing here waits for the
store.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge

from runtime.histogram import LoopHistogram
from runtime.metrics import NOT_KNOWN, REFRESH, REGISTRY, Refresh
from runtime.verifier import Verifier, wal_bytes
from runtime.version import VERSION

LAG_PROBE_S: Final = 0.5
"""How often the loop's lag is measured: often enough to meet a stall of a second, and nobody's load."""
_LAG_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


def show_vitals(app: web.Application, daemon: str, database: Path, verifier: Verifier) -> None:
    """Give an application, not started yet, the metrics that all daemons have.

    Args:
        app: made by `new_app`.
        daemon: `node` or `hub`.
        database: its SQLite file, in the data folder.
        verifier: the daemon's; shown, not run.
    """
    registry = app[REGISTRY]
    refresh = app[REFRESH] = Refresh()
    Gauge(
        "everstock_build_info",
        "1; which daemon and version",
        ("daemon", "version"),
        registry=registry,
    ).labels(daemon, VERSION).set(1)
    _show_time(registry)
    _show_disk(registry, database)
    _show_verifier(registry, verifier)
    _show_loop(registry, refresh)
    lag = LoopHistogram(
        "everstock_loop_lag_seconds",
        "How much later than due the event loop came to a timer, probed twice a second",
        bounds=_LAG_BUCKETS_S,
        registry=registry,
    ).series()

    async def probing(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_probe_lag(lag.observe), name="loop lag")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    app.cleanup_ctx.append(probing)


def _show_time(registry: CollectorRegistry) -> None:
    began_s = time.monotonic()
    Gauge("everstock_uptime_seconds", "Since the daemon started", registry=registry).set_function(
        lambda: time.monotonic() - began_s
    )


def _show_disk(registry: CollectorRegistry, database: Path) -> None:
    def free_bytes() -> float:
        space = os.statvfs(database.parent)
        return space.f_bavail * space.f_frsize

    def show(name: str, help_: str, read: Callable[[], float]) -> None:
        def read_or_not_known() -> float:
            try:
                return read()
            except OSError:
                return NOT_KNOWN

        Gauge(name, help_, registry=registry).set_function(read_or_not_known)

    show("everstock_disk_free_bytes", "Free on the disk of the data folder", free_bytes)
    show(
        "everstock_database_bytes",
        "Size of the database without its write-ahead log",
        lambda: database.stat().st_size,
    )
    show(
        "everstock_wal_bytes",
        "Size of the write-ahead log; it grows while a verification or backup reads",
        lambda: wal_bytes(database),
    )


def _show_verifier(registry: CollectorRegistry, verifier: Verifier) -> None:
    def show(name: str, help_: str, read: Callable[[], float | None]) -> None:
        def read_or_not_known() -> float:
            value = read()
            return NOT_KNOWN if value is None else value

        Gauge(name, help_, registry=registry).set_function(read_or_not_known)

    show(
        "everstock_verifier_age_seconds",
        "Since everything was last computed again to the end; NaN when it never was, or is dated in the future",
        lambda: verifier.age_s,
    )
    show(
        "everstock_verifier_problems",
        "What the last complete verification found wrong; NaN when there was none",
        lambda: None if verifier.outcome is None else verifier.outcome.problems,
    )
    show(
        "everstock_verifier_running", "1 while a verification runs", lambda: float(verifier.running)
    )
    failures = Counter(
        "everstock_verifier_failures",
        "Verifications that came to no end: they failed, took too long, or held too much back",
        registry=registry,
    )
    verifier.on_failure(failures.inc)


def _show_loop(registry: CollectorRegistry, refresh: Refresh) -> None:
    tasks = Gauge("everstock_asyncio_tasks", "Tasks of the event loop", registry=registry)
    connections = Gauge(
        "everstock_http_connections", "Open connections, idle ones too", registry=registry
    )

    async def read(request: web.Request) -> None:
        tasks.set(len(asyncio.all_tasks()))
        # The application is not told which server serves it; the connection of this request knows.
        server = None if request.protocol is None else request.protocol._manager
        connections.set(NOT_KNOWN if server is None else len(server.connections))

    refresh.add(read)


async def _probe_lag(observe: Callable[[float], None]) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due_s = clock() + LAG_PROBE_S
        await asyncio.sleep(LAG_PROBE_S)
        observe(max(0.0, clock() - due_s))
