"""Nobody holds what is not for them (I14): the scopes of a node at rest are those that its certificate lets it read."""

from protocol.ids import Scope
from tests.sim.chain import Chain


def check(chain: Chain) -> None:
    """Compare what each node holds with what it may read."""
    for machine in chain.staying:  # who was let go has not been told to forget its own shelf
        reads = machine.certificate.reads_scope
        for (scope,) in machine.disk.db.execute(
            "SELECT scope FROM scope WHERE held ORDER BY scope"
        ):
            if not reads(Scope(scope)):
                chain.complain(f"I14: {machine.name} holds {scope}, which it may not read")
