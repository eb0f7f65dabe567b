"""Who left is out for good, and everybody knows it (I19): the revoked at once, the retired once all they had is here.

Invariant: a retired node is asked for everything that it ever answered, unless the hub was put back to a backup from
before it had gone; a revoked one for nothing that the hub had not.
That nobody is let in who is known to have left is watched by triggers in the hub's database.
"""

from itertools import pairwise
from typing import Final

from protocol.departure import verify
from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.fleet import Order
from tests.sim.machines import NodeMachine, was_told

GONE_RETRY_S: Final = 60.0
"""Who was told that it left asks again no sooner, for ever."""


def unrest(chain: Chain, machine: NodeMachine, order: Order) -> str | None:
    """What a node that leaves has still to do, or to hear; None when it is out."""
    left = reading.departures(chain.hub.disk.db)
    if order.node not in left:
        return f"{machine.name} was told to leave, and has not"
    assert machine.node is not None, "it serves"
    if machine.node._uplink.connected:
        return f"{machine.name} has left, and is connected"
    if not was_told(machine.node):
        return f"{machine.name} has not heard that it left"
    return None


def check(chain: Chain) -> None:
    """Look at who left, and at what those who stay know of it."""
    db = chain.hub.disk.db
    known = reading.departure_records(db)
    for machine in chain.staying:
        if reading.departure_records(machine.disk.db) != known:
            chain.complain(f"I19: {machine.name} does not know who left")
    for order in chain.orders.values():
        record = known.get(order.node)
        identity = chain.hub.identity
        if record is None:
            chain.complain(f"I19: {order.name} has not left")
        elif (reason := verify(record, identity.public_key, identity.chain).reason) != order.reason:
            chain.complain(f"I19: {order.name} was to be {order.reason}, and was {reason}")
    for name, machine in chain.nodes.items():
        _asks_seldom(chain, machine)
        if machine.order is not None and name not in chain.custody.left_out:
            _whole_log(chain, machine)


def _whole_log(chain: Chain, machine: NodeMachine) -> None:
    """The hub has all of a retired node's log, byte for byte."""
    replica = bytes(reading.position(machine.disk.db)["id"])
    here = chain.hub.disk.db.execute(
        "SELECT acked, chain FROM replica WHERE replica = ?", (replica,)
    ).fetchone()
    acked = (0, None) if here is None else (here["acked"], bytes(here["chain"]))
    bodies = reading.log_bodies(machine.disk.db)
    if bodies and (bodies[-1][0], bytes(bodies[-1][2])) != acked:
        chain.complain(
            f"I19: {machine.name} was retired with {bodies[-1][0]} operations, of which the hub has"
            f" {acked[0]}"
        )


def _asks_seldom(chain: Chain, machine: NodeMachine) -> None:
    """Who was told comes back once a minute at most, so that a drawer full of old machines costs nothing."""
    for (process, at_s, knew), (next_process, next_s, knows) in pairwise(machine.dials):
        is_told = knew and knows and process is next_process
        if is_told and next_s - at_s < GONE_RETRY_S:
            chain.complain(f"I19: {machine.name} left, and asks again after {next_s - at_s:.1f} s")
