"""S61, S62: the pages that a node serves come whole from itself, and no address leads out of them."""

import re

import pytest
from yarl import URL

from node.api import playground
from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from tests.node.api.caller import ApiCaller, Http, Reply

INLINE = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>|<style|\son[a-z]+=|javascript:|\bstyle=", re.I)
ELSEWHERE = re.compile(rb"(?:src|href|action)=[\"']?(?:[a-z]+:)?//", re.I)


async def got(http: Http, path: str) -> Reply:
    """An answer to whoever has no token."""
    async with http.get(path, allow_redirects=False) as response:
        return await Reply.read(response)


async def test_s61_the_page_runs_nothing_inline_and_nothing_of_elsewhere(http: Http) -> None:
    page = await got(http, "/docs")
    assert page.status == 200
    assert not INLINE.search(page.body)
    assert not ELSEWHERE.search(page.body)
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


async def test_s61_switched_off_there_is_no_page(node: Node, aiohttp_client) -> None:
    http = await aiohttp_client(make_app(node, NodeSettings(playground=False)))
    till = ApiCaller(http, await node.callers.create_token("till-1"))
    for path in ("/docs", *(f"/docs/{name}" for name in playground.FILES)):
        assert (await got(http, path)).status == 401
        assert (await till.ask("GET", path)).status == 404


async def test_s61_nothing_else_is_served_that_helps_to_look_inside(till: ApiCaller) -> None:
    for path in ("/debug", "/console", "/graphql", "/metrics/", "/.git/config", "/server-status"):
        assert (await got(till.http, path)).status == 401, path
        assert (await till.ask("GET", path)).status == 404, path
    assert (await got(till.http, "/metrics")).status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/docs/../page.html",
        "/docs/page.html",
        "/docs/..%2fpage.html",
        "/docs/%2e%2e/%2e%2e/playground.py",
        "/docs/%2e%2e%2fplayground.py",
        "/docs/..%5cplayground.py",
        "/docs/....//playground.py",
        "/docs/%252e%252e%252fplayground.py",
        "/docs//etc/passwd",
        "/docs/%2fetc%2fpasswd",
        "/docs/page.js%00.html",
        "/docs/page.js/",
        "/docs/README.md",
        "/docs/LICENSE",
        "/docs/swagger-ui.css.gz",
        "/docs/.",
        "/docs/",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/v1/reports/../../etc/passwd",
    ],
)
async def test_s62_no_address_leads_out_of_what_is_served(path: str, till: ApiCaller) -> None:
    for token in (None, till.token):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = URL(f"http://127.0.0.1:{till.http.port}{path}", encoded=True)
        async with till.http.session.get(url, headers=headers, allow_redirects=False) as response:
            content = await response.read()
            assert response.status in {401, 404, 422}, path
            assert b"root:" not in content
            assert b"import " not in content
