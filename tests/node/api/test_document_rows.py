"""Rows of a list over HTTP: created or changed in order, each answered in its place, and a list sent again changes nothing."""

import asyncio
import json
from typing import Any

from node.node import Node
from protocol.declarations import COLLECTIONS
from protocol.limits import BATCH_DOCUMENTS_MAX
from tests.node.api.caller import ApiCaller, Reply, sale
from tests.node.api.test_documents import BY_HAND, a_till


async def save(office: ApiCaller, collection: str, *rows: dict[str, Any]) -> Reply:
    """Send rows."""
    return await office.ask("POST", f"/v1/{collection}/batch", json={"documents": list(rows)})


def outcomes(reply: Reply) -> list[tuple[int, str]]:
    """Status of each result, and what became of it or why not."""
    return [
        (one["status"], one["problem"]["code"] if "problem" in one else one["document"]["outcome"])
        for one in reply.json()["results"]
    ]


async def test_every_row_is_answered_in_its_place(office: ApiCaller) -> None:
    reply = await save(
        office,
        "skus",
        {"key": "1", "id": "apple", "name": "Apple", "barcodes": {"400": {}}},
        {"key": "2", "id": "pear"},
        {"key": "3", "id": "apple", "unit": "g"},
        {"key": "4", "id": "apple", "nickname": "x"},
        {"key": "5", "id": "apple", "unit": "g", "minimum": None},
        {"key": "1", "id": "apple", "name": "Other"},
        {"id": "plum", "name": "Plum"},
        {"key": "6", "id": "plum", "name": "Plum"},
    )
    assert reply.status == 200
    assert outcomes(reply) == [
        (201, "created"),
        (422, "validation_failed"),
        (200, "changed"),
        (422, "validation_failed"),
        (200, "unchanged"),
        (422, "idempotency_key_reused"),
        (400, "idempotency_key_missing"),
        (201, "created"),
    ]
    shown = await office.get("/v1/skus/apple")
    assert (shown["name"], shown["unit"], list(shown["barcodes"])) == ("Apple", "g", ["400"])


async def test_rows_sent_again_are_answered_with_the_same_bytes(office: ApiCaller) -> None:
    rows = [{"key": f"{n}", "id": f"A{n}", "name": f"Thing {n}"} for n in range(300)]
    first = await save(office, "skus", *rows)
    before = (await office.get("/v1/skus", limit=1))["changes"]
    again = await save(office, "skus", *rows)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body == first.body.replace(b'"repeated":false', b'"repeated":true')
    assert (await office.get("/v1/skus", limit=1))["changes"] == before


@BY_HAND
async def test_the_example_of_every_collection_is_a_row(office: ApiCaller, collection: str) -> None:
    declared = COLLECTIONS[collection]
    reply = await save(office, collection, {"key": "a", **declared.example})
    assert outcomes(reply) == [(201, "created")], reply.json()
    id_ = reply.json()["results"][0]["document"]["id"]
    named = {} if declared.identity else {"id": id_.upper()}
    same = await save(office, collection, {"key": "b", **named, **declared.example})
    assert outcomes(same) == [(200, "unchanged")], same.json()
    assert same.json()["results"][0]["document"]["id"] == id_


async def test_a_sku_may_be_called_batch(office: ApiCaller) -> None:
    await save(office, "skus", {"key": "1", "id": "batch", "name": "Batch"})
    assert (await office.get("/v1/skus/batch"))["name"] == "Batch"


async def test_no_more_rows_than_a_batch_takes(office: ApiCaller) -> None:
    rows = [{"key": f"{n}", "id": "A", "name": "x"} for n in range(BATCH_DOCUMENTS_MAX + 1)]
    reply = await save(office, "skus", *rows)
    assert (reply.status, reply.code) == (422, "validation_failed")
    assert (await save(office, "skus")).json() == {"results": []}


async def test_a_till_saves_no_rows(office: ApiCaller) -> None:
    till = await a_till(office)
    rows = {"documents": [{"key": "1", "id": "A", "name": "x"}]}
    reply = await till.ask("POST", "/v1/skus/batch", json=rows)
    assert (reply.status, reply.code) == (403, "forbidden")


async def test_a_sale_does_not_wait_for_the_rest_of_a_batch(
    office: ApiCaller, office_node: Node
) -> None:
    """Asked of the order of what was recorded, not of a clock."""
    rows = [{"key": f"{n}", "id": f"A{n}", "name": "x"} for n in range(BATCH_DOCUMENTS_MAX)]
    saving = asyncio.create_task(save(office, "skus", *rows))
    recorded = await office.ask(
        "POST",
        "/v1/movements",
        json={**sale(("A1", -1)), "kind": "adjust", "reason": "x"},
        headers={"Idempotency-Key": "sale"},
    )
    assert recorded.status == 201, recorded.body
    assert not saving.done()
    assert len((await saving).json()["results"]) == BATCH_DOCUMENTS_MAX
    assert json.loads(recorded.body)["seq"] < BATCH_DOCUMENTS_MAX
