"""A clerk who works over HTTP: drafts, acts, edits, takes goods in by lot, sells them by lot, recalls and repeats.

Invariant: whatever is asked is asked again with the same key and body until it is answered, so what the staff's book holds
is what everybody must hold in the end; an answer to a repeat is, byte for byte, the first.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from deploy.client import Answer, Client, NoAnswerError, RefusedError
from tests.shopwork import drafts, errands, outcomes, shown
from tests.shopwork.drafts import Filed, Wares
from tests.shopwork.errands import AT_ODDS, RIPE, Errand, Some

PATIENCE_S: Final = 120.0
ASK_S_MAX: Final = 30.0
AGAIN_S: Final = 0.1
IMPATIENT_CHANCE: Final = 0.03
IMPATIENT_S_MAX: Final = 0.02
REPEAT_CHANCE: Final = 0.04
REPEATABLE_MAX: Final = 50
EDIT_CHANCE, GOODS_CHANCE = 0.1, 0.14
DRAFT_CHANCE, DRAFT_CHANCE_AT_WORK = 0.5, 0.2
AT_WORK: Final = 3
HOT: Final = 3
TOGETHER_CHANCE: Final = 0.4
RECALLED_LOT: Final = "A"
REFUSALS: Final = frozenset({403, 404, 409, 413, 422})
"""What may be answered to an errand that does not fit what has become of its document."""

Event = tuple[str, str, str, str, str]
"""Event, leg, SKU, lot, lot of the line."""


class WorkError(Exception):
    """A node did what it must not."""


@dataclass(slots=True)
class Staff:
    """All clerks of a chain, and the book that they keep together."""

    wares: Wares
    everywhere: Sequence[str]
    avoids: frozenset[str] = frozenset()
    """Verbs that nobody uses; `parcel` stands for numbers on parcels."""
    clerks: "list[Clerk]" = field(default_factory=list)
    filed: dict[str, Filed] = field(default_factory=dict)
    """Every document whose draft was answered, by id, oldest first."""
    events: dict[str, set[Event]] = field(default_factory=lambda: defaultdict(set))
    """By document, the goods that an answer showed to have moved: none may ever be missing again."""
    done: Counter[str] = field(default_factory=Counter)
    """Acts that were answered with 2xx, by collection and verb."""
    acted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By document, the verbs that were."""
    moved: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By location, SKU and lot, what was received and sold without a document."""
    refused: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    path: str
    body: Mapping[str, Any]
    key: str
    answer: bytes


class Clerk:
    """One person with an operator's token at one node.

    Args:
        staff: whom this one joins.
        client: the node.
        name: of the clerk; keys begin with it.
        locations: what the node writes; () for the office, which handles all of them.
        rng: what this one decides by.
    """

    def __init__(
        self, staff: Staff, client: Client, name: str, locations: Sequence[str], rng: Random
    ) -> None:
        staff.clerks.append(self)
        self._staff = staff
        self._client = client
        self.name = name
        self._locations = locations
        self._rng = rng
        self._keys = 0
        self._answered: deque[_Asked] = deque(maxlen=REPEATABLE_MAX)

    @property
    def is_office(self) -> bool:
        """Whether this one sees every document and describes what is sold."""
        return not self._locations

    async def work_until(self, closing_time: asyncio.Event, acts_per_s: float) -> None:
        """Do one thing after another at this rate, and settle the last one.

        Raises:
            WorkError: an answer was another than it may be. TimeoutError: there was none for `PATIENCE_S`.
        """
        clock = asyncio.get_running_loop().time
        due_s = clock() + self._rng.random() / acts_per_s
        while not closing_time.is_set():
            if (wait_s := due_s - clock()) > 0:
                await asyncio.sleep(wait_s)
            await self.act()
            due_s += 1 / acts_per_s

    async def act_often(self, count: int) -> None:
        """Do so many things, as fast as they are answered. Raises: as `work_until`."""
        for _ in range(count):
            await self.act()

    def forget(self) -> None:
        """Repeat nothing of before: the node was put back and has forgotten what it answered."""
        self._answered.clear()

    async def act(self) -> None:
        """Do one thing. Raises: as `work_until`."""
        rng = self._rng
        draw = rng.random()
        if self._answered and draw < REPEAT_CHANCE:
            await self._repeat(rng.choice(self._answered))
        elif draw < EDIT_CHANCE:
            await self._edit()
        elif draw < EDIT_CHANCE + GOODS_CHANCE and not self.is_office:
            await self._handle_goods()
        else:
            is_busy = len(self._mine()) >= AT_WORK
            if rng.random() < (DRAFT_CHANCE_AT_WORK if is_busy else DRAFT_CHANCE):
                await self._draft()
            else:
                await self._go_on()

    # --- what it asks for ------------------------------------------------------------------------------------------

    async def _draft(self) -> None:
        staff = self._staff
        draft = drafts.draw(
            self._rng, staff.wares, self._locations or staff.everywhere, staff.everywhere
        )
        answer = await self._ask(f"/v1/{draft.collection}", draft.fields, "draft")
        if answer is not None:
            filed = draft.filed(answer["id"])
            staff.filed[filed.id] = filed

    async def _go_on(self) -> None:
        """Go on with a document, at times at the same moment as somebody elsewhere who decides otherwise."""
        mine = self._mine()
        if not mine:
            return
        filed = self._rng.choice(mine[-HOT:] if self._rng.random() < 0.7 else mine)
        held = await self._look(filed)
        others = [
            each
            for each in self._staff.clerks
            if each._client is not self._client and filed in each._mine()
        ]
        is_ripe = held is not None and held["stage"] in RIPE[filed.collection]
        if not others or not is_ripe or self._rng.random() > TOGETHER_CHANCE:
            await self._go_on_with(filed)
            return
        mine_wanted, theirs = AT_ODDS[filed.collection]
        other = self._rng.choice(others)
        await asyncio.gather(self._go_on_with(filed, mine_wanted), other._go_on_with(filed, theirs))

    async def _go_on_with(self, filed: Filed, wanted: str = "") -> None:
        held = await self._look(filed)
        if held is None:
            return
        errand = errands.draw(
            self._rng,
            self._staff.wares,
            filed,
            held,
            self._locations,
            is_office=self.is_office,
            wanted=wanted,
        )
        if errand is None or errand.verb in self._staff.avoids:
            return
        if "parcel" in self._staff.avoids:
            errand = replace(errand, parcel="")
        path = f"/v1/{filed.collection}/{filed.id}/{_ADDRESSES.get(errand.verb, errand.verb)}"
        what = f"{filed.collection} {errand.verb}"
        answer = await self._ask(path, body_of(filed, errand), what)
        if answer is not None:
            self._check_acted(filed, errand, answer)

    def _check_acted(self, filed: Filed, errand: Errand, answer: Mapping[str, Any]) -> None:
        """An act is whole in its own answer, and its document stands where its goods and decisions put it."""
        staff = self._staff
        staff.acted[filed.id].add(errand.verb)
        if filed.collection == "stocktakes":
            return
        staff.events[filed.id] |= events_of(answer)
        if fault := fault_of(filed.collection, answer):
            raise WorkError(f"{self.name}: {fault}")

    async def _look(self, filed: Filed) -> Mapping[str, Any] | None:
        """A document as this node shows it; None while it has not come here."""
        try:
            return await self._client.get(f"/v1/{filed.collection}/{filed.id}")
        except NoAnswerError:
            return None
        except RefusedError as refused:
            if refused.answer.status in {404, 429, 503}:
                return None
            raise

    async def _edit(self) -> None:
        """Say something of the catalogue, of a lot or of a shop's own level."""
        rng, staff = self._rng, self._staff
        sku, word = rng.choice(staff.wares.skus), rng.choice(("red", "blue", "green"))
        location = rng.choice(self._locations or staff.everywhere)
        collection = rng.choice(("skus", "levels", "lots", "recall"))
        if collection == "recall":
            await self._recall(sku, location)
            return
        row: dict[str, object] = {
            "skus": {"id": sku, "name": word},
            "levels": {"location": location, "sku": sku, "minimum": rng.randint(0, 9)},
            # A lot that was recalled is, now and then, found to be sound after all.
            "lots": {"sku": sku, "code": RECALLED_LOT, "note": word}
            | ({"status": "ok"} if self.is_office else {}),
        }[collection]
        key = self._key()
        await self._ask(
            f"/v1/{collection}/batch", {"documents": [{"key": key, **row}]}, f"{collection} edit"
        )

    async def _recall(self, sku: str, location: str) -> None:
        under = f"/v1/lots/{sku}/{RECALLED_LOT}"
        if self.is_office:
            await self._ask(f"{under}/recall", {"reason": "a bad smell"}, "lots recall")
        else:
            said = {"set_aside": self._rng.randint(0, 9), "location": location}
            await self._ask(f"{under}/acknowledge", said, "lots acknowledge")

    async def _handle_goods(self) -> None:
        """Take goods of a lot in, or let them go, without a document."""
        rng, staff = self._rng, self._staff
        location, sku = rng.choice(self._locations), rng.choice(staff.wares.skus)
        lot, number = rng.choice(staff.wares.lots), rng.randint(1, 20)
        kind, delta = rng.choice((("receive", number), ("sale", -number), ("dispense", -number)))
        line = {"sku": sku, "lot": lot or None, "delta": delta}
        body = {"kind": kind, "location": location, "lines": [line]}
        answer = await self._ask("/v1/movements", body, f"movements {kind}")
        if answer is not None:
            staff.moved[location, sku, lot] += delta

    async def _repeat(self, asked: _Asked) -> None:
        answer = await self._until_answered(asked.path, asked.body, asked.key)
        if answer.body != asked.answer:
            told = f"{answer.body[:300]!r}, and first {asked.answer[:300]!r}"
            raise WorkError(f"{asked.path} with key {asked.key} was answered {told}")

    # --- how it asks -----------------------------------------------------------------------------------------------

    async def _ask(self, path: str, body: Mapping[str, Any], what: str) -> dict[str, Any] | None:
        """Ask until it is answered; None where it was refused."""
        key = self._key()
        if self._rng.random() < IMPATIENT_CHANCE:
            timeout_s = self._rng.uniform(0.0001, IMPATIENT_S_MAX)
            # Asked again below, with the same key.
            with contextlib.suppress(NoAnswerError):
                await self._client.send(path, body, key, timeout_s=timeout_s)
        answer = await self._until_answered(path, body, key)
        self._staff.asked += 1
        self._staff.replayed += answer.replayed
        if answer.status in REFUSALS:
            self._staff.refused[f"{what}: {answer.json().get('code')}"] += 1
            return None
        if answer.status not in {200, 201}:
            raise WorkError(f"{path} with key {key}: {answer.status} {answer.body[:500]!r}")
        self._staff.done[what] += 1
        if not path.endswith("/batch"):
            self._answered.append(_Asked(path, body, key, answer.body))
        return answer.json()

    async def _until_answered(self, path: str, body: Mapping[str, Any], key: str) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self._client.send(path, body, key, timeout_s=ASK_S_MAX)
                except NoAnswerError:
                    await asyncio.sleep(AGAIN_S)

    def _key(self) -> str:
        self._keys += 1
        return f"{self.name}-{self._keys}"

    def _mine(self) -> list[Filed]:
        """Those that this node is to show, oldest first."""
        here = set(self._locations)
        return [
            each
            for each in self._staff.filed.values()
            if self.is_office or not here.isdisjoint(each.locations)
        ]


