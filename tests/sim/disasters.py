"""Disasters: what takes data, brings old data back, or makes two of one.

Invariant: every step that rolls a disk back or destroys it runs inside `chain.custody.disaster()`, which notes what was
nowhere else. Operators do what the product offers them; only images of disks are moved by hand.
"""

import contextlib
import random
from typing import Final

from hub.fleet import AccessChange, Enrolment
from hub.store.interface import Refused
from protocol.certificate import ALL, Certificate
from protocol.departure import Reason
from runtime.store import StoreError
from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.machines import OPERATOR_PATIENCE_S, NoAnswer, NodeMachine

IMAGES_MAX: Final = 4
CLONES_MAX: Final = 2


def _node(chain: Chain, rng: random.Random) -> NodeMachine:
    return rng.choice(list(chain.nodes.values()))


def _retires(machine: NodeMachine) -> bool:
    """Whether it would sell again under a right that has ended, and never be let in to deliver that."""
    return machine.order is not None and machine.order.reason is Reason.RETIRED


def _has_retired(chain: Chain, machine: NodeMachine) -> bool:
    """Whether somebody may tell the hub, whatever it is put back to, that this node was let go."""
    if (order := machine.order) is None or order.reason is not Reason.RETIRED:
        return False
    disks = [chain.hub.disk.db, *(each.disk.db for each in chain.staying)]
    return any(order.node in reading.departures(disk) for disk in disks)


async def back_node_up(chain: Chain, rng: random.Random) -> None:
    """Keep an image of a node's disk."""
    machine = _node(chain, rng)
    chain.fault("node backed up", machine.name)
    machine.images = [*machine.images[-IMAGES_MAX:], machine.disk.image()]


async def restore_node(chain: Chain, rng: random.Random) -> None:
    """Put an older image of a node's disk in its place."""
    machine = _node(chain, rng)
    if not machine.images or _retires(machine):
        return
    chain.fault("node restored", machine.name)
    machine.kill("restore", silently=rng.random() < 0.5)
    with chain.custody.disaster():
        machine.disk.restore(rng.choice(machine.images))
        machine.history += 1
    machine.start()


async def clone_node(chain: Chain, rng: random.Random) -> None:
    """Copy a node's disk to a second machine, and let both run."""
    original = _node(chain, rng)
    if sum("~" in name for name in chain.nodes) >= CLONES_MAX or original.order is not None:
        return
    chain.fault("node copied", original.name)
    name = f"{original.name}~{len(chain.nodes)}"
    image = original.disk.image()
    if original.images and rng.random() < 0.3:
        image = rng.choice(original.images)
    copy = chain.node(name)
    copy.disk.restore(image)
    copy.take_identity_of(original)
    copy.start()
    chain.joined(copy)


async def reformat_node(chain: Chain, rng: random.Random) -> None:
    """Lose a node's disk; a spare takes its place."""
    fleet, old = chain.hub.fleet, _node(chain, rng)
    if fleet is None or old.is_office or "~" in old.name or old.name.endswith("++"):
        return
    if old.order is not None:
        return
    name = f"{old.name}+"
    wish = Enrolment(name=name, writes=old.locations, replaces=old.enrolled_as)
    spare = NodeMachine(chain, name)
    try:
        await spare.join(wish)
    except (Refused, StoreError, NoAnswer):
        return
    chain.fault("node replaced by a spare", old.name)
    old.kill("its disk is gone")
    old.is_scrap = True
    with chain.custody.disaster():
        del chain.nodes[old.name]
        chain.nodes[name] = spare
    spare.start()
    chain.joined(spare)


async def back_hub_up(chain: Chain, _rng: random.Random) -> None:
    """Take a backup of the hub; if it serves, the backup counts from now on."""
    chain.fault("hub backed up")
    hub, serving = chain.hub, chain.hub.hub
    image = hub.disk.image()
    hub.images = [*hub.images[-IMAGES_MAX:], image]
    hub.first_image = hub.first_image or image
    if serving is None:
        return
    backup = hub.verified_backup(image)
    with contextlib.suppress(Refused, StoreError, NoAnswer):
        await hub.do(lambda: serving.stable.record(backup), OPERATOR_PATIENCE_S)


async def prune_logs(chain: Chain, rng: random.Random) -> None:
    """The nodes do their daily work: they cut off the log what is in two verified backups of the hub, which are taken."""
    for _ in range(2):
        await back_hub_up(chain, rng)
    for machine in rng.sample(list(chain.nodes.values()), len(chain.nodes)):
        before = machine.disk.db.execute("SELECT count(*) FROM log").fetchone()[0]
        with contextlib.suppress(StoreError, NoAnswer):
            await machine.ask(
                lambda node: node._housekeeping._in_pieces(node._housekeeping._prune), 20
            )
        if machine.disk.db.execute("SELECT count(*) FROM log").fetchone()[0] < before:
            chain.fault("log cut", machine.name)


async def restore_hub(chain: Chain, rng: random.Random) -> None:
    """Put an older image of the hub's disk in its place, and tell nobody."""
    _restore_hub(chain, rng, declared=False)


async def restore_hub_declared(chain: Chain, rng: random.Random) -> None:
    """Restore the hub as its operator should: a new epoch begins."""
    _restore_hub(chain, rng, declared=True)


async def restore_hub_far_back(chain: Chain, rng: random.Random) -> None:
    """Restore the hub from the oldest backup, when nodes have cut off what is in newer ones: those cannot be read."""
    if chain.hub.first_image is not None and chain.faults["log cut"]:
        chain.hub.images = [chain.hub.first_image]
        _restore_hub(chain, rng, declared=True)


def _restore_hub(chain: Chain, rng: random.Random, *, declared: bool) -> None:
    hub = chain.hub
    if not hub.images:
        return
    chain.fault("hub restored, declared" if declared else "hub restored, undeclared")
    hub.kill("restore", silently=rng.random() < 0.5)
    with chain.custody.disaster():
        for machine in chain.nodes.values():
            if _has_retired(chain, machine):
                chain.custody.leave_out(machine)
        hub.disk.restore(rng.choice(hub.images))
        hub.history += 1
        if declared:
            hub.mint_epoch()
    hub.start()


def _note_granted(chain: Chain, machine: NodeMachine, held: Certificate) -> None:
    for each in chain.nodes.values():
        if each.enrolled_as == machine.enrolled_as:
            each.granted.append((chain.loop.time(), held))


async def change_access(chain: Chain, rng: random.Random) -> None:
    """Let a node see other shelves than before, while it runs."""
    machine, fleet, sessions = _node(chain, rng), chain.hub.fleet, chain.hub.sessions
    if fleet is None or sessions is None or machine.is_office:
        return
    others = [location for each in chain.nodes.values() for location in each.locations]
    reads = (ALL,) if rng.random() < 0.4 else tuple(rng.sample(others, min(2, len(others))))
    held = machine.certificate
    # Before too: it is in force from the hub's commit on, and the operator hears of that later or never. By then the node may
    # not even have heard of the one that ends, by which the hub sends until it has told the session.
    _note_granted(chain, machine, held)
    if (ends := chain.hub.certificate_held_of(machine)) is not None:
        _note_granted(chain, machine, ends)
    try:
        change = AccessChange(name=machine.enrolled_as, reads=reads)
        grant = await chain.hub.do(lambda: fleet.change_access(change), OPERATOR_PATIENCE_S)
    except (Refused, StoreError, NoAnswer):
        return
    chain.fault("access changed", machine.name, reads)
    _note_granted(chain, machine, held)
    if chain.hub.sessions is sessions:
        sessions.regrant(grant)
