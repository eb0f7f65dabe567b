"""What a till repeats at another node of its location: it counts once, was sealed twice, and opens wherever it is held."""

import asyncio
import sqlite3

from node.commands.sealing import FIELD
from node.replica import movements, sealed
from protocol.frames.keys import Keys
from protocol.ids import OpId
from protocol.sealing import Binding, box_digest, unseal
from tests.node.reunion.here import Here, NodeHere, eventually
from tests.node.reunion.test_sealed import (
    PATIENT,
    PHARMACIST,
    RECOVERY,
    asks_now,
    destroyed_at,
    dispense,
    handed_in,
    heard_of,
    opens,
    recovered,
    with_recovery,
)
from tests.store.shop import CHAIN

REPEATS = 6
"""So many that chance does not let each node keep the key of its own box."""


async def test_what_a_till_repeats_at_the_other_node_before_they_met_opens_everywhere(
    here: Here,
) -> None:
    shop, standby = await shop_and_standby(here)
    await here.hub.stop()
    ids = [await dispense(shop, f"k{number}") for number in range(REPEATS)]
    assert [await dispense(standby, f"k{number}") for number in range(REPEATS)] == ids
    await here.hub.start()
    for node in (shop, standby):
        await eventually(lambda node=node: handed_in(node), True)  # type: ignore[misc]
        await eventually(node.is_settled, True)
    assert await asyncio.to_thread(recovered, here) == [PATIENT] * REPEATS
    spare = await here.node("S01c", writes=("S01",))
    await with_recovery(here, shop, standby, spare)
    for node in (shop, standby, spare):
        await asks_now(node)  # and hears what the others sealed
        await node.hears(Keys)
        await eventually(node.is_settled, True)
    await spare.node.sealed.recover(RECOVERY)
    for node in (shop, standby, spare):
        assert [await opens(node, id_) for id_ in ids] == [PATIENT] * REPEATS
        assert [await recovered_of(node, id_) for id_ in ids] == [PATIENT] * REPEATS
        assert await node.problems() == []
        assert await node.asks("SELECT code FROM quarantined") == []


async def test_what_a_till_repeats_at_the_other_node_that_has_heard_of_it_opens_there(
    here: Here,
) -> None:
    shop, standby = await shop_and_standby(here)
    ids = [await dispense(shop, f"k{number}") for number in range(REPEATS)]
    await eventually(lambda: handed_in(shop), True)
    await asks_now(standby)
    for id_ in ids:
        await eventually(lambda id_=id_: opens(standby, id_), PATIENT)  # type: ignore[misc]
    assert [await dispense(standby, f"k{number}") for number in range(REPEATS)] == ids
    assert [await opens(standby, id_) for id_ in ids] == [PATIENT] * REPEATS
    await eventually(lambda: handed_in(standby), True)
    assert [await opens(shop, id_) for id_ in ids] == [PATIENT] * REPEATS
    assert await asyncio.to_thread(recovered, here) == [PATIENT] * REPEATS


async def test_what_was_sealed_at_two_nodes_is_erased_at_both_and_is_not_sealed_again(
    here: Here,
) -> None:
    shop, standby = await shop_and_standby(here)
    await here.hub.stop()
    id_ = await dispense(shop, "k1")
    assert await dispense(standby, "k1") == id_
    assert await shop.node.sealed.erase(PHARMACIST, id_)
    assert await opens(standby, id_) == PATIENT, "it has not heard of it yet"
    await here.hub.start()
    for node in (shop, standby):
        await eventually(lambda node=node: handed_in(node), True)  # type: ignore[misc]
    for node in (shop, standby):
        await asks_now(node)
        await eventually(lambda node=node: opens(node, id_), "sealed_erased")  # type: ignore[misc]
        assert len(await node.asks("SELECT * FROM record_key")) == 1
    await eventually(lambda: destroyed_at(here), True)
    late = await here.node("S01c", writes=("S01",))
    await with_recovery(here, shop, standby, late)
    await asks_now(late)
    await eventually(lambda: opens(late, id_), "sealed_erased")
    assert await dispense(late, "k1") == id_
    assert await opens(late, id_) == "sealed_erased"
    assert await asyncio.to_thread(recovered, here) == []


async def shop_and_standby(here: Here) -> list[NodeHere]:
    """Two nodes of one location that seal for each other."""
    nodes = [await here.node("S01"), await here.node("S01b", writes=("S01",))]
    await with_recovery(here, *nodes)
    for node in nodes:
        await asks_now(node)
        await eventually(lambda node=node: heard_of(node), 2)  # type: ignore[misc]
        await eventually(node.is_settled, True)
    return nodes


async def recovered_of(node: NodeHere, id_: OpId) -> object:
    """What the chain's recovery key opens of what this node holds of a movement."""

    def read(db: sqlite3.Connection) -> object:
        found = movements.one(db, id_)
        assert found is not None
        box = found.operation.details["sealed"]
        assert isinstance(box, bytes)
        key = sealed.key_of(db, id_, box_digest(box))
        binding = Binding(CHAIN, "S01", id_, FIELD)
        data_key = None if key is None else key.opened(binding, [RECOVERY])
        return None if data_key is None else unseal(box, binding, data_key)

    return await node.node._store.read(read)
