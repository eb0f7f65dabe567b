"""A recall made at the office while a shop is cut off counts there as soon as the shop has read it."""

import json
from dataclasses import replace
from functools import partial

import pytest

from node.commands import lots as commands
from node.commands.lots import Acknowledgement
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.recalls import TraceQuery
from protocol.certificate import Role
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from tests.node.reunion.here import Here, NodeHere, eventually, settled
from tests.node.reunion.node_here import TILL
from tests.node.reunion.test_documents import Desk

OPERATOR = Caller("operator", Authority.OPERATOR)
PILLS, L1 = Sku("pills"), Lot("L1")
REFUSED = ("lot_not_usable", "recalled")


async def records(node: NodeHere, key: str, kind: MoveKind, delta: int, lot: str = "L1") -> object:
    """Pills at the node's own location; the lots and deltas of what was recorded."""
    line = Line(PILLS, Lot(lot), delta=delta)
    location = Location(node.certificate.name)
    answer = await node.node.record(TILL, Movement(kind, location, (line,)), key)
    return [(one["lot"], one["delta"]) for one in json.loads(answer.body)["lines"]]


async def dispensed(node: NodeHere, key: str) -> object:
    """What becomes of dispensing one of the lot: what was recorded, or why it is refused."""
    try:
        return await records(node, key, MoveKind.DISPENSE, -1)
    except Refusal as refusal:
        return (refusal.code, *(error["type"] for error in refusal.errors))


async def unacknowledged(node: NodeHere) -> object:
    """Who has not answered, as this node sees it."""
    trace = await node.node.recalls.trace(TraceQuery(PILLS, L1))
    assert trace is not None
    return trace["unacknowledged"]


async def set_aside(node: NodeHere, quantity: int) -> None:
    """The shop answers for itself."""
    given = Acknowledgement(None, quantity)
    await node.node.recalls.acknowledge(OPERATOR, PILLS, L1, given, f"{quantity}")


async def test_a_shop_that_was_cut_off_refuses_a_recalled_lot_once_it_has_read_of_it(
    here: Here,
) -> None:
    near, far = await here.node("S01"), await here.node("S02")
    office = await here.node("office", role=Role.OFFICE)
    at_office = Desk(office)
    await at_office.creates("skus", id=PILLS, name="Pills", lot_tracked=True)
    await at_office.creates("lots", sku=PILLS, code=L1, expiry="2999-01-31")
    for shop in (near, far):
        await records(shop, "goods in", MoveKind.RECEIVE, 10)
    await settled(near, far, office)
    await eventually(partial(Desk(far).sees, "lots", "pills/L1", "expiry"), ("2999-01-31",))
    await far.stop()
    await office.node.recalls.recall(OPERATOR, PILLS, L1, "wrong strength", "recall")
    await settled(near, office)
    await eventually(partial(Desk(near).sees, "lots", "pills/L1", "status"), ("recalled",))
    assert await dispensed(near, "after") == REFUSED
    assert await unacknowledged(office) == ["S01", "S02"]
    await set_aside(near, 10)
    await settled(near, office)
    await eventually(partial(unacknowledged, office), ["S02"])

    await here.hub.stop()
    await far.start()
    assert await dispensed(far, "nobody told it") == [("L1", -1)], "it is cut off still, and sells"
    await here.hub.start()
    await settled(near, far, office)
    await eventually(partial(Desk(far).sees, "lots", "pills/L1", "status"), ("recalled",))
    assert await dispensed(far, "after") == REFUSED
    assert await records(far, "any", MoveKind.DISPENSE, -1, "") == [(None, -1)]
    assert await unacknowledged(office) == ["S02"], "it has read it, and nobody there has said so"

    await set_aside(far, 9)
    await settled(near, far, office)
    await eventually(partial(unacknowledged, office), [])
    await here.hub.stop()
    trace = await far.node.recalls.trace(TraceQuery(PILLS, L1))
    assert trace is not None
    assert [one["kind"] for one in trace["items"]] == ["dispense"]  # type: ignore[attr-defined]
    holders = {one["location"]: one["on_hand"] for one in trace["locations"]}  # type: ignore[attr-defined]
    assert holders == {"S01": 10, "S02": 9}
    for node in (near, far, office):
        assert await node.problems() == []
        assert (await node.status())["quarantined"] == 0


async def test_a_shop_does_not_answer_for_another_even_if_its_own_checks_are_broken(
    here: Here,
) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    office = await here.node("office", role=Role.OFFICE)
    await records(other, "goods in", MoveKind.RECEIVE, 10)
    await settled(other, office)
    await office.node.recalls.recall(OPERATOR, PILLS, L1, "wrong strength", "recall")
    await settled(shop, other, office)
    await eventually(partial(Desk(shop).sees, "lots", "pills/L1", "status"), ("recalled",))
    given = Acknowledgement(Location("S02"), 10)
    with pytest.raises(Refusal, match="forbidden"):
        await shop.node.recalls.acknowledge(OPERATOR, PILLS, L1, given, "theirs")
    here_now = shop.node._here()
    claims = here_now.certificate._replace(writes=(Location("S02"),))
    claimed = replace(here_now, certificate=claims)
    await shop.node._write(
        lambda db: commands.acknowledge(db, claimed, OPERATOR, PILLS, L1, given, "theirs")
    )
    assert await unacknowledged(shop) == []
    await eventually(partial(unacknowledged, shop), ["S02"])
    assert (await shop.status())["quarantined"] == 1
    assert await unacknowledged(office) == ["S02"]


async def test_answers_given_apart_all_count(here: Here) -> None:
    shops = [await here.node("S01"), await here.node("S02")]
    office = await here.node("office", role=Role.OFFICE)
    for shop in shops:
        await records(shop, "goods in", MoveKind.RECEIVE, 10)
    await office.node.recalls.recall(OPERATOR, PILLS, L1, "wrong strength", "recall")
    await settled(*shops, office)
    for shop in shops:
        await eventually(partial(Desk(shop).sees, "lots", "pills/L1", "status"), ("recalled",))
    await here.hub.stop()
    for number, shop in enumerate(shops):
        await set_aside(shop, number)
    await here.hub.start()
    await settled(*shops, office)
    await eventually(partial(unacknowledged, office), [])
    for shop in shops:
        await eventually(partial(unacknowledged, shop), [])


async def test_of_last_days_read_apart_at_goods_in_the_earlier_stands_in_every_shop(
    here: Here,
) -> None:
    shops = [await here.node("S01"), await here.node("S02")]
    office = await here.node("office", role=Role.OFFICE)
    await settled(*shops, office)
    await here.hub.stop()
    for shop, day in zip(shops, ("2999-06-30", "2999-01-31"), strict=True):
        line = Line(PILLS, L1, delta=5, facts={"expiry": day})
        goods = Movement(MoveKind.RECEIVE, Location(shop.certificate.name), (line,))
        await shop.node.record(TILL, goods, "parcel")
    await here.hub.start()
    await settled(*shops, office)
    for node in (*shops, office):
        await eventually(partial(Desk(node).sees, "lots", "pills/L1", "expiry"), ("2999-01-31",))
        assert await node.problems() == []
        assert (await node.status())["quarantined"] == 0
