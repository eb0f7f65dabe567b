"""What was asked of the chain and what was answered: the oracle's own book, kept apart from the product.

Invariant: a request is in here before it is sent. An answer is entered when a till has it in hand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from node.commands.requests import Movement
from protocol.ids import ChainId, OpId, op_id
from tests.shopwork.drafts import Filed

ROUTE = "movements"


class Fate(Enum):
    """What the till knows of its request."""

    UNKNOWN = "unknown"
    ANSWERED = "answered"
    REFUSED = "refused"


@dataclass(slots=True)
class Request:
    """One thing a till wants recorded, under one idempotency key, however often it asks."""

    machine: str
    client: str
    key: str
    op_id: OpId
    location: str
    bodies: list[tuple[tuple[str, str, int | None], ...]]
    """Every body sent under the key: (sku, lot, delta), None for what is counted by the node."""
    fate: Fate = Fate.UNKNOWN
    was_uncertain: bool = False
    """Whether any try of it went without an answer."""
    answers: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """By machine and history of its disk."""
    of: "Request | None" = None
    """What it takes back."""
    is_act: bool = False
    """Whether something was done to a document: then `bodies` says nothing, `checks.papers` look at what it came to."""

    @property
    def allowed(self) -> Sequence[tuple[tuple[str, str, int | None], ...]]:
        """Every body that may count. A reversal takes back whichever of the other's the node has by then.

        That need not be the first: a disk put back to a backup takes another body under a key whose answer it has lost.
        """
        if self.of is None:
            return self.bodies
        return [tuple((sku, lot, None) for sku, lot, _ in body) for body in self.of.bodies]


class Ledger:
    """Every request, by operation id."""

    def __init__(self) -> None:
        self.requests: dict[OpId, Request] = {}
        self.filed: dict[str, Filed] = {}
        """By id, oldest first."""
        self.answered: dict[OpId, str] = {}
        """Operations a till holds an answer for, and the machine that gave it."""
        self.refused = 0
        self.unanswered = 0
        self.repeated = 0

    def __len__(self) -> int:
        return len(self.requests)

    def ask(
        self, chain: ChainId, machine: str, client: str, key: str, movement: Movement
    ) -> Request:
        """Enter a request before it is sent."""
        id_ = op_id(chain, movement.location, client, ROUTE, key)
        body = tuple((line.sku, line.lot, line.delta) for line in movement.lines)
        return self._enter(id_, machine, client, key, movement.location, body)

    def ask_reversal(
        self, chain: ChainId, machine: str, client: str, key: str, of: Request
    ) -> Request:
        """Enter a reversal before it is sent; what it takes back is what the node finds."""
        route = f"movements/{of.op_id.hex()}/reverse"
        id_ = op_id(chain, of.location, client, route, key)
        return self.requests.setdefault(
            id_, Request(machine, client, key, id_, of.location, [], of=of)
        )

    def ask_act(self, id_: OpId, machine: str, client: str, key: str) -> Request:
        """Enter, before it is sent, that something is to be done to a document under this id; several may ask for one."""
        request = Request(machine, client, key, id_, "", [], is_act=True)
        return self.requests.setdefault(id_, request)

    def answer_act(self, request: Request, machine: str, history: int, body: bytes) -> str | None:
        """Enter that a machine answered so, and has it in its log; returns what is wrong with it."""
        request.machine = machine
        return self.answer(request, history, body)

    def answer(self, request: Request, history: int, body: bytes) -> str | None:
        """Enter a 2xx of one history of a disk; returns what is wrong with it."""
        fault = None
        first = request.answers.setdefault((request.machine, history), body)
        if first != body:
            fault = f"two answers to key {request.key}: {first!r} and {body!r}"
        request.fate = Fate.ANSWERED
        self.answered[request.op_id] = request.machine
        return fault

    def known(self, ids: Iterable[OpId]) -> set[OpId]:
        """Those among the ids that were asked for."""
        return {each for each in ids if each in self.requests}

    def _enter(
        self,
        id_: OpId,
        machine: str,
        client: str,
        key: str,
        location: str,
        body: tuple[tuple[str, str, int | None], ...],
    ) -> Request:
        request = self.requests.get(id_)
        if request is None:
            request = Request(machine, client, key, id_, location, [])
            self.requests[id_] = request
        if body not in request.bodies:
            request.bodies.append(body)
        return request
