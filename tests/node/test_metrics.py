"""What a node's metrics say while no hub answers, and what they make of the hub's news."""

import math
from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.app import make_app
from node.config import NodeSettings
from node.metrics import FeedLag, NodeMetrics
from node.node import Node
from node.showing import Figures
from protocol.ids import Epoch, HubSeq
from runtime.service import STOP
from runtime.world import World
from tests.node.api.caller import ApiCaller, Http, sale
from tests.node.enrolled import Shop, enrolled_folder

NOW_MS = 1_900_000_000_000


class Clocks:
    """Wall and monotonic time, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def world(self) -> World:
        return World(now_ms=lambda: NOW_MS + int(self.now_s * 1000), monotonic_s=lambda: self.now_s)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


async def sample(till: ApiCaller, node: Node, name: str) -> float | None:
    """One figure of a scrape."""
    assert (await till.ask("GET", "/metrics")).status == 200
    return node.metrics.registry.get_sample_value(f"everstock_node_{name}")


async def test_what_is_pending_and_since_when_is_true_at_the_scrape_without_a_hub(
    shop: Shop, aiohttp_client: AiohttpClient
) -> None:
    clocks = Clocks()
    node = await Node.open(shop.folder, clocks.world())
    http: Http = await aiohttp_client(make_app(node, NodeSettings()))
    till = ApiCaller(http, await node.callers.create_token("till-1"))
    await till.record("k1", sale(("A1", -1)))
    clocks.now_s += 90
    await till.record("k2", sale(("A1", -1)))
    assert await sample(till, node, "pending_operations") == 3, "and the note of the token"
    found = node.metrics.registry.get_sample_value("everstock_node_oldest_pending_seconds")
    assert found == 90
    contact = node.metrics.registry.get_sample_value("everstock_node_hub_contact_age_seconds")
    assert contact is not None
    assert math.isnan(contact)


async def test_a_repeat_is_counted_whichever_way_it_comes(
    shop: Shop, aiohttp_client: AiohttpClient
) -> None:
    node = await Node.open(shop.folder, World())
    http: Http = await aiohttp_client(make_app(node, NodeSettings()))
    till = ApiCaller(http, await node.callers.create_token("till-1"))
    first = await till.record("k1", sale(("A1", -1)))
    assert await sample(till, node, "repeats_total") == 0
    again = await till.record("k1", sale(("A1", -1)))
    assert first.body == again.body
    assert await sample(till, node, "repeats_total") == 1


async def test_a_node_that_is_ending_is_not_ready_and_says_why(
    shop: Shop, aiohttp_client: AiohttpClient
) -> None:
    node = await Node.open(shop.folder, World())
    app = make_app(node, NodeSettings())
    till = ApiCaller(await aiohttp_client(app), shop.operator_token)
    assert (await till.ask("GET", "/readyz")).status == 200
    app[STOP].set()
    reply = await till.ask("GET", "/readyz")
    assert (reply.status, reply.code) == (503, "unavailable")
    assert "ending" in reply.json()["detail"]


def test_each_figure_is_shown_under_its_own_name() -> None:
    metrics = NodeMetrics(lambda: 0.0)
    metrics.feed_lag.heard_all(HubSeq(9))
    metrics.show(Figures(3, 1_500, 2, True, 4, 90_000, 8))
    expected = {
        "pending_operations": 3,
        "oldest_pending_seconds": 1.5,
        "quarantined_operations": 2,
        "caught_up": 1,
        "feed_lag_changes": 5,
        "hub_contact_age_seconds": 90,
        "retained_operations": 8,
    }
    shown = {name: metrics.registry.get_sample_value(f"everstock_node_{name}") for name in expected}
    assert shown == expected


def test_what_cannot_be_read_is_shown_as_not_known() -> None:
    metrics = NodeMetrics(lambda: 0.0)
    metrics.show(Figures(3, 1_000, 0, True, 0, None, 3))
    metrics.show(None)
    found = metrics.registry.get_sample_value("everstock_node_pending_operations")
    assert found is not None
    assert math.isnan(found)


def test_the_feed_lags_from_the_first_page_or_the_sessions_end_until_all_was_heard() -> None:
    clocks = Clocks()
    lag = FeedLag(lambda: clocks.now_s)
    clocks.now_s = 5.0
    assert lag.seconds == 5
    lag.begin_session(Epoch(bytes(16)))
    lag.heard_all(HubSeq(7))
    clocks.now_s = 60.0
    assert lag.seconds == 0
    lag.heard_page(HubSeq(9))
    clocks.now_s = 61.0
    lag.heard_page(HubSeq(8))
    clocks.now_s = 63.0
    assert (lag.seconds, lag.newest) == (3, 9)
    lag.heard_all(HubSeq(9))
    lag.lost()
    clocks.now_s = 70.0
    assert lag.seconds == 7


def test_a_hub_put_back_to_a_backup_counts_anew() -> None:
    lag = FeedLag(lambda: 0.0)
    lag.begin_session(Epoch(bytes(16)))
    lag.heard_all(HubSeq(900))
    lag.begin_session(Epoch(bytes(16)))
    assert lag.newest == 900
    lag.begin_session(Epoch(b"b" * 16))
    assert lag.newest == 0
