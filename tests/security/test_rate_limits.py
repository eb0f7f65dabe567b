"""S22: who comes without a good token is slowed down by address, and nobody else is."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from runtime.strangers import FAILED_TOKEN, THROTTLE, clock_s
from tests.hub.conftest import Running
from tests.node.api.caller import ApiCaller, Http, Reply

WRONG = {"Authorization": "Bearer till_" + "A" * 43}


AN_HOUR_S = 3_600.0


def exhaust(app: web.Application, address: str, *, ahead_s: float = AN_HOUR_S) -> None:
    """Have this address try as often as it may, so late that however slow the test is nothing has come back meanwhile."""
    assert FAILED_TOKEN.per_address is not None
    for _ in range(FAILED_TOKEN.per_address.burst):
        app[THROTTLE].take(FAILED_TOKEN, clock_s() + ahead_s, address=address)


async def asked(http: Http, **headers: str) -> Reply:
    """One request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.get("/v1/stock", headers=named) as response:
        return await Reply.read(response)


async def test_s22_failures_are_counted_and_a_good_token_is_not_kept_waiting(
    till: ApiCaller, http: Http
) -> None:
    assert (await asked(http, **WRONG)).status == 401
    exhaust(http.app, "127.0.0.1")
    for headers in ({}, WRONG, {"Authorization": "Basic dGlsbDp0aWxs"}):
        reply = await asked(http, **headers)
        assert (reply.status, reply.code) == (429, "rate_limited")
        assert int(reply.headers["Retry-After"]) == 1
    for _ in range(3):
        assert (await till.ask("GET", "/v1/stock")).status == 200
    assert (await http.get("/healthz")).status == 200


async def test_s22_waiting_as_told_is_answered_again(http: Http) -> None:
    exhaust(http.app, "127.0.0.1", ahead_s=2.0)
    assert (await asked(http)).status == 429
    await asyncio.sleep(2.0 + int((await asked(http)).headers["Retry-After"]))
    assert (await asked(http)).status == 401


async def test_s22_a_forged_address_is_no_other_address(http: Http) -> None:
    exhaust(http.app, "127.0.0.1")
    for name in ("X_Forwarded_For", "X_Real_IP", "Forwarded", "CF_Connecting_IP"):
        value = "for=198.51.100.7" if name == "Forwarded" else "198.51.100.7"
        assert (await asked(http, **{name: value})).status == 429


async def test_s22_behind_a_proxy_of_ours_each_address_is_counted_apart(
    node: Node, aiohttp_client
) -> None:
    settings = NodeSettings(trusted_proxies=("127.0.0.1",))
    http: TestClient = await aiohttp_client(make_app(node, settings))
    exhaust(http.app, "198.51.100.7")
    assert (await asked(http, X_Forwarded_For="198.51.100.7")).status == 429
    assert (await asked(http, X_Forwarded_For="203.0.113.5, 198.51.100.7")).status == 429
    assert (await asked(http, X_Forwarded_For="198.51.100.8")).status == 401


async def test_s22_the_hubs_operator_is_not_guessed_at_any_pace(running: Running) -> None:
    app = running.server.app
    exhaust(app, "127.0.0.1")
    for token in (None, "wrong"):
        reply = await running.get("/v1/status", token=token)
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    assert (await running.get("/v1/status")).status == 200


@pytest.mark.parametrize("token", [b"caf\xe9", b"\xff\xfe", "caf\u00e9".encode()])
async def test_a_token_of_other_letters_is_a_wrong_token_to_the_hub(
    token: bytes, running: Running
) -> None:
    url = running.server.make_url("/v1/status")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % url.port)
    writer.write(b"Authorization: Bearer " + token + b"\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    await writer.wait_closed()
    assert line.startswith(b"HTTP/1.1 401 ")
