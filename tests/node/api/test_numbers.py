"""Numbers of documents over HTTP: told with the first answer, the same ever after, and what people look for."""

from typing import Any

from tests.node.api.caller import ApiCaller
from tests.node.api.test_documents import ask

NEW: dict[str, dict[str, Any]] = {
    "orders": {"kind": "purchase", "location": "S01"},
    "transfers": {"source": "S01", "destination": "S02"},
    "stocktakes": {"location": "S01"},
}


async def test_an_order_number_is_never_a_temporary_one(office: ApiCaller) -> None:
    for collection, body in NEW.items():
        made = await ask(office, "POST", f"/v1/{collection}", body, collection)
        number = made.json()["number"]
        assert number.startswith("S01-")
        again = await ask(office, "POST", f"/v1/{collection}", body, collection)
        assert again.body == made.body
        path = f"/v1/{collection}/{made.json()['id']}"
        assert (await ask(office, "PATCH", path, {"note": "x"}, "n")).json()["number"] == number
        found = (await office.get(f"/v1/{collection}", number=number))["items"]
        assert [one["id"] for one in found] == [made.json()["id"]]


async def test_nobody_writes_a_number_by_hand(office: ApiCaller) -> None:
    body = {**NEW["orders"], "number": "S01-1-AAAAA"}
    assert (await ask(office, "POST", "/v1/orders", body, "a")).status == 422
    made = await ask(office, "POST", "/v1/orders", NEW["orders"], "b")
    path = f"/v1/orders/{made.json()['id']}"
    assert (await ask(office, "PATCH", path, {"number": "S01-1-AAAAA"}, "c")).status == 422


async def test_what_is_no_number_finds_nothing(office: ApiCaller) -> None:
    await ask(office, "POST", "/v1/orders", NEW["orders"], "a")
    for number in ("S01-1", "s01-1-AAAAA", "S01-1-00000", "%", "-"):
        assert (await office.get("/v1/orders", number=number))["items"] == []
