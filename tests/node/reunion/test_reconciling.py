"""What cut-off nodes did to one document, and how its books come right by themselves once all have met the hub."""

import contextlib
import json
import random
from collections import Counter
from typing import Any

import pytest

from node import reconciling
from node.commands.courses import Goods, Request
from node.commands.requests import Authority, Caller, Refusal
from node.commands.stocktakes import Wish
from node.replica import documents
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.effects import Account, DocumentKey
from protocol.ids import Location, Lot, Sku
from protocol.workflows import orders, stocktakes, transfers
from protocol.workflows.bookkeeping import RESERVED
from protocol.workflows.order_table import Kind
from protocol.workflows.progress import LineKey
from protocol.workflows.steps import Party
from protocol.workflows.stocktakes import Verb
from tests.node.reunion.here import Here, NodeHere, eventually, settled

TEA = Sku("TEA")
VERBS = {
    "orders": ("place", "fulfil", "cancel", "close"),
    "transfers": ("allocate", "ship", "receive", "cancel", "close", "call_back"),
    "stocktakes": ("start", "count", "submit", "recount", "finalise", "cancel"),
}
LINES = [{"sku": "TEA", "quantity": 10}]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look as soon as something changed, and answer each other soon."""
    monkeypatch.setattr(reconciling, "INTERVAL_S", 0.02)
    monkeypatch.setattr(reconciling, "BACK_OFF_S_MAX", 0.5)
    monkeypatch.setattr(reconciling, "LOOK_AGAIN_S", 0.2)


class Person:
    """An operator at one node."""

    def __init__(self, node: NodeHere) -> None:
        self.node = node
        self._caller = Caller(f"operator of {node.certificate.name}", Authority.OPERATOR)
        self._keys = 0

    async def creates(self, collection: str, **fields: object) -> str:
        """A new document's id."""
        declared = COLLECTIONS[collection]
        documents = self.node.node.documents
        return (await documents.create(self._caller, declared, fields, self._key())).id

    async def acts(self, collection: str, id_: str, verb: str, quantity: int = 0) -> None:
        """Do something with it, with so much tea where the verb moves goods; 0 for all that is left."""
        if collection == "stocktakes":
            wish = Wish(Verb(verb), LineKey(TEA, Lot("")), quantity, "RECOUNTED")
            await self.node.node.stocktakes.act(self._caller, id_, wish, self._key())
            return
        goods = (Goods(TEA, quantity),) if quantity else None
        workflows, request = self.node.node.workflows, Request(verb, goods)
        act = workflows.act_on_order if collection == "orders" else workflows.act_on_transfer
        await act(self._caller, id_, request, self._key())

    async def stage(self, collection: str, id_: str) -> object:
        """Where it stands; None where it is not known."""
        body = await self.node.node.documents.one(self._caller, COLLECTIONS[collection], id_)
        return None if body is None else json.loads(body)["stage"]

    def _key(self) -> str:
        self._keys += 1
        return f"{self._keys}"


async def shown(node: NodeHere) -> dict[tuple[str, int], int]:
    """By location and account, what is shown of tea; only what is not 0."""
    rows = await node.asks(
        "SELECT location, account, sum(value) FROM counter WHERE sku = 'TEA' GROUP BY 1, 2"
    )
    return {(row[0], row[1]): row[2] for row in rows if row[2]}


async def test_fulfilled_here_while_cancelled_there_nothing_stays_promised(here: Here) -> None:
    shop, office = await here.node("S01"), await here.node("office", role=Role.OFFICE)
    at_shop, at_office = Person(shop), Person(office)
    await shop.receives("TEA", 20, key="goods")
    order = await at_shop.creates("orders", kind="customer", location="S01", lines=LINES)
    await at_shop.acts("orders", order, "place")
    await settled(shop, office)
    await eventually(lambda: at_office.stage("orders", order), "placed")
    await here.hub.stop()
    await at_office.acts("orders", order, "cancel")
    await at_shop.acts("orders", order, "fulfil", 4)
    await here.hub.start()
    for node in (shop, office):
        await eventually(lambda node=node: shown(node), {("S01", int(Account.ON_HAND)): 16})  # type: ignore[misc]
        assert await node.problems() == []
    await settled(shop, office)
    assert "reconcile" in await shop.kinds()


