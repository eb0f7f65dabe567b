"""A witness over HTTP: when one must be named, and where the name is read again."""

from pydantic import TypeAdapter

from node.api.shown import MovementRecorded, MovementShown
from tests.node.api.caller import ApiCaller, JsonObject, Reply, movement
from tests.node.api.test_documents import created


async def test_what_needs_a_witness_is_refused_without_one_and_told_with_one(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await created(operator, "skus", {"id": "morphine", "name": "Morphine", "witness": True}, "s")
    asked = movement("dispense", ("tea", -1), ("morphine", -2), reference="A-0017")
    refused = await till.record("k", asked)
    assert (refused.status, refused.code) == (409, "witness_required")
    (error,) = refused.json()["errors"]
    assert (error["loc"], error["type"]) == (["lines", 1, "sku"], "witness")
    assert (await till.record("k", {**asked, "witness": "till-1"})).code == "witness_required"
    assert (await till.record("k", {**asked, "witness": ""})).code == "validation_failed"
    reply = await till.record("k", {**asked, "witness": "pharmacist"})
    recorded = reply.json()
    assert TypeAdapter(MovementRecorded).validate_json(reply.body)
    assert (reply.status, recorded["witness"]) == (201, "pharmacist")
    listed = await till.get(f"/v1/movements/{recorded['id']}")
    assert TypeAdapter(MovementShown).validate_python(listed).witness == "pharmacist"


async def test_an_order_is_dispensed_while_somebody_sees_it(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await created(operator, "skus", {"id": "morphine", "name": "Morphine", "witness": True}, "s")
    lines = [{"sku": "morphine", "quantity": 2}]
    asked = {"kind": "customer", "location": "S01", "lines": lines}
    order = (await created(operator, "orders", asked, "o")).json()["id"]

    async def asks(caller: ApiCaller, verb: str, body: JsonObject) -> Reply:
        headers = {"Idempotency-Key": f"{verb}{len(body)}"}
        return await caller.ask("POST", f"/v1/orders/{order}/{verb}", json=body, headers=headers)

    assert (await asks(operator, "place", {})).status == 200
    refused = await asks(till, "dispense", {})
    assert (refused.status, refused.code) == (409, "witness_required")
    assert (await asks(till, "dispense", {"witness": "pharmacist"})).status == 200
    listed = await till.get("/v1/movements", kind="dispense")
    assert [one["witness"] for one in listed["items"]] == ["pharmacist"]


async def test_a_movement_that_names_no_witness_says_nothing_of_one(till: ApiCaller) -> None:
    recorded = (await till.record("k", movement("sale", ("tea", -1)))).json()
    assert "witness" not in recorded
