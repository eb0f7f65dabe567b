"""Shops that come and go while everything goes on: a new one opens, one closes in good order, one is robbed.

Invariant: who orders a departure and hears nothing orders it again once all is healed; whoever was answered does so only
if the word is on no disk any more but the leaver's own. In every other case the chain itself has to remember.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from hub.fleet import Enrolment
from hub.store.interface import Refused
from protocol.departure import Reason
from protocol.ids import NodeId
from runtime.store import StoreError
from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.machines import OPERATOR_PATIENCE_S, NoAnswer, NodeMachine

OPENED_MAX: Final = 2
LEAVING_MAX: Final = 2
ORDERED_AGAIN_S: Final = 2.0
ORDERED_FOR_S: Final = 300.0


@dataclass(slots=True)
class Order:
    """That a node is to leave, for good."""

    node: NodeId
    name: str
    reason: Reason
    is_answered: bool = False
    """Whether the operator knows that the hub has heard it."""


async def open_shop(chain: Chain, _rng: random.Random) -> None:
    """Enrol a shop that nobody had heard of, with shelves of its own."""
    number = chain.faults["shop opened"] + 1
    name = f"N{number:02}"
    if number > OPENED_MAX or name in chain.nodes:
        return
    machine = NodeMachine(chain, name)
    try:
        await machine.join(Enrolment(name=name, writes=(name, f"{name}-back")))
    except (Refused, StoreError, NoAnswer):
        return
    chain.fault("shop opened", name)
    chain.nodes[name] = machine
    machine.start()
    chain.joined(machine)


async def retire_node(chain: Chain, rng: random.Random) -> None:
    """Take a node out of service in good order."""
    machine = _leaver(chain, rng)
    # A folder that runs twice is one node: it leaves when one of the two has delivered what it knows of.
    if machine is None or len(chain.copies_of(machine)) > 1:
        return
    chain.fault("node retired", machine.name)
    await _order(chain, machine, Reason.RETIRED)


async def revoke_node(chain: Chain, rng: random.Random) -> None:
    """Keep a stolen machine out, and all that it has not delivered."""
    machine = _leaver(chain, rng)
    if machine is None:
        return
    chain.fault("node revoked", machine.name)
    chain.custody.steal(chain.copies_of(machine))
    await _order(chain, machine, Reason.REVOKED)


async def order_again(chain: Chain) -> None:
    """A cure: give every order again that was not heard, or that nobody can remember; returns when all are heard."""
    for order in chain.orders.values():
        if order.is_answered and not _is_remembered(chain, order):
            chain.probe(f"nobody remembers that a node was {order.reason}")
            order.is_answered = False
        until_s = chain.loop.time() + ORDERED_FOR_S
        while not order.is_answered:
            await _give(chain, order)
            if not order.is_answered:
                await asyncio.sleep(ORDERED_AGAIN_S)
            if chain.loop.time() > until_s:
                chain.complain(f"I19: {order.name} cannot be {order.reason}")
                break


def _leaver(chain: Chain, rng: random.Random) -> NodeMachine | None:
    """Somebody who may leave: others stay, who can tell of it."""
    machine = rng.choice(list(chain.nodes.values()))
    staying = {each.enrolled_as for each in chain.nodes.values() if each.order is None}
    if machine.order is not None or len(chain.orders) >= LEAVING_MAX or len(staying) < 2:
        return None
    return machine


async def _order(chain: Chain, machine: NodeMachine, reason: Reason) -> None:
    order = Order(machine.certificate.node, machine.enrolled_as, reason)
    chain.orders[order.node] = order
    await _give(chain, order)


async def _give(chain: Chain, order: Order) -> None:
    hub, fleet, sessions = chain.hub.hub, chain.hub.fleet, chain.hub.sessions
    if hub is None or fleet is None or sessions is None:
        return

    # A hub put back to a backup may have it under another name: the operator looks at the list of nodes.
    name = reading.name_of(chain.hub.disk.db, order.node) or order.name

    async def retire() -> None:
        sessions.retire(await fleet.retire(name))

    async def revoke() -> None:
        # By its id, as an operator has to whose hub may have forgotten the name.
        await hub.departures.revoke(order.node.hex())

    try:
        await chain.hub.do(
            retire if order.reason is Reason.RETIRED else revoke, OPERATOR_PATIENCE_S
        )
    except Refused as refused:
        # It has gone, or it joined after the backup that the hub was put back to, and has not come back yet.
        order.is_answered = refused.code.value in set(Reason)
    except (StoreError, NoAnswer):
        return
    else:
        order.is_answered = True
    chain.note("ordered", order.reason, order.name, order.is_answered)


def _is_remembered(chain: Chain, order: Order) -> bool:
    # Who is let in no more can tell nobody.
    disks = [chain.hub.disk.db, *(each.disk.db for each in chain.staying)]
    if any(order.node in reading.departures(disk) for disk in disks):
        return True
    return order.reason is Reason.RETIRED and order.node in reading.retiring(chain.hub.disk.db)
