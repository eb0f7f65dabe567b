"""Orders over HTTP: each verb, what it answers and refuses, and what a repeat gets."""

import pytest

from node.api.orders import ORDER_ROUTES
from tests.node.api.caller import ApiCaller, movement
from tests.node.api.on_course import OnCourse
from tests.node.api.test_documents import fits

TEA = {"sku": "tea", "quantity": 10}


class Ordered(OnCourse):
    """Orders of 10 tea at S01, where 30 are on the shelf."""

    shape = "OrderActed"

    async def drafts(self, kind: str, **fields: object) -> None:
        """The order that is spoken of from now on."""
        asked = {"kind": kind, "location": "S01", "lines": [TEA], **fields}
        self._keys += 1
        headers = {"Idempotency-Key": f"draft-{self._keys}"}
        reply = await self._operator.ask("POST", "/v1/orders", json=asked, headers=headers)
        assert reply.status == 201, reply
        self.address = reply.headers["Location"]

    async def stock(self) -> tuple[int, int]:
        """On hand and reserved."""
        row = await self._operator.get("/v1/stock/S01/tea")
        return row["on_hand"], row["reserved"]


@pytest.fixture
async def ordered(operator: ApiCaller) -> Ordered:
    """Nothing is ordered yet."""
    assert (await operator.record("opening", movement("opening", ("tea", 30)))).status == 201
    return Ordered(operator)


async def test_a_customers_order_is_reserved_and_goes_out(
    ordered: Ordered, till: ApiCaller
) -> None:
    await ordered.drafts("customer")
    placed = await ordered.does("place")
    assert (placed["status"], placed["fulfilled_at"]) == ("pending", None)
    assert await ordered.stock() == (30, 10)
    partly = await ordered.does("dispense", {"lines": [{**TEA, "quantity": 4}]}, caller=till)
    assert (partly["stage"], partly["status"]) == ("partly_received", "pending")
    line = {"sku": "tea", "lot": None, "ordered": 10, "fulfilled": 4, "owed": 6}
    assert partly["progress"] == [line]
    assert await ordered.stock() == (26, 6)
    whole = await ordered.does("fulfil", caller=till)
    assert whole["status"] == "fulfilled"
    assert whole["fulfilled_at"] is not None
    assert await ordered.stock() == (20, 0)


async def test_a_purchase_is_approved_placed_and_received(
    ordered: Ordered, till: ApiCaller, operator: ApiCaller
) -> None:
    await ordered.drafts("purchase")
    assert (await ordered.does("submit"))["stage"] == "approval"
    by_shop = await ordered.asks("approve")
    assert (by_shop.status, by_shop.code) == (403, "forbidden")
    assert by_shop.json()["errors"][0]["type"] == "wrong_party"
    await ordered.does("cancel")
    await ordered.drafts("purchase", supplier=None, note="another")
    await ordered.does("place", {"acknowledge_by": "2026-12-01T12:00:00Z"})
    asked = (await ordered.does("lines", {"lines": [TEA]}))["acknowledgements"]
    until = {"who": "supplier", "until": "2026-12-01T12:00:00.000Z"}
    assert asked == [{**until, "by": None, "at": None}]
    answered = await ordered.does("acknowledge", {"who": "supplier"})
    assert answered["acknowledgements"][0]["by"] == "operator"
    cost = {"unit_cost": {"amount": 255, "currency": "GBP"}, "expiry": "2027-06-30"}
    delivered = {"lines": [{**TEA, "lot": "L1", **cost}], "parcel": "P-1"}
    assert (await ordered.does("fulfil", delivered, caller=till))["status"] == "fulfilled"
    again = await ordered.does("fulfil", delivered)
    assert [one["code"] for one in again["warnings"]] == ["already_scanned"]
    assert await ordered.stock() == (40, 0)
    (receipt,) = (await operator.get("/v1/movements", kind="receive"))["items"]
    fits(receipt, "MovementShown")
    assert receipt["lines"] == [{"sku": "tea", "lot": "L1", "delta": 10, **cost}]
    await ordered.does("reverse", {"event": f"{receipt['document']['event']}"})
    assert await ordered.stock() == (30, 0)


async def test_an_internal_order_names_the_transfer_that_delivered(ordered: Ordered) -> None:
    await ordered.drafts("internal", from_location="S02")
    await ordered.does("submit", {"acknowledge_by": "2026-12-01T12:00:00Z"})
    for verb in ("approve", "reject", "place"):
        assert (await ordered.asks(verb)).code in {"forbidden", "conflict"}
    await ordered.drafts("customer")
    await ordered.does("place")
    body = {"lines": [TEA], "transfer": "0f8fad5b-d9cb-469f-a165-70867728950e"}
    refused = await ordered.asks("fulfil", body)
    assert (refused.status, refused.code) == (409, "conflict")


async def test_lines_change_what_is_owed(ordered: Ordered) -> None:
    await ordered.drafts("customer")
    await ordered.does("place")
    await ordered.does("lines", {"lines": [{**TEA, "quantity": 3}]})
    assert await ordered.stock() == (30, 3)
    await ordered.does("fulfil", {"lines": [{**TEA, "quantity": 1}]})
    assert (await ordered.does("close"))["status"] == "fulfilled"
    assert await ordered.stock() == (29, 0)
    stranger = await ordered.asks("fulfil", {"lines": [{"sku": "salt", "quantity": 1}]})
    assert (stranger.status, stranger.code) == (409, "conflict")


async def test_a_repeated_key_gets_the_same_bytes_and_records_nothing(
    ordered: Ordered, operator: ApiCaller
) -> None:
    await ordered.drafts("customer")
    first = await ordered.asks("place", key="once")
    await ordered.does("fulfil")
    before = await operator.books()
    again = await ordered.asks("place", key="once")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await operator.books() == before


@pytest.mark.parametrize("verb", [route.path.rpartition("/")[2] for route in ORDER_ROUTES])
async def test_every_verb_asks_for_a_key_an_order_and_a_body_it_knows(
    verb: str, ordered: Ordered, operator: ApiCaller
) -> None:
    await ordered.drafts("customer")
    body = {"reverse": {"event": "e"}, "lines": {"lines": [TEA]}}.get(verb, {})
    no_key = await operator.ask("POST", f"{ordered.address}/{verb}", json=body)
    assert (no_key.status, no_key.code) == (400, "idempotency_key_missing")
    unknown = await ordered.asks(verb, {**body, "colour": "red"})
    assert (unknown.status, unknown.code) == (422, "validation_failed")
    nowhere = "/v1/orders/00000000-0000-0000-0000-000000000000"
    gone = await operator.ask(
        "POST", f"{nowhere}/{verb}", json=body, headers={"Idempotency-Key": "gone"}
    )
    assert (gone.status, gone.code) == (404, "not_found")


async def test_a_till_moves_goods_and_decides_nothing(ordered: Ordered, till: ApiCaller) -> None:
    await ordered.drafts("customer")
    for verb in ("submit", "approve", "reject", "place", "cancel", "close", "acknowledge"):
        reply = await ordered.asks(verb, caller=till)
        assert (reply.status, reply.code) == (403, "forbidden")
    early = await ordered.asks("fulfil", caller=till)
    assert (early.status, early.json()["errors"][0]["type"]) == (409, "wrong_stage")
