"""A chain's life at random: its nodes act on the same documents, cut off from each other most of the time.

What must be at the end is worked out from the hub's ledger and from the tables of `protocol`, not from what was booked.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from node.commands.courses import Goods, Request
from node.commands.requests import Refusal
from node.commands.stocktakes import Wish
from protocol.documents import Document
from protocol.effects import Account, CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import Lot, OpId, Sku
from protocol.movements import MoveKind
from protocol.operation import Operation, decode
from protocol.workflows import orders, stocktakes, transfers
from protocol.workflows.bookkeeping import RESERVED
from protocol.workflows.count_sheet import Stage, read
from protocol.workflows.order_table import Kind
from protocol.workflows.order_table import Verb as OrderVerb
from protocol.workflows.progress import BOOKED, MOVED, LineKey
from protocol.workflows.stocktakes import Verb as CountVerb
from protocol.workflows.transfer_table import Verb as TransferVerb
from tests.node.reconciling.branch import PLACES, Branch
from tests.node.replica.whole_hub import WholeHub

K = TypeVar("K")
SKUS = ("TEA", "RICE")
TRIES = 8
ENDINGS = frozenset({"cancel", "close"})
"""Rarer, or little else would happen."""
ROUNDS_MAX = 100
"""Meetings of each after which nobody may have anything left to book."""


class ChainLife:
    """Five nodes and a hub: two that write S01, one that writes S02, two offices."""

    def __init__(self, chance: random.Random, branches: list[Branch]) -> None:
        self.chance = chance
        self.hub = WholeHub()
        self.branches = branches
        self.papers: list[tuple[str, str]] = []
        self.acts: Counter[str] = Counter()
        """What was done how often, for those who doubt that anything was."""

    @classmethod
    async def begin(cls, folder: Path, seed: int) -> "ChainLife":
        """A chain in which every node has heard of a few documents."""
        writes = {"S01": ("S01",), "spare": ("S01",), "S02": ("S02",), "office": (), "buyer": ()}
        chance = random.Random(seed)
        branches = [
            await Branch.open(folder, chance, name, *places) for name, places in writes.items()
        ]
        life = cls(chance, branches)
        await life._draft()
        await life.settle()
        return life

    async def close(self) -> None:
        """Close every store."""
        for branch in self.branches:
            await branch.store.close()

    # --- steps -----------------------------------------------------------------------------------------------------

    async def live_on(self) -> None:
        """One of them does one thing."""
        branch = self.chance.choice(self.branches)
        match self.chance.choices(("act", "push", "pull", "meet", "move"), (16, 3, 3, 2, 2))[0]:
            case "act":
                await self._act(branch)
            case "push":
                await branch.pushes(self.hub, self.chance.randint(1, 3))
            case "pull":
                place = self.chance.choice(PLACES)
                await self._pull(branch, self.chance.choice((f"docs:{place}", f"stock:{place}")))
            case "meet":
                await branch.looks(self.hub)
            case _ if branch.here().certificate.writes:
                await branch.moves(MoveKind.RECEIVE, self.chance.choice(SKUS), 5)

    async def settle(self) -> None:
        """Have all meet the hub until nobody has anything to book any more.

        What one has booked may reach the hub only after others have looked: then several answer the same events, and each
        other.
        """
        for _ in range(ROUNDS_MAX):
            heard, has_booked = len(self.hub.ledger), False
            for branch in self.chance.sample(self.branches, len(self.branches)):
                has_booked |= await branch.looks(self.hub)
                if self.chance.random() < 0.5:
                    await branch.pushes(self.hub)
                for each in self.branches:
                    each.now_ms += 1_000
            is_quiet = not has_booked and len(self.hub.ledger) == heard
            if is_quiet and not await self._is_owing():
                return
        raise AssertionError("they book for ever")

    async def settle_in_step(self) -> None:
        """The same in the worst order: what each has booked reaches the hub only after all others have looked."""
        for _ in range(ROUNDS_MAX):
            heard = len(self.hub.ledger)
            booked = [await branch.looks(self.hub) for branch in self.branches]
            for each in self.branches:
                each.now_ms += 1_000
            is_quiet = not any(booked) and len(self.hub.ledger) == heard
            if is_quiet and not await self._is_owing():
                return
        raise AssertionError("they book for ever")

    async def _is_owing(self) -> bool:
        """Whether somebody waits to book something."""
        query = "SELECT EXISTS (SELECT 1 FROM owing)"
        found = [
            await branch.store.read(lambda db: db.execute(query).fetchone()[0])
            for branch in self.branches
        ]
        return any(found)

    async def _draft(self) -> None:
        first, _, second, office, _ = self.branches
        lines = [
            {"sku": sku, "quantity": quantity} for sku, quantity in zip(SKUS, (10, 4), strict=True)
        ]
        for branch, place in ((first, "S01"), (second, "S02"), (office, "S03")):
            asked = {"kind": "customer", "location": place, "lines": lines}
            self.papers.append(("orders", await branch.creates("orders", **asked)))
        for branch, source, destination in (
            (first, "S01", "S02"),
            (second, "S02", "S01"),
            (first, "S01", "S03"),
            (office, "S03", "S02"),
        ):
            asked = {"source": source, "destination": destination, "lines": lines}
            self.papers.append(("transfers", await branch.creates("transfers", **asked)))
        for branch, place in ((first, "S01"), (second, "S02")):
            self.papers.append(("stocktakes", await branch.creates("stocktakes", location=place)))

    async def _act(self, branch: Branch) -> None:
        # Most of what people may do is not allowed at most moments.
        for _ in range(TRIES):
            collection, id_ = self.chance.choice(self.papers)
            request = await self._request(branch, collection, id_)
            if request.verb in ENDINGS and self.chance.random() < 0.7:
                continue
            try:
                await branch.acts(collection, id_, request)
            except Refusal:
                continue
            self.acts[f"{collection} {request.verb}"] += 1
            return

    async def _pull(self, branch: Branch, scope: str) -> None:
        held = await branch.store.read(
            lambda db: [row[0] for row in db.execute("SELECT scope FROM scope")]
        )
        if scope in held:
            await branch.pulls(self.hub, scope)  # type: ignore[arg-type]

    async def _request(self, branch: Branch, collection: str, id_: str) -> Request | Wish:
        chance = self.chance
        sku = Sku(chance.choice(SKUS))
        key = LineKey(sku, Lot(""))
        if collection == "stocktakes":
            verb = chance.choice((*CountVerb, *(CountVerb.COUNT,) * 3, *(CountVerb.FINALISE,) * 2))
            return Wish(verb, key, chance.randint(0, 20), "RECOUNTED")
        verb = chance.choice([*(OrderVerb if collection == "orders" else TransferVerb)])
        if verb == "reverse":
            document = await branch.sees(collection, id_)
            events = [name.split("/")[2] for name in document.fields if name.startswith(MOVED)]
            return Request(verb, event=chance.choice(events) if events else "none")
        if verb == "amend":
            return Request(verb, plan=((key, chance.randint(0, 12)),))
        if chance.random() < 0.4:
            return Request(verb)  # all that is left
        goods = (Goods(sku, chance.randint(1, 6)),)
        damaged = (
            (Goods(sku, 1),)
            if verb in ("receive", "receive_back") and chance.random() < 0.3
            else ()
        )
        return Request(verb, goods, damaged, parcel=chance.choice(("", "", "P1", "P2")))

    # --- what should be --------------------------------------------------------------------------------------------

    def operations(self) -> dict[OpId, Operation]:
        """The hub's ledger, each operation once; what is booked twice under one name must be the same twice.

        Of a numbered parcel two clerks may have counted different quantities: the first to reach the hub counts.
        """
        found: dict[OpId, Operation] = {}
        for entry in self.hub.ledger:
            operation = decode(entry.body)
            first = found.setdefault(operation.op_id, operation)
            if any(one.field.startswith(BOOKED) for one in _writes(operation)):
                assert first.effects == operation.effects, "one name, two bodies"
        return found

    def reserved(self) -> dict[tuple[str, str], int]:
        """By location and SKU."""
        return _only(
            ((key.location, key.sku), total)
            for key, total in self.hub.totals.items()
            if key.account == Account.RESERVED
        )

    def owed(self) -> dict[tuple[str, str], int]:
        """What open documents promise, by location and SKU."""
        found = []
        for collection, id_ in self.papers:
            document = self._document(collection, id_)
            values = {name: state.value for name, state in document.fields.items()}
            if collection == "orders":
                due = orders.due(orders.read(document), Kind.CUSTOMER)
                place = values["location"]
            elif collection == "transfers":
                due = transfers.due(transfers.read(document))
                place = values["source"]
            else:
                continue
            found += [((str(place), item.sku), n) for item, n in due[RESERVED].items()]
        return _only(found)

    def faults_of_transfers(self) -> list[str]:
        """Transfers of which goods are nowhere, or twice."""
        found = []
        for id_, effects in self._effects_by_paper().items():
            if id_[0] != "transfers":
                continue
            physical = _sums(effects, Account.ON_HAND, Account.IN_TRANSIT, Account.LOSS)
            if physical:
                found.append(f"{id_} does not sum to zero: {physical}")
            progress = transfers.read(self._document(*id_))
            open_ = _sums(effects, Account.IN_TRANSIT)
            if transfers.stage_of(progress) == "closed" and open_:
                found.append(f"{id_} is closed and has {open_} in transit")
        return found

    def faults_of_stocktakes(self) -> list[str]:
        """Stocktakes that did not end in exactly the correction that their counts ask for."""
        found = []
        by_paper = self._effects_by_paper()
        for paper in self.papers:
            if paper[0] != "stocktakes":
                continue
            sheet = read(self._document(*paper))
            standing = _only((key.sku, line.standing.delta) for key, line in sheet.lines.items())
            due = standing if sheet.progress.stage == Stage.FINALISED else {}
            corrected = _sums(by_paper.get(paper, []), Account.ON_HAND)
            if corrected != due:
                found.append(f"{paper} corrected {corrected} and not {due}")
            assert not stocktakes.reconcile(self._document(*paper), {stocktakes.Party.OWNER: "S01"})  # type: ignore[dict-item]
        return found

    async def differences(self) -> list[str]:
        """Nodes that do not show what the hub has, or whose database does not add up."""
        totals = {tuple(key): total for key, total in self.hub.totals.items() if total}
        found = []
        for branch in self.branches:
            found += await branch.problems()
            if await branch.counters() != totals:
                found.append(f"{branch.name} shows other stock than the hub has")
        return found

    def _document(self, collection: str, id_: str) -> Document:
        return self.hub.documents[DocumentKey(collection, id_)]

    def _effects_by_paper(self) -> dict[tuple[str, str], list[Effect]]:
        found: dict[tuple[str, str], list[Effect]] = defaultdict(list)
        for operation in self.operations().values():
            paper = (operation.details.get("collection"), operation.details.get("id"))
            found[paper] += operation.effects  # type: ignore[index]
        return found


def _writes(operation: Operation) -> Iterable[FieldEffect]:
    return (one for one in operation.effects if isinstance(one, FieldEffect))


def _sums(effects: list[Effect], *accounts: Account) -> dict[str, int]:
    """By SKU, over all locations."""
    counters = (one for one in effects if isinstance(one, CounterEffect))
    return _only((one.sku, one.delta) for one in counters if one.account in accounts)


def _only(pairs: Iterable[tuple[K, int]]) -> dict[K, int]:
    """Sums by key; only what is not 0."""
    sums: dict[K, int] = defaultdict(int)
    for key, amount in pairs:
        sums[key] += amount
    return {key: total for key, total in sums.items() if total}
