"""Tills: they sell, receive, count and correct, ask again when they hear nothing, and sometimes misuse a key.

Invariant: whoever gives up without an answer asks again with the same key and body before anything is concluded; what
stays unanswered may or may not have been recorded, and the oracle allows both.
"""

import asyncio
from collections.abc import Awaitable, Callable

from node.commands.requests import Answer, Authority, Line, Movement, Refusal
from node.node import Node
from protocol.ids import Location, Sku
from protocol.movements import MoveKind
from runtime.store import StoreError
from tests.sim.chain import Chain
from tests.sim.clerks import Clerk
from tests.sim.clients import LOTS, PATIENCE_S, SKUS, TRIES_MAX, Client, Rates
from tests.sim.ledger import Fate, Ledger, Request
from tests.sim.machines import NoAnswer, NodeMachine


class Till(Client):
    """One client of one node."""

    def __init__(
        self, chain: Chain, machine: NodeMachine, ledger: Ledger, number: int, rates: Rates
    ) -> None:
        super().__init__(chain, machine, ledger, rates, ("till", number), Authority.TILL)
        self._done: list[tuple[Request, Movement]] = []

    async def work(self, requests: int) -> None:
        """Make so many requests, each until it is answered, refused or given up."""
        rng = self._rng
        for _ in range(requests):
            await asyncio.sleep(rng.random() * self._rates.pause_s)
            draw = rng.random()
            if draw < 0.08 and self._done:
                await self._reverse()
            elif draw < 0.16:
                await self._batch()
            elif draw < 0.16 + self._rates.repeat_later and self._done:
                await self._repeat()
            elif draw < 0.2 + self._rates.misuse_key and self._done:
                await self._misuse()
            else:
                await self._record(self._movement(), self.key())

    # --- what it asks for ------------------------------------------------------------------------------------------

    async def _record(self, movement: Movement, key: str) -> None:
        request = self._enter(movement, key)
        await self._try(request, lambda node: node.record(self.caller, movement, key))
        if request.fate is Fate.ANSWERED:
            self._done.append((request, movement))

    async def _batch(self) -> None:
        items = [(self.key(), self._movement()) for _ in range(self._rng.randint(2, 6))]
        requests = [self._enter(movement, key) for key, movement in items]
        answers = await self.ask(lambda node: node.record_batch(self.caller, items))
        for tries in range(TRIES_MAX):
            if answers is not None:
                break
            await asyncio.sleep(self._rng.random() * 5 * (tries + 1))
            answers = await self.ask(lambda node: node.record_batch(self.caller, items))
            for request in requests:
                request.was_uncertain = True
        if answers is None or isinstance(answers, Refusal):
            self._ledger.unanswered += len(items)
            return
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Answer):
                self._answered(request, answer)
            else:
                self._refused(request, answer)

    async def _reverse(self) -> None:
        of, _ = self._rng.choice(self._done)
        key = self.key()
        request = self._ledger.ask_reversal(
            self._chain.hub.identity.chain, self._machine.name, self.caller.name, key, of
        )
        await self._try(request, lambda node: node.reverse(self.caller, of.op_id, key))

    async def _repeat(self) -> None:
        """Send an old request again, as a till does whose own memory was restored."""
        request, movement = self._rng.choice(self._done)
        self._chain.fault("key repeated late")
        await self._try(request, lambda node: node.record(self.caller, movement, request.key))

    async def _misuse(self) -> None:
        """Send another movement under a key that was used."""
        request, old = self._rng.choice(self._done)
        movement = self._movement(location=old.location)
        self._chain.fault("key misused")
        self._enter(movement, request.key).was_uncertain = True
        try:
            await self._machine.ask(
                lambda node: node.record(self.caller, movement, request.key), PATIENCE_S
            )
        except (Refusal, NoAnswer, StoreError):
            return
        # Accepted: the node that had answered the first was restored from a backup since.
        self._chain.probe("key of a lost answer used again")

    # --- how it asks -----------------------------------------------------------------------------------------------

    async def _try(self, request: Request, work: Callable[[Node], Awaitable[Answer]]) -> None:
        for tries in range(TRIES_MAX):
            answer = await self.ask(work)
            if isinstance(answer, Refusal):
                self._refused(request, answer)
                return
            if answer is not None:
                self._answered(request, answer)
                return
            request.was_uncertain = True
            self._ledger.repeated += 1
            await asyncio.sleep(self._rng.random() * 5 * (tries + 1))
        self._ledger.unanswered += 1

    def _answered(self, request: Request, answer: Answer) -> None:
        self._chain.note("answered", self.caller.name, request.key, answer.movement_id)
        if fault := self._ledger.answer(request, self._machine.history, answer.body):
            self._chain.complain(fault)
        if answer.movement_id.replace("-", "") != request.op_id.hex():
            self._chain.complain(f"key {request.key} was recorded as {answer.movement_id}")

    def _refused(self, request: Request, refusal: Refusal) -> None:
        self._chain.note("refused", self.caller.name, request.key, refusal.code)
        self._ledger.refused += 1
        if request.fate is Fate.UNKNOWN:
            request.fate = Fate.REFUSED

    # --- what it makes up ------------------------------------------------------------------------------------------

    def _enter(self, movement: Movement, key: str) -> Request:
        return self._ledger.ask(
            self._chain.hub.identity.chain, self._machine.name, self.caller.name, key, movement
        )

    def _movement(self, location: Location | None = None) -> Movement:
        rng = self._rng
        if location is None:
            location = Location(rng.choice(self._chain.locations_of(self._machine)))
        own = location in self._machine.locations
        kinds = [MoveKind.SALE] * 6 + [MoveKind.RECEIVE] * 2 + [MoveKind.COUNT, MoveKind.ADJUST]
        kind = rng.choice(kinds) if own else MoveKind.ADJUST
        skus = rng.sample(SKUS, rng.randint(1, self._rates.lines_max))
        lines = tuple(self._line(kind, sku) for sku in skus)
        reason = "checked" if kind is MoveKind.ADJUST else None
        return Movement(kind, location, lines, reason=reason)

    def _line(self, kind: MoveKind, sku: Sku) -> Line:
        rng, lot = self._rng, self._rng.choice(LOTS)
        match kind:
            case MoveKind.COUNT:
                return Line(sku, lot, counted=rng.randint(0, 50))
            case MoveKind.SALE:
                return Line(sku, lot, delta=-rng.randint(1, 5))
            case MoveKind.RECEIVE:
                return Line(sku, lot, delta=rng.randint(1, 40))
            case _:
                return Line(sku, lot, delta=rng.randint(-9, 9) or 1)


class Staff:
    """All tills, and all clerks; they come with the machines."""

    def __init__(self, chain: Chain, ledger: Ledger, rates: Rates, acts: int = 0) -> None:
        """`acts` is how much each clerk does; without any there are no clerks."""
        self._chain = chain
        self._ledger = ledger
        self._rates = rates
        self._acts = acts
        self._working: list[asyncio.Task[None]] = []
        self._clerks: list[Clerk] = []

    def employ(self, machine: NodeMachine, requests: int) -> None:
        """Put one more till at a machine, to make so many requests."""
        number = len(self._working)
        till = Till(self._chain, machine, self._ledger, number, self._rates)
        self._working.append(asyncio.create_task(till.work(requests)))

    def employ_clerk(self, machine: NodeMachine) -> None:
        """Put one more clerk at a machine, if there are any."""
        if self._acts:
            clerk = Clerk(self._chain, machine, self._ledger, self._rates, self._clerks)
            self._working.append(asyncio.create_task(clerk.work(self._acts)))

    async def go_home(self) -> None:
        """Wait until all have done what they had to do."""
        while waiting := [task for task in self._working if not task.done()]:
            await asyncio.wait(waiting)
        for task in self._working:
            task.result()
