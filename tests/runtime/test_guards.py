"""What a browser on a foreign page may not do, over real sockets."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from runtime.guards import _Ours
from runtime.metrics import new_registry
from runtime.service import new_app


async def fine(_request: web.Request) -> web.Response:
    return web.json_response({"done": True})


async def live(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


@pytest.fixture
async def client(aiohttp_client) -> TestClient:
    app = new_app(lambda: ["stock.example.com", "Proxy.example.com:8443"], new_registry())
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        app.router.add_route(method, "/thing", fine)
    app.router.add_get("/live", live)
    return await aiohttp_client(TestServer(app, port=0))


async def status_of(client: TestClient, request: str) -> int:
    """Send the request byte by byte as written; `{port}` is the server's."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(request.format(port=client.port).replace("\n", "\r\n").encode())
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "[::1]:{port}",
        "LOCALHOST:{port}",
        "stock.example.com",
        "stock.example.com:{port}",
        "proxy.example.com:8443",
    ],
)
async def test_our_own_names_are_served(client: TestClient, host: str) -> None:
    assert await status_of(client, f"GET /thing HTTP/1.1\nHost: {host}\n\n") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "127.0.0.1:",
        "127.0.0.1:{port}0",
        "127.0.0.1:0{port}",
        "127.0.0.1:{port}:80",
        "127.0.0.1:{port}@evil.example",
        "evil@127.0.0.1:{port}",
        "127.1:{port}",
        "2130706433:{port}",
        "0x7f000001:{port}",
        "0.0.0.0:{port}",
        "127.0.0.2:{port}",
        "[0:0:0:0:0:0:0:1]:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "::1:{port}",
        "[::1]",
        "stock.example.com.",
        "a.stock.example.com",
        "stock.example.com:444",
        "proxy.example.com",
        "proxy.example.com:{port}",
        "127.0.0.1:{port},evil.example",
        "localhost:\u0667",
        "",
    ],
)
async def test_a_foreign_host_is_misdirected(client: TestClient, host: str) -> None:
    assert await status_of(client, f"GET /thing HTTP/1.1\nHost: {host}\n\n") in {400, 421}


async def test_a_foreign_host_is_told_421_in_the_one_shape(client: TestClient) -> None:
    answer = await client.get("/thing", headers={"Host": f"evil.example:{client.port}"})
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (421, "foreign_host")


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://evil.example/thing", "127.0.0.1:{port}", 421),
        ("http://127.0.0.1:{port}@evil.example/thing", "127.0.0.1:{port}", 421),
        ("http://127.0.0.1:{port}/thing", "evil.example", 421),
        ("http://127.0.0.1:{port}/thing", "127.0.0.1:{port}", 200),
        ("//evil.example/thing", "127.0.0.1:{port}", 404),
    ],
)
async def test_an_absolute_target_is_held_to_the_same_names(
    client: TestClient, target: str, host: str, status: int
) -> None:
    assert await status_of(client, f"GET {target} HTTP/1.1\nHost: {host}\n\n") == status


@pytest.mark.parametrize("request_head", ["GET /thing HTTP/1.0\n\n", "GET /thing HTTP/1.1\n\n"])
async def test_a_request_without_a_host_is_not_served(
    client: TestClient, request_head: str
) -> None:
    assert await status_of(client, request_head) in {400, 421}


async def test_two_hosts_are_not_served(client: TestClient) -> None:
    text = "GET /thing HTTP/1.1\nHost: 127.0.0.1:{port}\nHost: evil.example\n\n"
    assert await status_of(client, text) in {400, 421}


FOREIGN = [
    "null",
    "https://evil.example",
    "http://evil.example:{port}",
    "http://localhost",
    "http://localhost:1",
    "http://localhost.:{port}",
    "file://",
    "chrome-extension://abc",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}",
    "http://evil@127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_foreign_origin_is_refused_whatever_it_asks(
    client: TestClient, origin: str, method: str
) -> None:
    answer = await client.request(
        method,
        "/thing",
        json={},
        headers={"Origin": origin.format(port=client.port), "Access-Control-Request-Method": "PUT"},
    )
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (
        403,
        "foreign_origin",
    )
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:{port}",
        "http://localhost:{port}",
        "https://stock.example.com",
        "https://proxy.example.com:8443",
    ],
)
async def test_our_own_pages_may_ask(client: TestClient, origin: str) -> None:
    headers = {"Origin": origin.format(port=client.port), "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/thing", json={}, headers=headers)).status == 200


def test_a_plain_page_of_our_name_is_foreign_to_a_daemon_with_tls() -> None:
    """Whoever is on the way can serve a plain page under any name."""
    ours = _Ours("https", 7310, frozenset({"localhost"}), frozenset({"stock.example.com"}))
    assert ours.has_origin("https://localhost:7310")
    assert ours.has_origin("https://stock.example.com")
    assert not ours.has_origin("http://localhost:7310")
    assert not ours.has_origin("http://stock.example.com")


async def test_one_foreign_origin_among_ours_is_refused(client: TestClient) -> None:
    text = (
        "GET /thing HTTP/1.1\nHost: 127.0.0.1:{port}\nOrigin: http://127.0.0.1:{port}\n"
        "Origin: null\n\n"
    )
    assert await status_of(client, text) == 403


@pytest.mark.parametrize(
    ("site", "status"),
    [("cross-site", 403), ("same-site", 200), ("same-origin", 200), ("none", 200)],
)
async def test_a_browser_that_says_cross_site_is_believed(
    client: TestClient, site: str, status: int
) -> None:
    assert (await client.get("/thing", headers={"Sec-Fetch-Site": site})).status == status


@pytest.mark.parametrize("origin", ["null", "https://evil.example"])
async def test_a_web_socket_from_a_foreign_page_is_refused(client: TestClient, origin: str) -> None:
    text = (
        "GET /live HTTP/1.1\nHost: 127.0.0.1:{port}\nOrigin: %s\nUpgrade: websocket\n"
        "Connection: Upgrade\nSec-WebSocket-Version: 13\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
    )
    assert await status_of(client, text % origin) == 403
    assert await status_of(client, text % "http://127.0.0.1:{port}") == 101
