"""Suggested orders over HTTP: from levels, stock, usage and what is coming; in whole packs; drafted once."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.certificate import Role
from tests.node.api.caller import ApiCaller, Reply, movement, sale
from tests.node.api.test_documents import fits
from tests.node.enrolled import Shop, enrolled_folder

WHERE = {"location": "S01"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of an office that keeps a shop too: it writes the catalogue."""
    return enrolled_folder(tmp_path / "S01", role=Role.OFFICE)


class Buying:
    """A shop's buyer."""

    def __init__(self, operator: ApiCaller) -> None:
        self._operator = operator
        self._keys = 0

    async def posts(self, path: str, body: object, *, key: str = "") -> Reply:
        """Send something under a key."""
        self._keys += 1
        headers = {"Idempotency-Key": key or f"k{self._keys}", "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        return await self._operator.ask("POST", path, data=content, headers=headers)

    async def makes(self, path: str, body: object) -> Any:
        """Something that must be taken."""
        reply = await self.posts(path, body)
        assert reply.status in {200, 201}, reply
        return reply.json()

    async def suggested(self, **asked: Any) -> dict[str | None, dict[str, tuple[int, Any]]]:
        """By supplier and SKU: base units, and in what."""
        found = await self._operator.get("/v1/orders/suggested", **WHERE, **asked)
        fits(found, "SuggestedOrders")
        return {
            one["supplier"]: {
                line["sku"]: (line["quantity"], line["pack"]) for line in one["lines"]
            }
            for one in found["items"]
        }


@pytest.fixture
async def buying(operator: ApiCaller) -> Buying:
    """Tea in boxes of 12 from a supplier, of which 20 should be there and 5 are; salt loose, of which none is."""
    made = Buying(operator)
    supplier = (await made.makes("/v1/suppliers", {"name": "Lakeside"}))["id"]
    packs = {"box": {"multiple": 12}, "pallet": {"multiple": 480}, "piece": {"multiple": 1}}
    tea = {"id": "tea", "name": "Tea", "supplier": supplier, "packs": packs}
    await made.makes("/v1/skus", tea)
    await made.makes("/v1/skus", {"id": "salt", "name": "Salt", "minimum": 3})
    await made.makes("/v1/skus", {"id": "rice", "name": "Rice", "minimum": 3})
    await made.makes("/v1/levels", {**WHERE, "sku": "tea", "minimum": 20})
    await made.makes("/v1/levels", {**WHERE, "sku": "salt", "reorder_quantity": 50})
    assert (await operator.record("opening", movement("opening", ("tea", 5)))).status == 201
    return made


async def supplier_of(buying: Buying) -> str:
    """The one there is."""
    found: str = (await buying._operator.get("/v1/suppliers"))["items"][0]["id"]
    return found


async def test_what_is_below_its_minimum_is_suggested_by_supplier_in_whole_packs(
    buying: Buying,
) -> None:
    lakeside = await supplier_of(buying)
    expected = {None: {"salt": (50, None)}, lakeside: {"tea": (24, "box")}}
    assert await buying.suggested() == expected


async def test_what_will_be_sold_before_the_goods_are_there_is_added(
    buying: Buying, operator: ApiCaller
) -> None:
    assert (await operator.record("sold", sale(("tea", -4)))).status == 201
    back = movement("customer_return", ("tea", 1))
    assert (await operator.record("back", back)).status == 201
    lakeside = await supplier_of(buying)
    assert (await buying.suggested(lead_days=7, used_days=1))[lakeside] == {"tea": (48, "box")}
    assert (await buying.suggested(lead_days=0))[lakeside] == {"tea": (24, "box")}


async def test_what_is_drafted_placed_or_on_its_way_is_not_suggested_again(
    buying: Buying,
) -> None:
    lakeside = await supplier_of(buying)
    reply = await buying.posts("/v1/orders/suggested", WHERE)
    assert reply.status == 201
    fits(reply.json(), "DraftedOrders")
    drafted = {one["supplier"]: one for one in reply.json()["orders"]}
    assert {one["stage"] for one in drafted.values()} == {"draft"}
    assert [line["quantity"] for line in drafted[lakeside]["lines"]] == [24]
    assert await buying.suggested() == {}
    order = f"/v1/orders/{drafted[lakeside]['id']}"
    await buying.makes(f"{order}/place", {})
    assert await buying.suggested() == {}
    await buying.makes(f"{order}/fulfil", {"lines": [{"sku": "tea", "quantity": 12}]})
    assert await buying.suggested() == {}
    await buying.makes(f"{order}/close", {})
    assert await buying.suggested() == {lakeside: {"tea": (12, "box")}}
    await buying.makes(f"/v1/orders/{drafted[None]['id']}/cancel", {})
    assert (await buying.suggested())[None] == {"salt": (50, None)}


async def test_a_repeated_key_gets_the_same_bytes_and_drafts_nothing(buying: Buying) -> None:
    first = await buying.posts("/v1/orders/suggested", WHERE, key="once")
    again = await buying.posts("/v1/orders/suggested", WHERE, key="once")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await buying._operator.get("/v1/orders"))["items"]) == 2
    other = await buying.posts("/v1/orders/suggested", {**WHERE, "lead_days": 1}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    nothing = await buying.posts("/v1/orders/suggested", WHERE)
    assert (nothing.status, nothing.json()) == (201, {"orders": []})


async def test_a_till_is_told_and_drafts_nothing(buying: Buying, till: ApiCaller) -> None:
    assert len((await till.get("/v1/orders/suggested", **WHERE))["items"]) == 2
    headers = {"Idempotency-Key": "k"}
    reply = await till.ask("POST", "/v1/orders/suggested", json=WHERE, headers=headers)
    assert (reply.status, reply.code) == (403, "forbidden")
    for bad in ({}, {"location": "S01", "lead_days": "-1"}, {"location": "S01", "used_days": "0"}):
        refused = await till.ask("GET", "/v1/orders/suggested", params=bad)
        assert (refused.status, refused.code) == (422, "validation_failed")