_ADDRESSES: Final = {"amend": "lines", "count": "lines"}
"""The verbs whose address has another name."""


def body_of(filed: Filed, errand: Errand) -> dict[str, Any]:
    """An errand as it is sent."""
    body: dict[str, Any] = {}
    if errand.plan is not None:
        sku, lot, quantity = errand.plan
        return {"lines": [{"sku": sku, "lot": lot or None, "quantity": quantity}]}
    if errand.event:
        return {"event": errand.event.removesuffix("~")}
    if errand.line is not None:
        body |= {"sku": errand.line[0], "lot": errand.line[1] or None}
    if filed.collection == "stocktakes":
        body |= {"counted": errand.counted} if errand.verb == "count" else {}
        return body | ({} if errand.reason is None else {"reason": errand.reason})
    if errand.lines is not None:
        body["lines"] = _goods(errand.lines)
    if errand.damaged:
        body["damaged"] = _goods(errand.damaged)
    return body | ({"parcel": errand.parcel} if errand.parcel else {})


def _goods(lines: Iterable[Some]) -> list[dict[str, object]]:
    return [
        {"sku": e.sku, "lot": e.lot or None, "quantity": e.quantity, "planned_lot": e.planned}
        for e in lines
    ]


def events_of(document: Mapping[str, Any]) -> set[Event]:
    """The goods that a document shows to have moved."""
    return {
        (e["event"], e["leg"], e["sku"], e["lot"] or "", e["planned_lot"] or "")
        for e in document["events"]
    }


def fault_of(collection: str, document: Mapping[str, Any]) -> str | None:
    """What an order or a transfer says of itself that does not follow from its decisions and its goods."""
    paper = shown.paper(collection, document)
    stage = outcomes.stage_of(paper)
    expected: dict[str, object] = {"stage": stage}
    if collection == "orders":
        expected["status"] = outcomes.STATUS.get(stage, "pending")
    for name, value in expected.items():
        if document[name] != value:
            return f"{collection}/{paper.id} shows {name} {document[name]}, and it is {value}"
    is_told = any(each["matter"] == "conflicting_status" for each in document["differences"])
    if is_told != outcomes.is_decided_both_ways(paper):
        return f"{collection}/{paper.id} {'tells' if is_told else 'does not tell'} of two decisions"
    return None
