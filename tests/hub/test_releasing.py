"""What was set aside counts after all when the office says so, once, as an operation of the office's node."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from node.api.models import MovementBody
from node.api.translation import movement_of
from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Authority, Caller
from node.replica import log, stock
from protocol.certificate import Role
from protocol.frames.log import Item
from protocol.operation import Operation, decode
from tests.hub.conftest import Running
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database
from tests.store.shop import NOW_MS, Shop, counted

OPERATOR = Caller("operator", Authority.OPERATOR)
OFFICE = Here(CHAIN, ME, certificate_of(writes=(), role=Role.OFFICE), None, NOW_MS)


async def set_aside(running: Running, shop: Shop) -> list[dict[str, object]]:
    """What the hub lists after the shop's log was pushed."""
    await shop.pushes(running.hub.store)
    listed = await (await running.get("/v1/quarantine")).json()
    items: list[dict[str, object]] = listed["items"]
    return items


async def test_the_office_posts_what_the_hub_lists_and_it_counts_once(running: Running) -> None:
    rogue = await running.enrol(Shop("S01"))
    operation = rogue.records(counted("S02", "apple", -3), counted("S02", "pear", 2, lot="L1"))
    [item] = await set_aside(running, rogue)
    assert item["code"] == "forbidden"
    [release] = item["release"]  # type: ignore[misc]
    recorded, apples, pears = await asyncio.to_thread(posted_twice, release)
    assert recorded.kind == "move.adjust"
    assert recorded.op_id != operation.op_id
    details = recorded.details["details"]
    assert details == {"recorded_as": "move.sale", "releases": operation.op_id.hex()}
    assert (apples, pears) == (-3, 2)


def posted_twice(release: Mapping[str, Any]) -> tuple[Operation, int, int]:
    """What an office records, and what it then shows at S02."""
    movement = movement_of(MovementBody.model_validate_json(json.dumps(release["movement"])))
    with contextlib.closing(new_replica_database()) as office:
        for _ in range(2):
            movements.record(office, OFFICE, OPERATOR, movement, release["key"])
        assert log.head(office).seq == 1
        recorded = decode(office.execute("SELECT body FROM log").fetchone()[0])
        apples = stock.shelf(office, "S02", "apple", "").in_lot
        return recorded, apples, stock.shelf(office, "S02", "pear", "L1").in_lot


async def test_an_operation_brought_twice_has_one_key(running: Running) -> None:
    rogue = await running.enrol(Shop("S01"))
    rogue.records(counted("S02", "apple", -3))
    await rogue.pushes(running.hub.store)
    rogue.incarnation, rogue.pushed = 2, 0
    await rogue.opens(running.hub.store)
    first, second = await set_aside(running, rogue)
    assert first["replica"] != second["replica"]
    assert first["release"] == second["release"]


async def test_each_location_has_a_movement_of_its_own(running: Running) -> None:
    rogue = await running.enrol(Shop("S01"))
    rogue.records(counted("S03", "apple", -1), counted("S02", "apple", 1))
    [item] = await set_aside(running, rogue)
    released = item["release"]
    assert [each["movement"]["location"] for each in released] == ["S02", "S03"]  # type: ignore[attr-defined]
    assert len({each["key"] for each in released}) == 2  # type: ignore[attr-defined]


async def test_what_nobody_can_read_cannot_be_released(running: Running) -> None:
    rogue = await running.enrol(Shop("S01"))
    rogue.log.append(Item(b"no operation at all", None))
    [item] = await set_aside(running, rogue)
    assert item["release"] == []
