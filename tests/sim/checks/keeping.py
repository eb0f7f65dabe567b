"""What a node answered stays in its hands (I2, I11): nothing but a disaster to its own disk takes an operation from it.

Invariant: that the hub has it too does not count. A hub can be put back, and then the nodes are all there is.
"""

from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.ledger import Ledger


def check(chain: Chain, ledger: Ledger) -> None:
    """Look for everything that a disk has answered for since it was last rolled back."""
    held = {name: reading.log_ids(machine.disk.db) for name, machine in chain.nodes.items()}
    for id_, request in ledger.requests.items():
        for name, history in request.answers:
            machine = chain.nodes.get(name)
            if machine is None or machine.history != history or id_ in held[name]:
                continue
            chain.complain(f"I11: {name} answered {request.key}, and has let go of it")
