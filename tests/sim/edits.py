"""What a clerk may say of what the chain shares: SKUs, lots and their recalls; and of a shop's own levels.

Rule: whoever is first creates a document, and two may be, since neither has heard of the other.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from node.commands.documents import Written
from node.commands.lots import Acknowledgement
from node.commands.requests import Caller
from node.node import Node
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, Sku
from tests.sim.clients import SKUS
from tests.sim.machines import NodeMachine

LOT = Lot("A")
"""The one that tills and clerks name."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, under one idempotency key."""

    route: str
    """Of its keys."""
    run: Callable[[Node, Caller, str], Awaitable[Written]]
    may_be_nothing: bool = False
    """Whether it may say what is there already."""


def draw(rng: random.Random, machine: NodeMachine, locations: list[str]) -> Edit:
    """Something to say, at a machine whose node may say it of these locations."""
    sku, word = rng.choice(SKUS), rng.choice(("red", "blue", "green"))
    location, number = rng.choice(locations), rng.randint(0, 9)
    collection = rng.choice(("skus", "levels", "lots"))
    if collection == "skus":
        codes: dict[str, object] = {"id": sku}
        said: dict[str, object] = {"name": word, "minimum": number}
    elif collection == "levels":
        codes, said = {"location": location, "sku": sku}, {"minimum": number}
    else:
        if rng.random() < 0.5:
            return _recall(rng, machine, sku, location)
        codes, said = {"sku": sku, "code": LOT}, {"note": word}
    declared, id_ = COLLECTIONS[collection], "/".join(map(str, codes.values()))

    async def create(node: Node, caller: Caller, key: str) -> Written:
        return await node.documents.create(caller, declared, {**codes, **said}, key)

    async def change(node: Node, caller: Caller, key: str) -> Written:
        return await node.documents.change(caller, declared, id_, said, key)

    if _is_there(machine, collection, id_):
        return Edit(f"{collection}/{id_}", change, may_be_nothing=True)
    return Edit(collection, create)


def _recall(rng: random.Random, machine: NodeMachine, sku: Sku, location: str) -> Edit:
    """The office calls a lot back, now and then; shops answer."""
    route, number = f"lots/{sku}/{LOT}", rng.randint(0, 9)

    async def recall(node: Node, caller: Caller, key: str) -> Written:
        return await node.recalls.recall(caller, sku, LOT, "a bad smell", key)

    async def acknowledge(node: Node, caller: Caller, key: str) -> Written:
        given = Acknowledgement(Location(location), number)
        return await node.recalls.acknowledge(caller, sku, LOT, given, key)

    if machine.is_office:
        return Edit(f"{route}/recall", recall, may_be_nothing=True)
    return Edit(f"{route}/acknowledge", acknowledge, may_be_nothing=True)


def _is_there(machine: NodeMachine, collection: str, id_: str) -> bool:
    found = machine.disk.db.execute(
        "SELECT 1 FROM document WHERE collection = ? AND id = ?", (collection, id_)
    )
    return found.fetchone() is not None
