"""The databases add up by themselves (I4): the product's own `verify`, and SQLite's."""

from hub.store.sqlite import audit
from node.replica import verify
from tests.sim.chain import Chain


def check(chain: Chain) -> None:
    """Verify every disk."""
    for problem in audit.problems(chain.hub.disk.db, lambda _done, _all: None):
        chain.complain(f"I4: hub: {problem}")
    for machine in chain.nodes.values():
        if machine.order is not None and chain.rotten:
            continue  # nobody tells it any more what had rotted
        for problem in verify.problems(machine.disk.db):
            chain.complain(f"I4: {machine.name}: {problem}")
    for machine in (chain.hub, *chain.nodes.values()):
        (answer,) = machine.disk.db.execute("PRAGMA quick_check").fetchone()
        if answer != "ok":
            chain.complain(f"I4: {machine.name}: {answer}")
