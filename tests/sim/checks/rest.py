"""Rest (I16): everybody connected, outboxes empty, feeds read to their end, within a budget of virtual time."""

from tests.sim.chain import Chain


def unrest(chain: Chain) -> str | None:
    """What is not at rest yet; None when all is."""
    if chain.hub.hub is None:
        return "the hub does not serve"
    head = chain.hub.hub.feed.head.hub_seq
    for machine in chain.nodes.values():
        node = machine.node
        if node is None:
            return f"{machine.name} does not serve"
        if not node._uplink.connected:
            return f"{machine.name} is not connected: {node._uplink.local.last_error}"
        db = machine.disk.db
        last, acked = db.execute(
            "SELECT (SELECT coalesce(max(seq), 0) FROM log), acked FROM replica"
        ).fetchone()
        if acked < last:
            return f"{machine.name} has {last - acked} operations to send"
        behind = db.execute(
            "SELECT scope, cursor FROM scope WHERE held AND (NOT caught_up OR cursor < ?)", (head,)
        ).fetchone()
        if behind is not None:
            return f"{machine.name} has read {behind[0]} up to {behind[1]} of {head}"
    return None
