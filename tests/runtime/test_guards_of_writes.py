"""What a write must say it is, and the headers on every answer."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from runtime.metrics import new_registry
from runtime.service import new_app


async def fine(_request: web.Request) -> web.Response:
    return web.json_response({"done": True})


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-cache"})
    await response.prepare(request)
    return response


@pytest.fixture
async def client(aiohttp_client) -> TestClient:
    app = new_app(list, new_registry())
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        app.router.add_route(method, "/thing", fine)
    app.router.add_get("/stream", stream)
    return await aiohttp_client(TestServer(app, port=0))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/msgpack", 200),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("application/octet-stream", 415),
        ("", 415),
    ],
)
async def test_a_write_needs_a_type_that_forms_cannot_send(
    client: TestClient, method: str, content_type: str, status: int
) -> None:
    answer = await client.request(
        method, "/thing", data=b"{}", headers={"Content-Type": content_type}
    )
    assert answer.status == status


async def test_a_delete_needs_no_body_and_no_type(client: TestClient) -> None:
    assert (await client.delete("/thing")).status == 200


@pytest.mark.parametrize(("path", "status"), [("/thing", 200), ("/none", 404), ("/stream", 200)])
async def test_every_answer_carries_the_headers(client: TestClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert answer.status == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    # What a handler sets itself stands.
    assert answer.headers["Cache-Control"] == ("no-cache" if path == "/stream" else "no-store")


async def test_refusals_carry_the_headers_too(client: TestClient) -> None:
    answer = await client.get("/thing", headers={"Origin": "null"})
    assert (answer.status, answer.headers["Cache-Control"]) == (403, "no-store")
