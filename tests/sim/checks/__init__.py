"""What must hold: while everything goes wrong, when all is healed, and at the end. One module for each kind of promise."""

from tests.sim.chain import Chain
from tests.sim.checks import (
    agreement,
    bounds,
    conservation,
    delivery,
    encounters,
    keeping,
    lateness,
    leaks,
    leaving,
    mending,
    outcomes,
    refusals,
    rights,
    soundness,
)
from tests.sim.checks.escapes import Ears
from tests.sim.checks.rest import unrest
from tests.sim.checks.watch import Watch
from tests.sim.ledger import Ledger

__all__ = ["Ears", "Watch", "at_the_end", "unrest"]


def at_the_end(chain: Chain, ledger: Ledger) -> None:
    """Everything that can be asked of a chain at rest."""
    delivery.check(chain, ledger)
    agreement.check(chain)
    soundness.check(chain)
    keeping.check(chain, ledger)
    rights.check(chain)
    refusals.check(chain)
    bounds.check(chain)
    mending.check(chain)
    leaving.check(chain)
    if ledger.filed:
        conservation.check(chain)
        leaks.check(chain)
        outcomes.check(chain)
        lateness.check(chain)
        encounters.note(chain)
