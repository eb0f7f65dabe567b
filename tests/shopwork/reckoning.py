"""The reckoning over HTTP: what every node shows at rest must be what the staff's book and the documents say.

Invariants, over the public interface alone:
    conservation    what is on a shelf is what tills and clerks moved and what documents moved, to the unit and the lot; no
                    movement of a transfer makes or loses goods
    no leak         reserved, in transit and incoming are what open documents owe, at every node
    one outcome     a document is the same at every node that it concerns, whole, in the stage that follows from what was
                    decided and what moved; nothing that was answered is missing from it
    exceptions      each one listed is explained by what is shown, and each difference of a document is listed
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.client import Client, NoAnswerError, RefusedError
from protocol.effects import Account
from tests.shopwork import dues, explaining, shown
from tests.shopwork.clerk import Staff, events_of, fault_of
from tests.shopwork.papers import COURSES, Key, Paper

PATIENCE_S: Final = 120.0
POLL_S: Final = 2.0
SHOWN_MAX: Final = 8
"""So many faults are told, of however many."""
_TRANSFER_KINDS: Final = (
    *("transfer_ship", "transfer_receive", "transfer_close"),
    *("reversal", "reconcile", "reserve", "release"),
)
_ACCOUNTS: Final = {
    "on_hand": Account.ON_HAND,
    "reserved": Account.RESERVED,
    "in_transit": Account.IN_TRANSIT,
}
Sold = Mapping[tuple[str, str], int]
Documents = dict[tuple[str, str], dict[str, Any]]


class ReckoningError(Exception):
    """What is shown is not what was done."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A node to ask: `locations` are those that it writes, () for the office; `reads` those that it sees, if not all."""

    name: str
    client: Client
    locations: tuple[str, ...]
    reads: tuple[str, ...] | None = None

    def is_to_show(self, paper: Paper) -> bool:
        """Whether a document is this node's, too."""
        places = [paper.value(n) for n in ("location", "from_location", "source", "destination")]
        return not self.locations or any(place in self.locations for place in places)


