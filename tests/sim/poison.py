"""A movement that the hub must not take: recorded by a device that was given a wrong certificate for a moment.

Invariant: it is written by production code, like any other movement; only the rights that it was checked by are made
up. The hub knows better, keeps it without effect and goes on.
"""

import random
import sqlite3
from dataclasses import replace
from typing import Final

from node.commands import movements
from node.commands.requests import Authority, Caller, Line, Movement
from node.node import Node
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from runtime.store import StoreError
from tests.sim.chain import Chain
from tests.sim.machines import NoAnswer

ELSEWHERE: Final = Location("nobody's")
CALLER: Final = Caller("a till elsewhere", Authority.TILL)
PATIENCE_S: Final = 5.0


async def record_elsewhere(chain: Chain, rng: random.Random) -> None:
    """A node records at a location that is none of its own."""
    shops = [machine for machine in chain.nodes.values() if not machine.is_office]
    machine = rng.choice(shops)  # an office may correct stock anywhere
    if machine.order is not None:
        return
    lines = (Line(Sku("poison"), Lot(""), delta=rng.randint(1, 9)),)
    movement = Movement(MoveKind.RECEIVE, ELSEWHERE, lines)
    key = f"poison {chain.faults['poison']}"
    chain.fault("poison", machine.name)

    async def record(node: Node) -> None:
        here = node._here()
        allowed = here.certificate._replace(writes=(*here.certificate.writes, ELSEWHERE))
        wrong = replace(here, certificate=allowed)

        def write(db: sqlite3.Connection) -> object:
            return movements.record(db, wrong, CALLER, movement, key)

        await node._write(write)

    try:
        await machine.ask(record, PATIENCE_S)
    except (NoAnswer, StoreError):
        chain.probe("poison came to nothing")
