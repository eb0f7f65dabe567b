"""The operator's API: what it shows, and that nobody else sees it."""

import pytest

from hub.operators import PUBLIC
from protocol.digest import to_text
from protocol.enrolment import code_from_text
from protocol.frames.log import Item
from protocol.ids import Scope
from tests.hub.conftest import Running
from tests.store.shop import EPOCH, Shop


async def test_every_route_but_the_public_ones_needs_the_operators_token(running: Running) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in running.server.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert len(routes) > len(PUBLIC)
    for method, path in routes:
        url = running.server.make_url(path)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
            body = {"json": {}} if method == "POST" else {}
            response = await running.http.request(method, url, headers=headers, **body)
            assert (response.status == 401) is (path not in PUBLIC), (method, path, response.status)


async def test_health_is_public(running: Running) -> None:
    assert (await running.get("/healthz", token=None)).status == 200
    assert (await running.get("/readyz", token=None)).status == 200


async def test_the_status_names_every_node_and_how_it_stands(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    await running.enrol(Shop("S02"))
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
        status = await (await running.get("/v1/status")).json()
    assert (status["epoch"], status["hub_seq"], status["ledger"]) == (EPOCH.hex(), 1, 1)
    first, second = status["nodes"]
    assert (first["name"], first["connected"], first["acked"], first["writes"]) == (
        "S01",
        True,
        1,
        ["S01"],
    )
    assert (first["replica"], first["version"]) == (shop.replica.hex(), "test 1")
    assert (second["name"], second["connected"]) == ("S02", False)


async def test_the_digest_is_what_the_store_keeps(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    await shop.pushes(running.hub.store)
    kept = await running.hub.store.digest(Scope("stock:S01"))
    assert await (await running.get("/v1/digest?scope=stock:S01")).json() == {
        "scope": "stock:S01",
        "hub_seq": 1,
        "rows": 1,
        "digest": to_text(kept.digest.value),
    }


async def test_the_digest_of_a_scope_that_nobody_wrote_in_is_zeros(running: Running) -> None:
    assert await (await running.get("/v1/digest?scope=stock:S09")).json() == {
        "scope": "stock:S09",
        "hub_seq": 0,
        "rows": 0,
        "digest": "0" * 32,
    }
    assert (await running.get("/v1/digest?scope=shelf:S09")).status == 422


async def test_the_quarantine_is_listed_in_pages(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.log += [Item(bytes([number]), None) for number in range(3)]
    await shop.pushes(running.hub.store)
    first = await (await running.get("/v1/quarantine?limit=2")).json()
    assert [item["body"] for item in first["items"]] == ["00", "01"]
    second = await (await running.get(f"/v1/quarantine?limit=2&cursor={first['next']}")).json()
    assert [(item["seq"], item["code"]) for item in second["items"]] == [(3, "undecodable")]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["limit=x", "limit=1001", "limit=-1", "cursor=1e3", "limit=²"])
async def test_a_list_refuses_what_is_no_number(running: Running, query: str) -> None:
    assert (await running.get(f"/v1/quarantine?{query}")).status == 422


async def test_an_operator_makes_a_code(running: Running) -> None:
    response = await running.post("/v1/operator/enrol", {"name": "S01", "writes": ["S01"]})
    assert response.status == 201
    code_from_text((await response.json())["code"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "S02", "writes": ["S01"]}, 409, "location_taken"),
        ({"name": "S01", "writes": ["S09"]}, 409, "name_taken"),
        ({"name": "S02", "writes": ["S01"], "replaces": "S09"}, 404, "not_found"),
        ({"name": "S02", "writes": []}, 422, "bad_value"),
        ({"name": "S02", "writes": ["a\nb"]}, 422, "bad_value"),
        ({"name": "S02", "writes": ["S02"], "reads": ["group:"]}, 422, "bad_value"),
        ({"name": "S02", "writes": [f"{at:064}" for at in range(100)]}, 413, "too_large"),
        ({"name": "S02", "writes": ["S02"], "expires_s": True}, 422, "validation_failed"),
        ({"name": "S02", "writes": ["S02"], "role": "king"}, 422, "validation_failed"),
        ({"name": "S02", "writes": ["S02"], "more": 1}, 422, "validation_failed"),
    ],
)
async def test_a_code_that_cannot_be_is_refused(
    running: Running, body: dict[str, object], status: int, code: str
) -> None:
    await running.enrol(Shop("S01"))
    response = await running.post("/v1/operator/enrol", body)
    assert (response.status, (await response.json())["code"]) == (status, code)


async def test_access_of_a_node_that_is_not_there_is_refused(running: Running) -> None:
    response = await running.post("/v1/operator/access", {"name": "S09", "reads": ["*"]})
    assert (response.status, (await response.json())["code"]) == (404, "not_found")


async def test_the_metrics_show_the_hub(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    shop.log.append(Item(b"", None))
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
    text = await (await running.get("/metrics")).text()
    assert "everstock_hub_operations_total 2.0" in text
    assert "everstock_hub_quarantined_total 1.0" in text
    assert "everstock_hub_sessions_opened_total 1.0" in text
    assert "everstock_hub_head 1.0" in text


async def test_a_foreign_host_is_refused(running: Running) -> None:
    url = running.server.make_url("/healthz")
    response = await running.http.get(url, headers={"Host": "evil.example"})
    assert response.status == 421
