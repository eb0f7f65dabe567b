"""A token counts where it was made for: on this machine, or on others, also when a proxy of ours stands in between."""

import pytest
from aiohttp.test_utils import TestClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from tests.node.api.caller import ApiCaller


@pytest.mark.parametrize(
    ("said", "own", "far"),
    [
        ({}, 200, 401),
        ({"X-Forwarded-For": "127.0.0.1"}, 200, 401),
        ({"X-Forwarded-For": "192.168.1.20"}, 401, 200),
        ({"X-Forwarded-For": "127.0.0.1, 192.168.1.20"}, 401, 200),
        ({"X-Forwarded-For": "192.168.1.20, nonsense"}, 200, 401),
    ],
)
async def test_s42_a_token_counts_where_its_caller_is(
    said: dict[str, str], own: int, far: int, node: Node, aiohttp_client
) -> None:
    settings = NodeSettings(trusted_proxies=("127.0.0.1",))
    http: TestClient = await aiohttp_client(make_app(node, settings))
    till = ApiCaller(http, await node.callers.create_token("till-1"))
    far_till = ApiCaller(http, await node.callers.create_token("till-2", for_lan=True))
    assert (await till.ask("GET", "/v1/stock", headers=said)).status == own
    assert (await far_till.ask("GET", "/v1/stock", headers=said)).status == far


async def test_s22_without_a_proxy_of_ours_nobody_talks_himself_onto_another_machine(
    node: Node, aiohttp_client
) -> None:
    http: TestClient = await aiohttp_client(make_app(node, NodeSettings()))
    far_till = ApiCaller(http, await node.callers.create_token("till-2", for_lan=True))
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        reply = await far_till.ask("GET", "/v1/stock", headers={name: "192.168.1.20"})
        assert (reply.status, reply.code) == (401, "unauthenticated")
