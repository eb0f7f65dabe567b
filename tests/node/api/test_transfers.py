"""Transfers over HTTP: each verb, what it answers and refuses, and what a repeat gets."""

from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.api.transfers import TRANSFER_ROUTES
from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from runtime.world import World
from tests.node.api.caller import ApiCaller, movement
from tests.node.api.on_course import OnCourse
from tests.node.api.test_documents import fits
from tests.node.enrolled import Shop, enrolled_folder

TEA, RICE = {"sku": "tea", "quantity": 10}, {"sku": "rice", "lot": "L1", "quantity": 5}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of a node that writes both ends: what one end may is a matter of the commands."""
    return enrolled_folder(tmp_path / "both", name="both", writes=("S01", "S02"))


class Drafted(OnCourse):
    """A transfer from S01 to S02 of 10 tea and 5 rice of lot L1; 30 and 20 are on S01's shelf."""

    shape = "TransferActed"

    async def draft(self) -> None:
        """Draft it."""
        goods = movement("opening", ("tea", 30))
        goods["lines"].append({"sku": "rice", "lot": "L1", "delta": 20})
        assert (await self._operator.record("opening", goods)).status == 201
        asked = {"source": "S01", "destination": "S02", "lines": [TEA, RICE]}
        headers = {"Idempotency-Key": "draft"}
        reply = await self._operator.ask("POST", "/v1/transfers", json=asked, headers=headers)
        assert reply.status == 201, reply
        self.address = reply.headers["Location"]

    async def stock(self, sku: str, location: str) -> tuple[int, int, int]:
        """On hand, reserved, in transit."""
        row = await self._operator.get(f"/v1/stock/{location}/{sku}")
        return row["on_hand"], row["reserved"], row["in_transit"]


@pytest.fixture
async def drafted(operator: ApiCaller) -> Drafted:
    """A draft."""
    made = Drafted(operator)
    await made.draft()
    return made


async def test_goods_go_from_shelf_to_shelf(drafted: Drafted, till: ApiCaller) -> None:
    assert (await drafted.does("allocate"))["stage"] == "allocated"
    assert await drafted.stock("tea", "S01") == (30, 10, 0)
    shipped = await drafted.does("ship", {"lines": [TEA]}, caller=till)
    assert shipped["stage"] == "shipped"
    assert await drafted.stock("tea", "S02") == (0, 0, 10)
    assert (await drafted.does("ship", caller=till))["stage"] == "shipped"
    received = await drafted.does(
        "receive",
        {"lines": [TEA, {**RICE, "quantity": 3}], "damaged": [{**RICE, "quantity": 1}]},
        caller=till,
    )
    assert received["stage"] == "partly_received"
    rice, _ = received["progress"]
    assert (rice["planned"], rice["shipped"], rice["received"], rice["damaged"]) == (5, 5, 3, 1)
    coming = {"sku": "rice", "lot": "L1", "planned_lot": "L1", "quantity": 1}
    assert received["incoming"] == [coming]
    assert await drafted.stock("rice", "S02") == (3, 0, 1)
    closed = await drafted.does("close")
    assert (closed["stage"], closed["incoming"], closed["progress"][0]["short"]) == (
        "closed",
        [],
        1,
    )
    assert {one["matter"] for one in closed["differences"]} == {"short", "damaged"}
    assert [one["by"] for one in closed["decisions"]] == ["operator", "operator", "till-1"]
    assert await drafted.stock("rice", "S02") == (3, 0, 0)
    listed = await till.get("/v1/movements", reference=shipped["id"])
    kinds = [one["kind"] for one in listed["items"]]
    received_kinds = ["transfer_close", "transfer_receive", "transfer_ship", "transfer_ship"]
    assert kinds == [*received_kinds[:3], "release", received_kinds[3], "reserve"]
    for one in listed["items"]:
        fits(one, "MovementShown")
        assert one["document"]["id"] == shipped["id"]


async def test_what_was_planned_may_change_until_it_leaves(drafted: Drafted) -> None:
    await drafted.does("allocate")
    changed = await drafted.does("lines", {"lines": [{**TEA, "quantity": 4}]})
    assert {one["sku"]: one["quantity"] for one in changed["lines"]} == {"rice": 5, "tea": 4}
    assert await drafted.stock("tea", "S01") == (30, 4, 0)
    taken_out = await drafted.does("lines", {"lines": [{**RICE, "quantity": 0}]})
    assert [one["sku"] for one in taken_out["lines"]] == ["tea"]
    assert (await drafted.does("cancel"))["stage"] == "cancelled"
    assert await drafted.stock("tea", "S01") == (30, 0, 0)
    twice = await drafted.asks("lines", {"lines": [TEA, TEA]})
    assert (twice.status, twice.code) == (422, "validation_failed")
    late = await drafted.asks("lines", {"lines": [TEA]})
    assert (late.status, late.code, late.json()["errors"][0]["type"]) == (
        409,
        "conflict",
        "wrong_stage",
    )


async def test_what_is_called_back_returns(drafted: Drafted) -> None:
    await drafted.does("ship")
    await drafted.does("call_back")
    assert (await drafted.does("turn_back"))["stage"] == "returning"
    broken = {"lines": [TEA], "damaged": [RICE]}
    await drafted.does("receive_back", broken)
    assert await drafted.stock("tea", "S01") == (30, 0, 0)
    assert await drafted.stock("rice", "S01") == (15, 0, 0)


