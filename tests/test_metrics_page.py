"""The page about metrics names exactly what the daemons show."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nacl.signing import SigningKey
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from hub.app import make_app as make_hub
from hub.config import HubSettings
from hub.store.sqlite.store import SqliteHubStore
from node.app import make_app as make_node
from node.config import NodeSettings
from node.node import Node
from protocol.ids import ChainId, Epoch
from runtime.folder import Folder
from runtime.keys import token_digest
from runtime.metrics import new_registry
from runtime.verifier import Verifier
from runtime.world import World
from tests.node.enrolled import enrolled_folder

_ROW = re.compile(r"^\| `(?P<name>everstock_\w+)` \|(?P<labels>[^|]*)\| (?P<words>[^|]+) \|$")


def documented(page: str) -> dict[str, frozenset[str]]:
    """Give each metric of the page's tables with its labels."""
    rows = (match for line in page.splitlines() if (match := _ROW.match(line)))
    return {row["name"]: frozenset(re.findall(r"\w+", row["labels"])) for row in rows}


def shown(registry: CollectorRegistry) -> dict[str, frozenset[str]]:
    """Give each metric of ours with its labels, as a scrape names it; a counter has `_total`."""
    found: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        if family.name.startswith("everstock_") and family.type != "unknown":
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = frozenset(labels)
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


@pytest.fixture
async def node_registry(tmp_path: Path) -> AsyncIterator[CollectorRegistry]:
    """Give the metrics of a node that has answered."""
    shop = enrolled_folder(tmp_path / "S01")
    node = await Node.open(shop.folder, World())
    async with TestServer(make_node(node, NodeSettings()), host="127.0.0.1") as server:
        await _scrape(server, shop.operator_token)
        yield node.metrics.registry


@pytest.fixture
async def hub_registry(tmp_path: Path) -> AsyncIterator[CollectorRegistry]:
    """Give the metrics of a hub that has answered."""
    path, registry = tmp_path / "hub", new_registry()
    folder, key, world = Folder(path), SigningKey.generate(), World()
    store = await SqliteHubStore.open(path / "hub.db")
    try:
        await store.found(ChainId(bytes(16)), Epoch(bytes(16)))
        verifier = Verifier("hub", folder, path / "hub.db", every_h=0, world=world)
        history, digest = await store.history(), token_digest("the operator")
        app = make_hub(store, history, key, digest, HubSettings(), world, registry, verifier)
        async with TestServer(app, host="127.0.0.1") as server:
            await _scrape(server, "the operator")
            yield registry
    finally:
        await store.close()


async def _scrape(server: TestServer, token: str) -> None:
    # Through a connection, since only then is a request counted.
    async with aiohttp.ClientSession() as http:
        url = server.make_url("/metrics")
        answer = await http.get(url, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200


@pytest.mark.blocking("folders are made on the loop before anything is served")
async def test_the_page_names_exactly_what_the_daemons_show(
    node_registry: CollectorRegistry, hub_registry: CollectorRegistry, pytestconfig: pytest.Config
) -> None:
    page = (pytestconfig.rootpath / "deploy" / "metrics.md").read_text("utf-8")
    assert documented(page) == shown(node_registry) | shown(hub_registry)


def test_every_alert_asks_for_a_metric_of_the_page(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / "deploy" / "metrics.md").read_text("utf-8")
    asked = {
        name.removesuffix("_bucket")
        for rule in re.findall(r"expr: (.+)", page)
        for name in re.findall(r"everstock_\w+", rule)
    }
    assert asked, "no alert was found at all"
    assert asked <= documented(page).keys()


def test_a_row_that_is_missing_or_has_other_labels_is_found() -> None:
    page = "| `everstock_a_total` | `code` | Words. |\n| `everstock_b` | | Words. |\n"
    assert documented(page) == {"everstock_a_total": {"code"}, "everstock_b": frozenset()}
