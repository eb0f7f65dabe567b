"""Metrics, as a scraper reads them."""

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from runtime.metrics import REFRESH, Refresh, metrics_handler, new_registry, observe_commits
from runtime.migrations import Schema
from runtime.problems import Problem
from runtime.service import new_app
from runtime.store import Store
from tests.runtime.conftest import insert


async def thing(request: web.Request) -> web.Response:
    if request.match_info["id"] == "bad":
        raise Problem("conflict", "Not now.")
    return web.Response()


def test_two_registries_do_not_mix() -> None:
    first, second = new_registry(), new_registry()
    observe_commits(first)(3, 0.001)
    observe_commits(second)
    assert first.get_sample_value("everstock_commit_group_size_sum") == 3
    assert second.get_sample_value("everstock_commit_group_size_sum") == 0


async def test_commits_are_observed(tmp_path: Path, schema: Schema) -> None:
    registry = new_registry()
    store = await Store.open(tmp_path / "a.db", schema, observe=observe_commits(registry))
    for trial in range(3):
        await store.write(insert(trial))
    await store.close()
    assert registry.get_sample_value("everstock_commit_group_size_count") == 3
    seconds = registry.get_sample_value("everstock_commit_seconds_sum")
    assert seconds is not None
    assert 0 < seconds < 10


async def test_requests_are_counted_by_pattern_not_by_address(aiohttp_client) -> None:
    registry = new_registry()
    app = new_app(list, registry)
    app.router.add_get("/things/{id}", thing)
    app.router.add_get("/metrics", metrics_handler)
    client = await aiohttp_client(TestServer(app, port=0))
    for path in ("/things/1", "/things/2", "/things/bad", "/none/1", "/none/2"):
        await client.get(path)
    await client.request("TRACE", "/things/1")

    def count(method: str, route: str, status: str) -> float | None:
        labels = {"method": method, "route": route, "status": status}
        return registry.get_sample_value("everstock_http_request_seconds_count", labels)

    assert count("GET", "/things/{id}", "2xx") == 2
    assert count("GET", "/things/{id}", "4xx") == 1
    assert count("GET", "none", "4xx") == 2
    assert count("other", "none", "4xx") == 1
    scraped = await client.get("/metrics")
    text = await scraped.text()
    assert scraped.content_type == "text/plain"
    assert "everstock_sqlite_wal_reset_risk" in text
    assert "process_resident_memory_bytes" in text


async def test_what_was_refused_is_counted_by_its_code(aiohttp_client) -> None:
    registry = new_registry()
    app = new_app(list, registry)
    app.router.add_get("/things/{id}", thing)
    client = await aiohttp_client(TestServer(app, port=0))
    for path in ("/things/1", "/things/bad", "/none/1", "/none/2"):
        await client.get(path)

    def count(code: str) -> float | None:
        return registry.get_sample_value("everstock_http_refused_total", {"code": code})

    assert (count("conflict"), count("not_found"), count("disk_full")) == (1, 2, 0)


async def test_scrapes_at_once_share_one_reading(aiohttp_client) -> None:
    readings: list[str] = []

    async def read(request: web.Request) -> None:
        readings.append(request.path)

    app = new_app(list, new_registry())
    app[REFRESH] = Refresh()
    app[REFRESH].add(read)
    app.router.add_get("/metrics", metrics_handler)
    client = await aiohttp_client(TestServer(app, port=0))
    await asyncio.gather(*(client.get("/metrics") for _ in range(5)))
    assert readings == ["/metrics"]
