"""`/v1/alerts/raised` and `/v1/webhooks`: listed, acknowledged and told live, with the hub away."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from pytest_aiohttp.plugin import AiohttpClient

from node.api import alerts
from node.api.problem_codes import problems
from node.app import make_app
from node.config import NodeSettings
from node.local import take_let_go
from node.node import Node
from node.replica import log
from protocol.ids import Seq
from protocol.operation import decode
from runtime.world import World
from tests.node.alerting.receivers import SECRET, hook
from tests.node.alerting.shop import read_from_hub
from tests.node.api.caller import ApiCaller, Http, Reply, movement
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.live.listener import WAYS, Listener, Way
from tests.security.people.staff import Clock, hire, quickly, signed_in

PATIENCE_S = 30.0


@pytest.fixture
def shop(tmp_path: Any) -> Shop:
    """Give the folder of node S01, whose rows were all read from the hub once."""
    found = enrolled_folder(tmp_path / "S01")
    read_from_hub(found.database, "catalogue", "directory", "stock:S01", "docs:S01")
    return found


def adjust(*lines: tuple[str, int]) -> dict[str, Any]:
    """Put goods on a shelf, or take them off."""
    return movement("adjust", *lines, reason="counted")


async def raised(caller: ApiCaller, *, count: int, **asked: str) -> list[Any]:
    """The list, once it has so many."""
    async with asyncio.timeout(PATIENCE_S):
        while len(items := (await caller.get("/v1/alerts/raised", **asked))["items"]) != count:  # noqa: ASYNC110 # the node says nothing of its own accord here
            await asyncio.sleep(0.02)
    return list(items)


async def acknowledge(caller: ApiCaller, id_: str, key: str = "a1") -> Reply:
    """`POST /v1/alerts/raised/{id}/acknowledge`."""
    path = f"/v1/alerts/raised/{id_}/acknowledge"
    return await caller.ask("POST", path, json={}, headers={"Idempotency-Key": key})


async def test_what_is_low_is_listed_until_and_after_it_is_filled_again(
    till: ApiCaller, operator: ApiCaller
) -> None:
    level = {"location": "S01", "sku": "TEA", "minimum": 20}
    headers = {"Idempotency-Key": "l1"}
    made = await operator.ask("POST", "/v1/levels", json=level, headers=headers)
    assert made.status == 201
    await till.record("k1", adjust(("TEA", 5)))
    (low,) = await raised(till, count=1, kind="low", open="true")
    assert {name: low[name] for name in ("kind", "location", "sku", "lot", "rule", "open")} == {
        "kind": "low",
        "location": "S01",
        "sku": "TEA",
        "lot": None,
        "rule": None,
        "open": True,
    }
    assert (low["threshold"], low["cleared_at"], low["acknowledged_at"]) == (20, None, None)
    TypeAdapter(alerts.RaisedAlert).validate_python(low)
    await till.record("k2", adjust(("TEA", 50)))
    (filled,) = await raised(till, count=1, kind="low", open="false")
    assert (filled["id"], filled["number"], filled["open"]) == (low["id"], low["number"] + 1, False)


async def test_a_list_is_paged_and_narrowed_down(till: ApiCaller) -> None:
    for number in range(5):
        await till.record(f"k{number}", adjust((f"A{number}", -1)))
        await raised(till, count=number + 1)
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await till.get("/v1/alerts/raised", limit=2, **cursor)
        found += [one["sku"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == ["A4", "A3", "A2", "A1", "A0"]
    assert await raised(till, count=0, location="S02") == []
    assert await raised(till, count=0, kind="low") == []
    assert len(await raised(till, count=5, location="S01", kind="negative", open="true")) == 5
    for asked in ("kind=lost", "open=yes", "cursor=x", "limit=0", "sku=A1"):
        assert (await till.ask("GET", f"/v1/alerts/raised?{asked}")).status == 422


async def test_who_has_seen_it_is_kept_in_the_log_once_and_a_repeat_gets_the_same_answer(
    till: ApiCaller, operator: ApiCaller, node: Node
) -> None:
    await till.record("k1", adjust(("TEA", -1)))
    (alert,) = await raised(till, count=1)
    first = await acknowledge(till, alert["id"])
    assert first.status == 200
    shown = first.json()
    assert (shown["acknowledged_by"], shown["open"]) == ("till-1", True)
    again = await acknowledge(till, alert["id"])
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    later = await acknowledge(operator, alert["id"], "other")
    assert later.json() == shown
    assert await raised(till, count=1) == [shown]
    bodies = await node._store.read(lambda db: [log.body_at(db, Seq(at)) for at in (3, 4)])
    assert bodies[1] is None
    assert bodies[0] is not None, "after the note of the till's token, and the movement"
    operation = decode(bodies[0])
    assert (operation.kind, operation.actor) == ("edit", "till-1")
    assert operation.details["collection"] == "acknowledgements"
    (said,) = (await till.get("/v1/acknowledgements", sku="TEA"))["items"]
    assert (said["condition"], said["location"], said["by"], said["node"]) == (
        *("negative", "S01"),
        *("till-1", "S01"),
    )
    assert (said["at"], said["raised_at"]) == (shown["acknowledged_at"], alert["raised_at"])


async def test_raised_again_it_wants_to_be_seen_again(till: ApiCaller) -> None:
    await till.record("k1", adjust(("TEA", -1)))
    (alert,) = await raised(till, count=1)
    await acknowledge(till, alert["id"])
    await till.record("k2", adjust(("TEA", 1)))
    await raised(till, count=1, open="false")
    await till.record("k3", adjust(("TEA", -1)))
    (again,) = await raised(till, count=1, open="true")
    assert (again["id"], again["number"], again["acknowledged_by"]) == (alert["id"], 3, None)
    assert (await acknowledge(till, alert["id"], "a2")).json()["acknowledged_by"] == "till-1"


@pytest.mark.parametrize("id_", ["ffffffff-ffff-ffff-ffff-ffffffffffff", "f", "raised"])
async def test_what_is_not_there_cannot_be_acknowledged(till: ApiCaller, id_: str) -> None:
    assert (await acknowledge(till, id_)).code == "not_found"


async def test_a_node_that_was_let_go_notes_no_more_who_has_seen_what_and_its_answer_is_described(
    till: ApiCaller, node: Node
) -> None:
    await till.record("k1", adjust(("TEA", -1)))
    (alert,) = await raised(till, count=1)
    await take_let_go(node._store, World(), node._uplink.local)
    refused = await acknowledge(till, alert["id"])
    assert (refused.status, refused.code) == (403, "forbidden")
    assert (await raised(till, count=1))[0]["acknowledged_by"] is None
    (route,) = (one for one in alerts.alert_routes() if one.handler is alerts.acknowledge)
    assert refused.code in problems(route)[refused.status]


async def test_without_a_key_nothing_is_acknowledged(till: ApiCaller) -> None:
    await till.record("k1", adjust(("TEA", -1)))
    (alert,) = await raised(till, count=1)
    path = f"/v1/alerts/raised/{alert['id']}/acknowledge"
    assert (await till.ask("POST", path, json={})).code == "idempotency_key_missing"
    assert (await raised(till, count=1))[0]["acknowledged_at"] is None


async def test_webhooks_are_the_operators_business_and_their_secrets_nobodys(
    shop: Shop, aiohttp_client: AiohttpClient
) -> None:
    async with hook() as here:
        node = await Node.open(shop.folder, World(), alerting=here.alerting())
        http: Http = await aiohttp_client(make_app(node, NodeSettings()))
        till = ApiCaller(http, await node.callers.create_token("till-1"))
        operator = ApiCaller(http, shop.operator_token)
        await till.record("k1", adjust(("TEA", -1)))
        await here.until(1)
        for path in ("/v1/webhooks", "/v1/webhooks/given-up"):
            assert (await till.ask("GET", path)).code == "forbidden"
        reply = await operator.ask("GET", "/v1/webhooks")
        assert SECRET.encode() not in reply.body
        TypeAdapter(alerts.WebhookList).validate_python(reply.json())
        (listed,) = reply.json()["items"]
        assert (listed["name"], listed["url"], listed["given_up"]) == ("erp", here.url, 0)
        assert await operator.get("/v1/webhooks/given-up") == {"items": [], "next": None}
        TypeAdapter(alerts.AlertEvent).validate_python(here.events[0])


async def test_metrics_count_what_is_raised_by_kind(till: ApiCaller, node: Node) -> None:
    def sample(name: str, **labels: str) -> float | None:
        return node.metrics.registry.get_sample_value(f"everstock_node_{name}", labels)

    await till.record("k1", adjust(("TEA", -1), ("CUP", -1)))
    await raised(till, count=2)
    assert (await till.ask("GET", "/metrics")).status == 200
    assert sample("alerts_open", kind="negative") == 2
    assert sample("alerts_open", kind="low") == 0
    assert sample("alert_deliveries_waiting") == sample("alert_deliveries_given_up") == 0


@pytest.mark.parametrize("way", WAYS)
async def test_an_alert_is_told_live_when_it_begins_ends_and_is_seen(
    till: ApiCaller, http: Http, way: Way
) -> None:
    url = str(http.make_url("")).rstrip("/")
    async with Listener(http.session, url, till.token, way=way, scopes="docs:S01") as listening:
        await listening.until("sync")
        await till.record("k1", adjust(("TEA", -1)))
        begun = await listening.until("alert")
        assert begun.data == (await raised(till, count=1))[0]
        await acknowledge(till, begun.data["id"])
        seen = await listening.until_true(_last(listening, "acknowledged_by", "till-1"))
        assert seen["open"] is True
        await till.record("k2", adjust(("TEA", 9)))
        ended = await listening.until_true(_last(listening, "open", False))
        assert ended == (await raised(till, count=1))[0]


def _last(listening: Listener, name: str, value: object) -> Callable[[], Any]:
    def question() -> Any:
        told = [one.data for one in listening.mirror.events if one.event == "alert"]
        return next((data for data in reversed(told) if data[name] == value), None)

    return question


async def test_a_snapshot_holds_what_is_raised_and_only_for_those_who_follow_the_shop(
    till: ApiCaller, http: Http
) -> None:
    await till.record("k1", adjust(("TEA", -1), ("CUP", -1)))
    await raised(till, count=2)
    await till.record("k2", adjust(("CUP", 5)))
    await raised(till, count=1, open="false")
    url = str(http.make_url("")).rstrip("/")
    async with Listener(http.session, url, till.token, since="0") as listening:
        await listening.until("sync")
        told = [one.data["sku"] for one in listening.mirror.events if one.event == "alert"]
        assert told == ["TEA"]
    async with Listener(http.session, url, till.token, since="0", scopes="stock:S01") as other:
        await other.until("sync")
        assert "alert" not in other.mirror.names()


async def test_an_alert_says_nothing_of_people(till: ApiCaller) -> None:
    """SECURITY S64: what goes to other machines is codes, numbers and days."""
    sold = {**adjust(("TEA", -1)), "note": "for Mrs Example", "details": {"patient": "Example"}}
    assert (await till.record("k1", sold)).status == 201
    (alert,) = await raised(till, count=1)
    assert not re.search("example|till", json.dumps(alert), re.IGNORECASE)


@pytest.fixture
def both(tmp_path: Path) -> Shop:
    """Give the folder of a node of two shops."""
    found = enrolled_folder(tmp_path / "both", name="both", writes=("S01", "S02"))
    of_both = [f"{family}:{place}" for family in ("stock", "docs") for place in ("S01", "S02")]
    read_from_hub(found.database, "catalogue", "directory", *of_both)
    return found


async def test_s2_an_alert_of_another_shop_is_neither_shown_nor_acknowledged_by_its_id(
    both: Shop, aiohttp_client: AiohttpClient
) -> None:
    node = quickly(await Node.open(both.folder, Clock().world()))
    http = await aiohttp_client(make_app(node, NodeSettings()))
    boss = ApiCaller(http, both.operator_token)
    await hire(boss, "ann", "clerk", "S01")
    ann = await signed_in(http, "ann")
    for place in ("S01", "S02"):
        await boss.record(place, {**adjust(("TEA", -1)), "location": place})
    by_place = {one["location"]: one["id"] for one in await raised(boss, count=2)}
    replies = {place: await acknowledge(ann, id_, place) for place, id_ in by_place.items()}
    assert {place: reply.status for place, reply in replies.items()} == {"S01": 200, "S02": 404}
    assert replies["S02"].code == "not_found"
    for one in await raised(boss, count=2):
        assert (one["acknowledged_by"] is not None) == (one["location"] == "S01")
