"""A shop's node and an office's, each with a clock that tests turn, and their operators."""

from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from protocol.certificate import Role
from tests.node.api.caller import ApiCaller, Http
from tests.node.enrolled import Shop, enrolled_folder
from tests.security.people.callers import callers_of_every_kind
from tests.security.people.staff import Clock, quickly


@pytest.fixture
def clock() -> Clock:
    """Give the clocks of the machine."""
    return Clock()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


@pytest.fixture
async def node(shop: Shop, clock: Clock) -> Node:
    """Give the node; the application that serves it starts and closes it."""
    return quickly(await Node.open(shop.folder, clock.world()))


@pytest.fixture
async def http(node: Node, aiohttp_client: AiohttpClient) -> Http:
    """Give a connection without a token."""
    return await aiohttp_client(make_app(node, NodeSettings()))


@pytest.fixture
def operator(http: Http, shop: Shop) -> ApiCaller:
    """Give the operator of the shop's node."""
    return ApiCaller(http, shop.operator_token)


@pytest.fixture
async def till(http: Http, node: Node) -> ApiCaller:
    """Give a till."""
    return ApiCaller(http, await node.callers.create_token("till-1"))


@pytest.fixture
def head_office(tmp_path: Path) -> Shop:
    """Give the folder of a node that may write everything."""
    return enrolled_folder(tmp_path / "office", name="office", writes=(), role=Role.OFFICE)


@pytest.fixture
async def office_node(head_office: Shop, clock: Clock) -> Node:
    """Give the office's node."""
    return quickly(await Node.open(head_office.folder, clock.world()))


@pytest.fixture
async def office(office_node: Node, aiohttp_client: AiohttpClient, head_office: Shop) -> ApiCaller:
    """Give the office's operator."""
    http = await aiohttp_client(make_app(office_node, NodeSettings()))
    return ApiCaller(http, head_office.operator_token)


@pytest.fixture
def two_shops(tmp_path: Path) -> Shop:
    """Give the folder of an office's node that writes two locations as well."""
    return enrolled_folder(
        tmp_path / "node", name="office", writes=("S01", "S02"), role=Role.OFFICE
    )


@pytest.fixture
async def everybody(
    two_shops: Shop, clock: Clock, aiohttp_client: AiohttpClient
) -> dict[str, ApiCaller]:
    """Give a caller of every kind at that node."""
    node = quickly(await Node.open(two_shops.folder, clock.world()))
    http = await aiohttp_client(make_app(node, NodeSettings()))
    return await callers_of_every_kind(http, ApiCaller(http, two_shops.operator_token), node, clock)
