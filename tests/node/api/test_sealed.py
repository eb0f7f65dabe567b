"""Sealed details over HTTP: what is answered to whom, and that a token of the machine opens nothing."""

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from node.node import Node
from protocol.sealing import recovery_pair, recovery_to_text
from tests.node.api.caller import ApiCaller, Http, sale
from tests.node.enrolled import Shop, enrolled_folder
from tests.security.people.staff import Clock, hire, quickly, signed_in

SECRET = b"\x51" * 32
SEALED = {"patient": "Marked-Patient"}
SOME_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01, in a chain with a recovery key."""
    return enrolled_folder(tmp_path / "S01", recovery_key=recovery_pair(SECRET).public)


@pytest.fixture
async def node(shop: Shop) -> Node:
    """Give the node, at which people sign in quickly."""
    return quickly(await Node.open(shop.folder, Clock().world()))


def dispensed(**changes: Any) -> dict[str, Any]:
    body = sale(("A1", -1), details={"open": 1, "sealed": SEALED}, **changes)
    return {**body, "kind": "dispense"}


async def test_a_dispense_with_something_sealed_is_answered_without_it(till: ApiCaller) -> None:
    reply = await till.record("k1", dispensed())
    assert reply.status == 201, reply
    assert b"Marked" not in reply.body
    shown = reply.json()
    assert (shown["sealed"], shown["details"]) == (True, {"open": 1})
    assert (await till.get(f"/v1/movements/{shown['id']}"))["details"] == {"open": 1}
    again = await till.record("k1", dispensed())
    assert (again.body, again.headers["Idempotency-Replayed"]) == (reply.body, "true")
    plain = (await till.record("k2", sale(("A1", -1)))).json()
    assert "sealed" not in plain


async def test_msgpack_and_a_batch_are_sealed_in_the_same_way(till: ApiCaller) -> None:
    body = msgpack.packb(dispensed())
    headers = {"Content-Type": "application/msgpack", "Idempotency-Key": "k1"}
    packed = await till.ask("POST", "/v1/movements", headers=headers, data=body)
    assert (packed.status, packed.json()["sealed"]) == (201, True)
    items = [{"key": "k1", **dispensed()}, {"key": "k3", **dispensed()}]
    batch = await till.ask("POST", "/v1/movements/batch", json={"movements": items})
    first, second = batch.json()["results"]
    assert first["movement"]["id"] == packed.json()["id"]
    assert second["movement"]["sealed"] is True
    assert b"Marked" not in batch.body


async def test_another_body_under_the_key_is_refused_by_what_is_sealed_too(
    till: ApiCaller,
) -> None:
    await till.record("k1", dispensed())
    other = {**dispensed(), "details": {"open": 1, "sealed": {"patient": "somebody else"}}}
    reply = await till.record("k1", other)
    assert (reply.status, reply.code) == (422, "idempotency_key_reused")
    assert b"somebody" not in reply.body


async def test_neither_a_till_nor_the_operator_opens_or_erases_it(
    till: ApiCaller, operator: ApiCaller
) -> None:
    id_ = (await till.record("k1", dispensed())).json()["id"]
    for caller in (till, operator):
        reply = await caller.ask("GET", f"/v1/movements/{id_}/sealed")
        assert (reply.status, reply.code) == (403, "forbidden")
        assert b"Marked" not in reply.body
    reply = await till.ask("POST", f"/v1/movements/{id_}/sealed/erase", json={})
    assert (reply.status, reply.code) == (403, "forbidden")


async def test_a_pharmacist_of_the_shop_opens_it_and_a_cashier_does_not(
    till: ApiCaller, operator: ApiCaller, http: Http
) -> None:
    for name in ("pharmacist", "cashier", "manager"):
        await hire(operator, name, name)
    id_ = (await till.record("k1", dispensed())).json()["id"]
    pharmacist = await signed_in(http, "pharmacist")
    shown = await pharmacist.get(f"/v1/movements/{id_}/sealed")
    assert shown == {"id": id_, "location": "S01", "details": SEALED}
    for missing in (SOME_ID, "not-an-id"):
        reply = await pharmacist.ask("GET", f"/v1/movements/{missing}/sealed")
        assert reply.status == 404
    cashier = await signed_in(http, "cashier")
    refused = await cashier.ask("GET", f"/v1/movements/{id_}/sealed")
    assert (refused.status, refused.code) == (403, "forbidden")
    erased = await pharmacist.ask("POST", f"/v1/movements/{id_}/sealed/erase", json={})
    assert erased.status == 200
    gone = await pharmacist.ask("GET", f"/v1/movements/{id_}/sealed")
    assert (gone.status, gone.code) == (410, "sealed_erased")


async def test_the_operator_changes_the_key_and_recovers_without_seeing_anything(
    till: ApiCaller, operator: ApiCaller
) -> None:
    await till.record("k1", dispensed())
    changed = await operator.ask("POST", "/v1/operator/sealing/key", json={})
    assert changed.json() == {"rewrapped": 1, "unopened": 0}
    text = recovery_to_text(SECRET)
    done = await operator.ask("POST", "/v1/operator/sealing/recover", json={"recovery_key": text})
    assert done.json() == {"rewrapped": 0, "unopened": 0}
    wrong = text[:12] + ("A" if text[12] != "A" else "B") + text[13:]
    refused = await operator.ask(
        "POST", "/v1/operator/sealing/recover", json={"recovery_key": wrong}
    )
    assert (refused.status, refused.code) == (422, "validation_failed")
    assert wrong.encode() not in refused.body
    assert (await till.ask("POST", "/v1/operator/sealing/key", json={})).status == 403


async def test_an_erased_one_says_so_to_nobody_who_may_not_read_it(
    till: ApiCaller, operator: ApiCaller
) -> None:
    id_ = (await till.record("k1", dispensed())).json()["id"]
    erased = await operator.ask("POST", f"/v1/movements/{id_}/sealed/erase", json={})
    assert erased.json() == {"id": id_, "erased": True, "before": False}
    again = await operator.ask("POST", f"/v1/movements/{id_}/sealed/erase", json={})
    assert again.json()["before"] is True
    assert (await till.ask("GET", f"/v1/movements/{id_}/sealed")).code == "forbidden"
    plain = json.loads((await till.record("k2", sale(("A1", -1)))).body)
    nothing = await operator.ask("POST", f"/v1/movements/{plain['id']}/sealed/erase", json={})
    assert nothing.status == 404


class TestWithoutARecoveryKey:
    """What only one machine could open is not sealed at all."""

    @pytest.fixture
    def shop(self, tmp_path: Path) -> Shop:
        """Give the folder of a node of a chain without one."""
        return enrolled_folder(tmp_path / "S01")

    async def test_nothing_can_be_sealed_and_nothing_is_recorded(self, till: ApiCaller) -> None:
        reply = await till.record("k1", dispensed())
        assert (reply.status, reply.code) == (409, "sealing_unavailable")
        assert (await till.get("/v1/movements"))["items"] == []
