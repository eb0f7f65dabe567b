"""Rest (I16): everybody connected, outboxes empty, feeds read to their end, books right, within a budget of virtual time."""

from tests.sim import reading, rot
from tests.sim.chain import Chain
from tests.sim.checks import lateness, leaks, leaving
from tests.sim.machines import NodeMachine


def unrest(chain: Chain) -> str | None:
    """What is not at rest yet; None when all is."""
    if chain.hub.hub is None:
        return "the hub does not serve"
    head = chain.hub.hub.feed.head.hub_seq
    for machine in chain.nodes.values():
        if machine.node is None:
            return f"{machine.name} does not serve"
        order = machine.order
        still = (
            _unrest_of(chain, machine, head)
            if order is None
            else leaving.unrest(chain, machine, order)
        )
        if still is not None:
            return still
    return _untold(chain)


def _unrest_of(chain: Chain, machine: NodeMachine, head: int) -> str | None:
    node, db = machine.node, machine.disk.db
    assert node is not None, "it serves"
    if not node._uplink.connected:
        return f"{machine.name} is not connected: {node._uplink.local.last_error}"
    last, acked = db.execute(
        "SELECT (SELECT coalesce(max(seq), 0) FROM log), acked FROM replica"
    ).fetchone()
    if acked < last:
        return f"{machine.name} has {last - acked} operations to send"
    behind = db.execute(
        "SELECT scope, cursor FROM scope WHERE held AND (NOT caught_up OR cursor < ?)", (head,)
    )
    for scope, cursor in behind.fetchall():
        family, _, location = scope.partition(":")
        if chain.is_unheard_of(location, family):
            chain.probe("a shelf is unknown to the hub, and nobody has anything of it to send")
            continue
        return f"{machine.name} has read {scope} up to {cursor} of {head}"
    return None


def _untold(chain: Chain) -> str | None:
    for scope in sorted(chain.rotten):
        if not rot.is_mended(chain, scope):
            return f"{scope} has still to be mended"
    known = reading.departures(chain.hub.disk.db)
    for machine in chain.staying:
        if reading.departures(machine.disk.db) != known:
            return f"{machine.name} has still to hear who left"
    return leaks.unbooked(chain) or lateness.unsaid(chain)
