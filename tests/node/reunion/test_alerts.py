"""Alerts at several nodes: each raises them by itself, and what a person has seen at one is seen at all."""

from functools import partial

from node.alerting.state import AlertQuery
from node.commands.requests import Authority, Caller, Line, Movement
from protocol.certificate import Role
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from tests.node.reunion.here import Here, NodeHere, eventually, settled

CLERK = Caller("till-1", Authority.TILL)
TEA = Sku("tea")
Shown = list[tuple[object, object, object]]


async def moves(node: NodeHere, delta: int, key: str) -> None:
    """Correct what is on the shelf of S01."""
    line = Line(TEA, Lot(""), delta)
    move = Movement(MoveKind.ADJUST, Location("S01"), (line,), reason="counted")
    await node.node.record(CLERK, move, key)


async def shown(node: NodeHere) -> Shown:
    """Every alert: what it is, whether it is raised, who has seen it."""
    found, _ = await node.node.alerts.page(AlertQuery())
    return [(one["kind"], one["open"], one["acknowledged_by"]) for one in found]


async def acknowledges(node: NodeHere, key: str) -> None:
    """Somebody has seen the one that is raised."""
    (alert,), _ = await node.node.alerts.page(AlertQuery(is_open=True))
    await node.node.alerts.acknowledge(CLERK, bytes.fromhex(str(alert["id"]).replace("-", "")), key)


async def test_what_a_person_has_seen_at_one_node_is_seen_at_the_others_until_it_begins_again(
    here: Here,
) -> None:
    first, spare = await here.node("S01"), await here.node("spare", writes=("S01",))
    await settled(first, spare)
    await moves(first, -1, "sold too many")
    for node in (first, spare):
        await eventually(partial(shown, node), [("negative", True, None)])
    await here.hub.stop()
    await acknowledges(first, "seen")
    assert await shown(first) == [("negative", True, "till-1")]
    assert await shown(spare) == [("negative", True, None)]
    await here.hub.start()
    await settled(first, spare)
    await eventually(partial(shown, spare), [("negative", True, "till-1@S01")])
    await moves(spare, 1, "found")
    for node in (first, spare):
        await eventually(partial(shown, node), NEGATIVE_ENDED[node is first])
    await moves(spare, -1, "sold again")
    for node in (first, spare):
        await eventually(partial(shown, node), [("negative", True, None)])
    for node in (first, spare):
        assert await node.problems() == []


NEGATIVE_ENDED = {
    True: [("negative", False, "till-1")],
    False: [("negative", False, "till-1@S01")],
}


async def test_what_was_seen_before_it_was_raised_here_wants_to_be_seen_here_too(
    here: Here,
) -> None:
    first = await here.node("S01")
    office = await here.node("office", role=Role.OFFICE, writes=("S01",))
    await settled(first, office)
    await office.stop()
    await moves(first, -1, "sold too many")
    await eventually(partial(shown, first), [("negative", True, None)])
    await acknowledges(first, "seen")
    await settled(first)
    await office.start()
    await settled(first, office)
    await eventually(partial(shown, office), [("negative", True, None)])
