"""A node of two shops, with people of each: who is of one end of a transfer moves no goods of the other."""

from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from tests.node.api.caller import ApiCaller, Reply
from tests.node.enrolled import Shop, enrolled_folder
from tests.security.people.staff import Clock, hire, quickly, signed_in


@pytest.fixture
def both(tmp_path: Path) -> Shop:
    """Give the folder of a node of two shops."""
    return enrolled_folder(tmp_path / "both", name="both", writes=("S01", "S02"))


@pytest.fixture
async def boss(both: Shop, clock: Clock, aiohttp_client: AiohttpClient) -> ApiCaller:
    """Give its operator."""
    node = quickly(await Node.open(both.folder, clock.world()))
    http = await aiohttp_client(make_app(node, NodeSettings()))
    return ApiCaller(http, both.operator_token)


async def does(caller: ApiCaller, id_: str, verb: str) -> Reply:
    """Act on a transfer."""
    path = f"/v1/transfers/{id_}/{verb}"
    return await caller.ask("POST", path, json={}, headers={"Idempotency-Key": verb})


async def test_s1_goods_of_a_transfer_are_sent_and_taken_in_by_people_of_that_end(
    boss: ApiCaller,
) -> None:
    await hire(boss, "ann", "clerk", "S01")
    await hire(boss, "bob", "clerk", "S02")
    ann, bob = await signed_in(boss.http, "ann"), await signed_in(boss.http, "bob")
    wanted = {"source": "S01", "destination": "S02", "lines": [{"sku": "tea", "quantity": 1}]}
    headers = {"Idempotency-Key": "t"}
    made = await bob.ask("POST", "/v1/transfers", json=wanted, headers=headers)
    assert made.status == 201, made
    id_ = made.json()["id"]
    assert (await does(ann, id_, "allocate")).status == 200
    for wrong, right, verb in ((bob, ann, "ship"), (ann, bob, "receive")):
        refused = await does(wrong, id_, verb)
        assert (refused.status, refused.code) == (403, "forbidden"), verb
        assert (await does(right, id_, verb)).status == 200, verb