async def test_counted_and_finalised_at_two_cut_off_nodes_is_corrected_once(here: Here) -> None:
    shop, office = await here.node("S01"), await here.node("office", role=Role.OFFICE)
    at_shop, at_office = Person(shop), Person(office)
    await shop.receives("TEA", 20, key="goods")
    sheet = await at_shop.creates("stocktakes", location="S01")
    await at_shop.acts("stocktakes", sheet, "count", 18)
    await at_shop.acts("stocktakes", sheet, "submit")
    await at_shop.acts("stocktakes", sheet, "recount")
    await at_shop.acts("stocktakes", sheet, "count", 17)
    await settled(shop, office)
    await eventually(lambda: at_office.stage("stocktakes", sheet), "review")
    await here.hub.stop()
    await at_office.acts("stocktakes", sheet, "finalise")
    await at_shop.acts("stocktakes", sheet, "recount")
    await at_shop.acts("stocktakes", sheet, "count", 19)
    await at_shop.acts("stocktakes", sheet, "finalise")
    assert await shop.shows("TEA") == 19
    await here.hub.start()
    for node in (shop, office):
        await eventually(lambda node=node: node.shows("TEA", "S01"), 19)  # type: ignore[misc]
    await settled(shop, office)
    assert await shop.shows("TEA") == 19
    assert await shop.problems() == await office.problems() == []


@pytest.mark.slow
async def test_two_shops_and_the_office_cut_off_at_random_end_with_right_books(here: Here) -> None:
    """Over real lines to a real hub that is away most of the time."""
    nodes = [await here.node("S01"), await here.node("S02")]
    nodes.append(await here.node("office", role=Role.OFFICE))
    people = [Person(node) for node in nodes]
    for node in nodes[:2]:
        await node.receives("TEA", 100, key="goods")
    papers = await drafted(people)
    await settled(*nodes)
    chance = random.Random(7)
    done: Counter[str] = Counter()
    for _ in range(4):
        await here.hub.stop()
        for _ in range(30):
            paper = chance.choice(papers)
            verb = chance.choice(VERBS[paper[0]])
            with contextlib.suppress(Refusal):
                await chance.choice(people).acts(*paper, verb, chance.randint(1, 6))
                done[verb] += 1
        await here.hub.start()
        await settled(*nodes)
    assert len(done) > 8, done
    await eventually(lambda: books_differ(nodes[2], papers), [])
    await settled(*nodes)
    office = await shown(nodes[2])
    for node in nodes:
        await eventually(lambda node=node: shown(node), office)  # type: ignore[misc]
        assert await node.problems() == []
    assert "reconcile" in [*await nodes[0].kinds(), *await nodes[1].kinds()]


async def drafted(people: list[Person]) -> list[tuple[str, str]]:
    """Of each shop an order, a transfer to the other and a stocktake."""
    found: list[tuple[str, str]] = []
    for person, place, other in ((people[0], "S01", "S02"), (people[1], "S02", "S01")):
        order: dict[str, Any] = {"kind": "customer", "location": place, "lines": LINES}
        transfer: dict[str, Any] = {"source": place, "destination": other, "lines": LINES}
        found.append(("orders", await person.creates("orders", **order)))
        found.append(("transfers", await person.creates("transfers", **transfer)))
        found.append(("stocktakes", await person.creates("stocktakes", location=place)))
    return found


async def books_differ(office: NodeHere, papers: list[tuple[str, str]]) -> list[str]:
    """Where what is promised or on its way is not what the documents say, as the office shows both."""
    stock = await shown(office)
    due: Counter[tuple[str, int]] = Counter()
    for collection, id_ in papers:
        key = DocumentKey(collection, id_)
        document = await office.node._store.read(lambda db, key=key: documents.states(db, key))
        values = {name: state.value for name, state in document.fields.items()}
        if collection == "orders":
            owed = orders.due(orders.read(document), Kind.CUSTOMER)[RESERVED]
            due[str(values["location"]), Account.RESERVED] += sum(owed.values())
        elif collection == "transfers":
            progress = transfers.read(document)
            promised = transfers.due(progress)[RESERVED]
            due[str(values["source"]), Account.RESERVED] += sum(promised.values())
            coming = transfers.incoming(progress)
            due[str(values["destination"]), Account.IN_TRANSIT] += sum(coming.values())
        elif stocktakes.reconcile(document, {Party.OWNER: Location(str(values["location"]))}):
            due[f"correction of {id_}", 0] += 1
    return [
        f"{at}: {stock.get(at, 0)} and not {due[at]}"
        for at in {*due, *stock}
        if (at[1] != Account.ON_HAND and at[1] != Account.LOSS) or at in due
        if stock.get(at, 0) != due[at]
    ]