@dataclass(slots=True)
class Reckoning:
    """One look at a whole chain. `faults` is empty when all is right."""

    desks: Sequence[Desk]
    staff: Staff
    sold: Sold
    """By location and SKU, what tills moved of goods without a lot."""
    has_all_logs: bool = True
    """Whether every node still lists all that it recorded: one that was put back lists what it had."""
    faults: list[str] = field(default_factory=list)
    documents: Documents = field(default_factory=dict)
    papers: dict[tuple[str, str], Paper] = field(default_factory=dict)
    shelves: Counter[Key] = field(default_factory=Counter)
    """What all accounts come to by the staff's book and the documents."""

    async def look(self) -> None:
        """Ask every node for everything."""
        held = {desk.name: await _documents(desk) for desk in self.desks}
        for documents in held.values():
            self.documents |= documents
        for key, document in self.documents.items():
            self.papers[key] = shown.paper(key[0], document, document.get("variance"))
        self._outcomes(held)
        self._add_up()
        for desk in self.desks:
            await self._stock(desk)
        await self._transfers_make_nothing()
        for desk in self.desks:
            await self._exceptions(desk)

    # --- one outcome -----------------------------------------------------------------------------------------------

    def _outcomes(self, held: Mapping[str, Documents]) -> None:
        for key, paper in self.papers.items():
            for desk in self.desks:
                here = held[desk.name].get(key)
                if here != (self.documents[key] if desk.is_to_show(paper) else here):
                    self.faults.append(
                        f"{desk.name} shows {key} as {here}, not {self.documents[key]}"
                    )
            if key[0] != "stocktakes" and (fault := fault_of(key[0], self.documents[key])):
                self.faults.append(fault)
        for id_, filed in self.staff.filed.items():
            document = self.documents.get((filed.collection, id_))
            if document is None:
                self.faults.append(f"{filed.collection}/{id_} was answered, and is nowhere")
            elif lost := self.staff.events[id_] - events_of({"events": (), **document}):
                self.faults.append(f"{filed.collection}/{id_} has lost what moved for it: {lost}")

    # --- conservation and leaks ------------------------------------------------------------------------------------

    def _add_up(self) -> None:
        total = self.shelves
        for (location, sku), delta in self.sold.items():
            total[location, sku, "", int(Account.ON_HAND)] += delta
        for (location, sku, lot), delta in self.staff.moved.items():
            total[location, sku, lot, int(Account.ON_HAND)] += delta
        for paper in self.papers.values():
            total.update(paper.settled())
            owed = dues.promised(paper)
            owed.update(dues.under_way(paper))
            settled = {k: n for k, n in paper.settled().items() if k[3] in _OWED}
            if _without_nothing(owed) != _without_nothing(Counter(settled)):
                self.faults.append(f"{paper.collection}/{paper.id} owes {owed}, and has {settled}")

    async def _stock(self, desk: Desk) -> None:
        for location in self.staff.everywhere if desk.reads is None else desk.reads:
            expected = self._expected_at(location)
            rows = [row async for row in desk.client.rows("/v1/stock", location=location)]
            seen = {row["sku"]: {name: row[name] for name in _ACCOUNTS} for row in rows}
            for sku in sorted(seen.keys() | expected.keys()):
                here, due = seen.get(sku, _NOTHING), expected.get(sku, _NOTHING)
                if here != due:
                    self.faults.append(
                        f"{desk.name} shows {here} of {sku} at {location}, due {due}"
                    )
            self.faults += [
                f"{desk.name} shows {row['incoming']} incoming of {row['sku']} at {location}"
                for row in rows
                if row["incoming"] != row["in_transit"]
            ]
            for sku in self.staff.wares.skus:
                await self._lots(desk, location, sku)

    async def _lots(self, desk: Desk, location: str, sku: str) -> None:
        due = {
            lot: n
            for (place, code, lot, account), n in self.shelves.items()
            if (place, code, account) == (location, sku, Account.ON_HAND) and lot and n
        }
        try:
            row = await desk.client.get(f"/v1/stock/{location}/{sku}")
        except RefusedError:
            row = {"lots": []}
        here = {lot["lot"]: lot["on_hand"] for lot in row["lots"] if lot["lot"] and lot["on_hand"]}
        if here != due:
            self.faults.append(f"{desk.name} shows lots {here} of {sku} at {location}, due {due}")

    def _expected_at(self, location: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (place, sku, _, account), amount in self.shelves.items():
            for name, number in _ACCOUNTS.items():
                if place == location and account == number:
                    found.setdefault(sku, dict(_NOTHING))[name] += amount
        return found

    async def _transfers_make_nothing(self) -> None:
        """In each movement of a transfer, and in all of one transfer together, which are what it says."""
        did: dict[str, Counter[Key]] = {}
        seen: set[str] = set()
        for desk in self.desks:
            async for movement in _movements(desk):
                document = movement.get("document") or {}
                if document.get("collection") != "transfers" or movement["id"] in seen:
                    continue
                seen.add(movement["id"])
                changes = changes_of(movement)
                if left := goods_made(changes):
                    self.faults.append(f"{movement['kind']} {movement['id']} makes {dict(left)}")
                did.setdefault(document["id"], Counter()).update(changes)
        for (collection, id_), paper in self.papers.items():
            if collection != "transfers" or not self.has_all_logs:
                continue
            moved, says = (
                _without_nothing(did.get(id_, Counter())),
                _without_nothing(paper.settled()),
            )
            if moved != says:
                self.faults.append(f"transfers/{id_} says {dict(says)}, and moved {dict(moved)}")

    # --- exceptions ------------------------------------------------------------------------------------------------

    async def _exceptions(self, desk: Desk) -> None:
        described = {row["id"] async for row in desk.client.rows("/v1/skus")}
        known = explaining.Known(
            self.papers, self.documents, self.shelves, described, self.staff.acted
        )
        listed = [
            row async for row in desk.client.rows("/v1/exceptions") if row["state"] != "mended"
        ]
        self.faults += [
            f"{desk.name} lists without a reason: {row}"
            for row in listed
            if not explaining.is_explained(row, known)
        ]
        told = {explaining.name_of(row) for row in listed}
        for key, paper in self.papers.items():
            if not desk.is_to_show(paper):
                continue
            for name in explaining.differences(key[0], self.documents[key]):
                if name not in told:
                    self.faults.append(f"{desk.name} does not list {name}")


_OWED: Final = frozenset({Account.RESERVED, Account.IN_TRANSIT})
_NOTHING: Final[Mapping[str, int]] = dict.fromkeys(_ACCOUNTS, 0)
_STOCK: Final = frozenset({Account.ON_HAND, Account.IN_TRANSIT, Account.LOSS})


async def until_right(
    desks: Sequence[Desk],
    staff: Staff,
    sold: Sold,
    *,
    has_all_logs: bool = True,
    patience_s: float = PATIENCE_S,
) -> Reckoning:
    """Look until everything is as it must be: news is read, books are booked and exceptions noticed a moment later.

    Raises:
        ReckoningError: it is not within `patience_s`; says what was wrong last.
    """
    ends_s = asyncio.get_running_loop().time() + patience_s
    while True:
        reckoning = Reckoning(desks, staff, sold, has_all_logs)
        try:
            await reckoning.look()
        except NoAnswerError as silent:
            reckoning.faults.append(str(silent))
        if not reckoning.faults:
            return reckoning
        if asyncio.get_running_loop().time() > ends_s:
            told = "\n".join(each[:1_000] for each in reckoning.faults[:SHOWN_MAX])
            raise ReckoningError(f"{len(reckoning.faults)} wrong:\n{told}")
        await asyncio.sleep(POLL_S)


def changes_of(movement: Mapping[str, Any]) -> Counter[Key]:
    """What a movement adds to which accounts."""
    found: Counter[Key] = Counter()
    for line in movement["lines"]:
        key = movement["location"], line["sku"], line["lot"] or "", int(Account.ON_HAND)
        found[key] += line["delta"]
    for line in movement.get("accounts") or ():
        account = Account[line["account"].upper()]
        found[line["location"], line["sku"], line["lot"] or "", int(account)] += line["delta"]
    return found


def goods_made(changes: Mapping[Key, int]) -> Counter[tuple[str, str]]:
    """By SKU and lot, what is more everywhere together than it was: of a transfer's movement nothing."""
    total: Counter[tuple[str, str]] = Counter()
    for (_, sku, lot, account), amount in changes.items():
        if account in _STOCK:
            total[sku, lot] += amount
    return Counter({lot: amount for lot, amount in total.items() if amount})


async def _documents(desk: Desk) -> Documents:
    found: Documents = {}
    for collection in COURSES:
        async for row in desk.client.rows(f"/v1/{collection}", archived="any"):
            if collection == "stocktakes":
                row["variance"] = await desk.client.get(f"/v1/stocktakes/{row['id']}/variance")
            found[collection, row["id"]] = row
    return found


async def _movements(desk: Desk) -> AsyncIterator[dict[str, Any]]:
    for kind in _TRANSFER_KINDS:
        async for row in desk.client.rows("/v1/movements", kind=kind):
            yield row


def _without_nothing(amounts: Counter[Key]) -> Counter[Key]:
    return Counter({key: amount for key, amount in amounts.items() if amount})
