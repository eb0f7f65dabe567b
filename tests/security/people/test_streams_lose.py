"""S5, S6: a right that is lost in the middle of a stream, and a place that was kept from before."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from pytest_aiohttp.plugin import AiohttpClient

from node.api.context import NODE
from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from protocol.certificate import Role
from tests.node.api.caller import ApiCaller
from tests.node.enrolled import Shop, enrolled_folder
from tests.security.people.staff import PASSWORD, Clock, hire, quickly, signed_in

Told = tuple[str, str, Any]


@pytest.fixture
def two_shops(tmp_path: Path) -> Shop:
    """Give the folder of an office's node that writes two locations as well."""
    return enrolled_folder(
        tmp_path / "node", name="office", writes=("S01", "S02"), role=Role.OFFICE
    )


@pytest.fixture
async def boss(two_shops: Shop, clock: Clock, aiohttp_client: AiohttpClient) -> ApiCaller:
    """Give its operator."""
    node = quickly(await Node.open(two_shops.folder, clock.world()))
    http = await aiohttp_client(make_app(node, NodeSettings()))
    return ApiCaller(http, two_shops.operator_token)


async def told(response: ClientResponse) -> AsyncIterator[Told]:
    """Id, name and data of each event."""
    fields: dict[str, str] = {}
    async for line in response.content:
        name, _, text = line.decode().rstrip("\n").partition(": ")
        fields[name] = text
        if not name and "event" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


async def sells(boss: ApiCaller, location: str, key: str) -> None:
    """Sell one tea."""
    line = {"sku": "tea", "delta": -1}
    reply = await boss.record(key, {"kind": "sale", "location": location, "lines": [line]})
    assert reply.status == 201


async def test_s8_a_stream_tells_what_goods_cost_to_whoever_may_read_it_alone(
    boss: ApiCaller,
) -> None:
    node = boss.http.server.app[NODE]
    till = ApiCaller(boss.http, await node.callers.create_token("till-1"))
    line = {"sku": "tea", "delta": 5, "unit_cost": {"amount": 777_123, "currency": "GBP"}}
    received = {"kind": "receive", "location": "S01", "lines": [line]}
    seen: dict[str, bool] = {}
    for name, caller in {"boss": boss, "till": till}.items():
        headers = {"Authorization": f"Bearer {caller.token}"}
        async with boss.http.get("/v1/events", headers=headers) as response, asyncio.timeout(20):
            events = told(response)
            assert (await boss.record(name, received)).status == 201
            while (event := await anext(events))[1] != "movement":
                pass
            seen[name] = "unit_cost" in event[2]["lines"][0]
    assert seen == {"boss": True, "till": False}


async def works_at_both(boss: ApiCaller) -> tuple[str, ApiCaller]:
    """Somebody who is a clerk at both shops, signed in by the first's password."""
    id_ = await hire(boss, "ann", "clerk")
    grant = {"location": "S02", "role": "clerk"}
    assert (await boss.ask("POST", f"/v1/users/{id_}/grant", json=grant)).status == 200
    return id_, await signed_in(boss.http, "ann")


async def test_s5_a_location_lost_in_mid_stream_is_removed_and_never_told_again(
    boss: ApiCaller,
) -> None:
    id_, ann = await works_at_both(boss)
    headers = {"Authorization": f"Bearer {ann.token}"}
    async with ann.http.get("/v1/events", headers=headers) as response, asyncio.timeout(20):
        events = told(response)
        await sells(boss, "S02", "1")
        while (await anext(events))[1] != "movement":
            pass
        lost = {"location": "S02"}
        assert (await boss.ask("POST", f"/v1/users/{id_}/disable", json=lost)).status == 200
        await sells(boss, "S02", "2")
        await sells(boss, "S01", "3")
        seen: list[Told] = []
        while not seen or seen[-1][1] != "movement":
            seen.append(await anext(events))
    assert ("removed", {"scope": "docs:S02"}) in [(name, data) for _, name, data in seen]
    moved = [data["location"] for _, name, data in seen if name == "movement"]
    assert moved == ["S01"], "nothing of the shop that was lost"


@pytest.mark.parametrize("since", ["before", "0"])
async def test_s6_a_place_from_before_brings_nothing_of_what_was_lost(
    boss: ApiCaller, since: str
) -> None:
    id_, ann = await works_at_both(boss)
    headers = {"Authorization": f"Bearer {ann.token}"}
    async with ann.http.get("/v1/events", headers=headers) as response, asyncio.timeout(20):
        before, _, _ = await anext(told(response))
    order = {"kind": "purchase", "location": "S02"}
    made = await boss.ask("POST", "/v1/orders", json=order, headers={"Idempotency-Key": "o"})
    assert made.status == 201
    await sells(boss, "S02", "1")
    lost = {"location": "S02"}
    assert (await boss.ask("POST", f"/v1/users/{id_}/disable", json=lost)).status == 200
    await sells(boss, "S01", "2")
    await boss.ask(
        "POST",
        "/v1/orders",
        json={**order, "location": "S01"},
        headers={"Idempotency-Key": "p"},
    )
    place = {"since": before if since == "before" else "0"}
    seen = []
    async with (
        ann.http.get("/v1/events", headers=headers, params=place) as response,
        asyncio.timeout(20),
    ):
        async for _, name, data in told(response):
            seen.append((name, data))
            if name == "document" and data["fields"].get("location") == "S01":
                break
    own = [data for name, data in seen if name in {"movement", "document", "alert"}]
    assert "S02" not in json.dumps(own)


async def test_s26_a_password_of_one_shop_is_none_at_another(boss: ApiCaller) -> None:
    id_, _ = await works_at_both(boss)
    body = {"username": "ann", "password": PASSWORD, "location": "S02"}
    async with boss.http.post("/v1/login", json=body) as response:
        assert response.status == 401, "each location has a password of its own"
    reset = {"location": "S02", "password": f"{PASSWORD} there"}
    assert (await boss.ask("POST", f"/v1/users/{id_}/reset", json=reset)).status == 200
    async with boss.http.post(
        "/v1/login", json={**body, "password": f"{PASSWORD} there"}
    ) as response:
        assert response.status == 201
