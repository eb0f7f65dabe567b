"""Nothing piles up (I15): a process at rest has as few tasks as it began with, however much has happened to it."""

from typing import Final

from tests.sim.chain import Chain

TASKS_MAX: Final = 24
"""Of a node at rest: half a dozen of the daemon, and half a dozen of its one session; a third of this when it was written."""
TASKS_PER_SESSION_MAX: Final = 8
"""Of the hub: those of its sessions, of which a few may be half open still."""


def check(chain: Chain) -> None:
    """Count tasks."""
    for machine in chain.nodes.values():
        if machine.process is not None and len(machine.process.tasks) > TASKS_MAX:
            chain.complain(f"I15: {machine.name} has {len(machine.process.tasks)} tasks at rest")
    hub = chain.hub.process
    most = TASKS_MAX + TASKS_PER_SESSION_MAX * len(chain.connections)
    if hub is not None and len(hub.tasks) > most:
        chain.complain(f"I15: the hub has {len(hub.tasks)} tasks at rest")
