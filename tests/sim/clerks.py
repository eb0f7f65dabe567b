"""Clerks: they draft orders, transfers and stocktakes, take them through their course, and edit what the chain shares.

Invariant: whatever a clerk asks for is in the ledger before it is sent, under the id that the product has to give it. Who
hears nothing asks again with the same key: of the same machine, or of another one that writes the same shelves.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from node.commands.documents import Written
from node.commands.requests import Authority, Caller, Refusal
from node.node import Node
from protocol.declarations import COLLECTIONS
from protocol.effects import DocumentKey
from protocol.ids import OpId, op_id
from protocol.workflows.steps import step_id
from tests.shopwork import drafts, errands
from tests.shopwork.drafts import Filed, Wares
from tests.shopwork.errands import AT_ODDS, RIPE
from tests.sim import edits, reading
from tests.sim.chain import Chain
from tests.sim.clients import LOTS, SKUS, TRIES_MAX, Client, Rates
from tests.sim.errands import asking
from tests.sim.ledger import Fate, Ledger
from tests.sim.machines import NodeMachine

HOT: Final = 2
"""Of so many of the newest documents people choose most of the time, so that they meet."""
PACE: Final = 3
"""So much faster than tills clerks go on, so that news is still on its way when the next one decides."""
TOGETHER: Final = 0.1
"""So often somebody at another node does something with the same document at the same moment."""
TOGETHER_WHEN_RIPE: Final = 0.7
"""The same where it can be decided both ways: then one decides so, and the other otherwise."""
AT_WORK: Final = 3
"""With so many that somebody can go on with, new ones are drafted more rarely."""
WARES: Final = Wares(SKUS, LOTS)
Run = Callable[[Node, Caller, str], Awaitable[Written]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for under one key."""

    key: str
    route: str
    id: OpId
    """Of the operation that has no name of its own."""
    named: tuple[OpId, ...]
    """Of those that have."""
    run: Run
    may_be_nothing: bool


