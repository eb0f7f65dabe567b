"""What the hub could not take is known where it came from, and nothing waits behind it (I13)."""

from tests.sim import reading
from tests.sim.chain import Chain


def check(chain: Chain) -> None:
    """Look for every operation without effect in the list of the node that goes on with its log."""
    told = {
        bytes(reading.position(machine.disk.db)["id"]): {
            seq for (seq,) in machine.disk.db.execute("SELECT seq FROM quarantined")
        }
        for machine in chain.staying
    }
    for each in reading.hub_ledger(chain.hub.disk.db):
        if each.code is not None:
            chain.probe(f"quarantined: {each.code}")
        if each.code is not None and each.seq not in told.get(each.replica, {each.seq}):
            chain.complain(f"I13: {each.node} was not told that {each.seq} is {each.code}")