async def test_what_changed_since_tells_of_every_act(drafted: Drafted, operator: ApiCaller) -> None:
    seen = (await operator.get("/v1/transfers"))["changes"]
    await drafted.does("ship")
    (changed,) = (await operator.get("/v1/transfers", changed_since=seen))["items"]
    assert changed["stage"] == "shipped"
    assert len((await operator.get("/v1/transfers", stage="shipped"))["items"]) == 1
    stale = await operator.ask("GET", drafted.address)
    await drafted.does("receive")
    late = await operator.ask(
        "PATCH",
        drafted.address,
        json={"note": "x"},
        headers={"If-Match": stale.headers["ETag"], "Idempotency-Key": "late"},
    )
    assert (late.status, late.code) == (412, "precondition_failed")


async def test_an_event_is_taken_back_by_its_movements_id(drafted: Drafted) -> None:
    shipped = await drafted.does("ship", {"lines": [TEA]})
    (ship,) = (await drafted._operator.get("/v1/movements", kind="transfer_ship"))["items"]
    assert [one["event"] for one in shipped["events"]] == [ship["document"]["event"]]
    await drafted.does("reverse", {"event": ship["id"]})
    assert await drafted.stock("tea", "S01") == (30, 0, 0)
    again = await drafted.asks("reverse", {"event": ship["id"]})
    assert (again.status, again.json()["errors"][0]["type"]) == (409, "nothing_to_do")
    by_hand = await drafted._operator.ask(
        "POST",
        f"/v1/movements/{ship['id']}/reverse",
        json={},
        headers={"Idempotency-Key": "by-hand"},
    )
    assert (by_hand.status, by_hand.code) == (409, "conflict")


async def test_two_clerks_who_scan_one_parcel_count_it_once(
    drafted: Drafted, till: ApiCaller
) -> None:
    await drafted.does("ship")
    parcel = {"lines": [TEA, RICE], "parcel": "P-4711"}
    await drafted.does("receive", parcel, caller=till)
    second = await drafted.does("receive", parcel)
    assert [one["code"] for one in second["warnings"]] == ["already_scanned"] * 2
    assert await drafted.stock("tea", "S02") == (10, 0, 0)


async def test_a_repeated_key_gets_the_same_bytes_and_records_nothing(
    drafted: Drafted, operator: ApiCaller
) -> None:
    first = await drafted.asks("ship", key="once")
    await drafted.does("receive")
    before = await operator.books()
    again = await drafted.asks("ship", key="once")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert await operator.books() == before
    other = await drafted.asks("ship", {"lines": [TEA]}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("verb", [route.path.rpartition("/")[2] for route in TRANSFER_ROUTES])
async def test_every_verb_asks_for_a_key_a_transfer_and_a_body_it_knows(
    verb: str, drafted: Drafted, operator: ApiCaller
) -> None:
    body = {"reverse": {"event": "e"}, "lines": {"lines": [TEA]}}.get(verb, {})
    no_key = await operator.ask("POST", f"{drafted.address}/{verb}", json=body)
    assert (no_key.status, no_key.code) == (400, "idempotency_key_missing")
    unknown = await drafted.asks(verb, {**body, "colour": "red"})
    assert (unknown.status, unknown.code) == (422, "validation_failed")
    nowhere = "/v1/transfers/00000000-0000-0000-0000-000000000000"
    gone = await operator.ask(
        "POST", f"{nowhere}/{verb}", json=body, headers={"Idempotency-Key": "gone"}
    )
    assert (gone.status, gone.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("verb", "body", "status", "code", "fault"),
    [
        ("receive_back", {"lines": [TEA]}, 409, "conflict", "wrong_stage"),
        ("close", {}, 409, "conflict", "wrong_stage"),
        ("receive", {"lines": []}, 409, "conflict", "nothing_to_do"),
        ("ship", {"lines": [{"sku": "tea", "quantity": 0}]}, 422, "validation_failed", None),
        ("ship", {"lines": [{"sku": "", "quantity": 1}]}, 422, "validation_failed", None),
        ("ship", {"lines": [TEA], "parcel": ""}, 422, "validation_failed", None),
        ("ship", {"lines": [TEA] * 501}, 422, "validation_failed", None),
    ],
)
async def test_what_cannot_be_is_refused_and_recorded_nowhere(
    verb: str,
    body: object,
    status: int,
    code: str,
    fault: str | None,
    drafted: Drafted,
    operator: ApiCaller,
) -> None:
    before = await operator.books()
    reply = await drafted.asks(verb, body)
    assert (reply.status, reply.code) == (status, code)
    if fault is not None:
        assert [one["type"] for one in reply.json()["errors"]] == [fault]
    assert await operator.books() == before


async def test_a_till_moves_goods_and_decides_nothing(drafted: Drafted, till: ApiCaller) -> None:
    for verb in ("allocate", "call_back", "cancel", "close"):
        reply = await drafted.asks(verb, caller=till)
        assert (reply.status, reply.code) == (403, "forbidden")
    assert (await drafted.asks("ship", caller=till)).status == 200


@pytest.fixture
def receiver(tmp_path: Path) -> Shop:
    """Give the folder of a node that writes the receiving end alone."""
    return enrolled_folder(tmp_path / "S02", name="S02", writes=("S02",))


async def test_the_other_end_is_not_written_here(
    receiver: Shop, aiohttp_client: AiohttpClient
) -> None:
    node = await Node.open(receiver.folder, World())
    http = await aiohttp_client(make_app(node, NodeSettings()))
    operator = ApiCaller(http, receiver.operator_token)
    asked = {"source": "S01", "destination": "S02", "lines": [TEA]}
    headers = {"Idempotency-Key": "draft"}
    made = await operator.ask("POST", "/v1/transfers", json=asked, headers=headers)
    ship = f"{made.headers['Location']}/ship"
    reply = await operator.ask("POST", ship, json={"lines": [TEA]}, headers=headers)
    assert (reply.status, reply.code) == (403, "forbidden")
    assert reply.json()["errors"][0]["type"] == "wrong_party"