class Clerk(Client):
    """One person at one node, who may do all that its operator may."""

    def __init__(
        self,
        chain: Chain,
        machine: NodeMachine,
        ledger: Ledger,
        rates: Rates,
        clerks: "list[Clerk]",
    ) -> None:
        """`clerks` are all those of the chain, whom this one joins."""
        clerks.append(self)
        who = ("clerk", len(clerks))
        super().__init__(chain, machine, ledger, rates, who, Authority.OPERATOR)
        self._clerks = clerks
        self._done: list[Asked] = []

    async def work(self, acts: int) -> None:
        """Do so many things, each until it is answered, refused or given up."""
        rng = self._rng
        for _ in range(acts):
            await asyncio.sleep(rng.random() * self._rates.pause_s / PACE)
            draw = rng.random()
            if draw < self._rates.repeat_later and self._done:
                self._chain.fault("act repeated late")
                await self._try(rng.choice(self._done))
            elif draw < 0.13:
                await self._edit()
            elif draw < (0.24 if len(self._shown()) >= AT_WORK else 0.5):
                await self._file()
            else:
                await self._go_on()

    # --- what it asks for ------------------------------------------------------------------------------------------

    async def _file(self) -> None:
        """Draft an order, a transfer or a stocktake."""
        here = self._chain.locations_of(self._machine)
        everywhere = sorted(
            {each for node in self._chain.nodes.values() for each in node.locations}
        )
        draft = drafts.draw(self._rng, WARES, here, everywhere)
        key = self.key()
        text = self._op_id(draft.collection, key).hex()
        id_ = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        self._ledger.filed[id_] = draft.filed(id_)

        async def create(node: Node, caller: Caller, key: str) -> Written:
            declared = COLLECTIONS[draft.collection]
            return await node.documents.create(caller, declared, draft.fields, key)

        await self._try(self._asked(draft.collection, key, create))

    async def _go_on(self) -> None:
        """Do something with one of those that are shown here, at times at the same moment as somebody elsewhere."""
        filed = self._choose()
        if filed is None:
            return
        shown = await self._look(filed)
        others = [
            each
            for each in self._clerks
            if each._machine is not self._machine and filed in each._shown()
        ]
        is_ripe = shown is not None and shown["stage"] in RIPE[filed.collection]
        if not others or self._rng.random() > (TOGETHER_WHEN_RIPE if is_ripe else TOGETHER):
            await self._go_on_with(filed)
            return
        other = self._rng.choice(others)
        self._chain.fault("acts at one moment", self.caller.name, other.caller.name)
        mine, theirs = AT_ODDS[filed.collection] if is_ripe else ("", "")
        await asyncio.gather(self._go_on_with(filed, mine), other._go_on_with(filed, theirs))

    async def _look(self, filed: Filed) -> dict[str, Any] | None:
        """A document as its machine shows it; None when it does not answer."""
        declared = COLLECTIONS[filed.collection]
        body = await self.ask(lambda node: node.documents.one(self.caller, declared, filed.id))
        if not isinstance(body, bytes):
            return None
        shown: dict[str, Any] = json.loads(body)
        return shown

    async def _go_on_with(self, filed: Filed, wanted: str = "") -> None:
        shown = await self._look(filed)
        if shown is None:
            return
        errand = errands.draw(
            self._rng,
            WARES,
            filed,
            shown,
            self._machine.locations,
            is_office=self._machine.is_office,
            wanted=wanted,
        )
        if errand is None:
            return
        chain = self._chain.hub.identity.chain
        key = DocumentKey(filed.collection, filed.id)
        ask = asking(filed, errand)
        named = tuple(step_id(chain, key, name) for name in ask.named)
        route = f"{filed.collection}/{filed.id}/{ask.verb}"
        await self._try(
            self._asked(route, self.key(), ask.run, named, may_be_nothing=ask.may_be_nothing)
        )

    async def _edit(self) -> None:
        """Say something of what is shared."""
        here = self._chain.locations_of(self._machine)
        edit = edits.draw(self._rng, self._machine, here)
        await self._try(
            self._asked(edit.route, self.key(), edit.run, may_be_nothing=edit.may_be_nothing)
        )

    # --- how it asks -----------------------------------------------------------------------------------------------

    async def _try(self, asked: Asked) -> None:
        request = self._ledger.requests[asked.id]
        for tries in range(TRIES_MAX):
            machine = self._machine if tries == 0 else self._machine_to_ask()
            answer = await self.ask(lambda node: asked.run(node, self.caller, asked.key), machine)
            if isinstance(answer, Refusal):
                self._chain.note("refused", self.caller.name, asked.key, answer.code)
                self._ledger.refused += 1
                if request.fate is Fate.UNKNOWN:
                    request.fate = Fate.REFUSED
                return
            if answer is not None:
                self._answered(asked, machine, answer)
                return
            request.was_uncertain = True
            self._ledger.repeated += 1
            await asyncio.sleep(self._rng.random() * 5 * (tries + 1))
        self._ledger.unanswered += 1

    def _answered(self, asked: Asked, machine: NodeMachine, answer: Written) -> None:
        chain, ledger = self._chain, self._ledger
        chain.note("acted", self.caller.name, asked.key, machine.name, answer.body.hex())
        if machine is not self._machine:
            chain.probe("an act was asked again of another machine")
        held = reading.log_ids(machine.disk.db)
        if asked.id not in held and not asked.may_be_nothing:
            told = f"{asked.key} ({asked.route})"
            chain.complain(f"I2: {machine.name} answered {told}, and has not recorded it")
        answered = {asked.id: answer.body, **dict.fromkeys(asked.named, b"")}
        for id_, body in answered.items():
            if id_ not in held:
                continue
            request = ledger.requests[id_]
            if fault := ledger.answer_act(request, machine.name, machine.history, body):
                chain.complain(fault)
        self._done.append(asked)

    def _machine_to_ask(self) -> NodeMachine:
        """Most often its own, else another one that writes the same: a standby, a spare, a copy."""
        if self._machine.is_office or self._rng.random() < 0.6:
            return self._machine
        home = self._machine.locations[0]
        return self._rng.choice(
            [
                each
                for each in self._chain.nodes.values()
                if not each.is_office and each.locations[0] == home
            ]
            or [self._machine]
        )

    # --- what it makes up ------------------------------------------------------------------------------------------

    def _asked(
        self,
        route: str,
        key: str,
        run: Run,
        named: tuple[OpId, ...] = (),
        *,
        may_be_nothing: bool = False,
    ) -> Asked:
        """Enter what is about to be asked for."""
        asked = Asked(key, route, self._op_id(route, key), named, run, may_be_nothing)
        for id_ in (asked.id, *named):
            self._ledger.ask_act(id_, self._machine.name, self.caller.name, key)
        return asked

    def _op_id(self, route: str, key: str) -> OpId:
        """As it has to be: the same at any machine that writes the same first shelf, and an office's own."""
        home, client = (
            self._machine.locations[0] if self._machine.locations else "",
            self.caller.name,
        )
        if self._machine.is_office:
            home, client = "", f"{self._machine.enrolled_as}\0{client}"
        return op_id(self._chain.hub.identity.chain, home, client, route, key)

    def _choose(self) -> Filed | None:
        filed = self._shown()
        if not filed:
            return None
        return self._rng.choice(filed[-HOT:] if self._rng.random() < 0.7 else filed)

    def _shown(self) -> list[Filed]:
        """Those that its machine shows, oldest first."""
        found = self._machine.disk.db.execute(
            "SELECT id FROM document WHERE collection IN ('orders', 'transfers', 'stocktakes')"
        )
        shown = {id_ for (id_,) in found}
        return [each for each in self._ledger.filed.values() if each.id in shown]
