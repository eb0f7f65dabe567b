"""A client of a node: it asks, waits, gives up, and asks again with the same key and body.

Invariant: nothing is concluded from silence; what was asked and not answered may or may not have been recorded.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from node.commands.requests import Authority, Caller, Refusal
from node.node import Node
from protocol.ids import Lot, Sku
from runtime.store import StoreError
from tests.sim.chain import Chain
from tests.sim.ledger import Ledger
from tests.sim.machines import NoAnswer, NodeMachine

T = TypeVar("T")
PATIENCE_S: Final = 5.0
TRIES_MAX: Final = 6
SKUS: Final = tuple(Sku(f"sku-{number}") for number in range(8))
LOTS: Final = (Lot(""), Lot(""), Lot("A"))


@dataclass(slots=True)
class Rates:
    """How clients behave in one run."""

    pause_s: float = 20.0
    """Between two requests of a client, at most."""
    lose_answer: float = 0.05
    misuse_key: float = 0.03
    repeat_later: float = 0.05
    lines_max: int = 4


class Client:
    """What tills and clerks have in common.

    Args:
        chain: of the machine.
        machine: at which it works.
        ledger: where all that it asks for is entered first.
        rates: how it behaves.
        who: what it is and its number, which with the machine name its token and its stream of random numbers.
        authority: of its token.
    """

    def __init__(
        self,
        chain: Chain,
        machine: NodeMachine,
        ledger: Ledger,
        rates: Rates,
        who: tuple[str, int],
        authority: Authority,
    ) -> None:
        what, number = who
        self.caller = Caller(f"{what}-{machine.name}-{number}", authority)
        self._chain = chain
        self._machine = machine
        self._ledger = ledger
        self._rates = rates
        self._rng = random.Random(f"{chain.seed} {what} {machine.name} {number}")
        self._keys = 0

    async def ask(
        self, work: Callable[[Node], Awaitable[T]], machine: NodeMachine | None = None
    ) -> T | Refusal | None:
        """Ask once, of the machine it works at or of another one; None when no answer came."""
        try:
            answer = await (machine or self._machine).ask(work, PATIENCE_S)
        except Refusal as refusal:
            return refusal
        except NoAnswer:
            return None
        except StoreError:
            self._chain.probe("store refused")
            return None
        if self._rng.random() < self._rates.lose_answer:
            self._chain.fault("answer lost")
            return None
        return answer

    def key(self) -> str:
        """A new idempotency key."""
        self._keys += 1
        return f"{self.caller.name}-{self._keys}"
