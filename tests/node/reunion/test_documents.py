"""Documents edited apart come together field by field, and reach only those who may read them."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

from node.commands import documents as commands
from node.commands.requests import Authority, Caller
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Scope
from tests.node.reunion.here import Here, NodeHere, eventually, settled

OPERATOR = Caller("operator", Authority.OPERATOR)


class Desk:
    """Whoever edits and reads documents at one node."""

    def __init__(self, node: NodeHere) -> None:
        self._node = node
        self._edits = 0

    async def creates(self, collection: str, **fields: object) -> str:
        """A new document's id."""
        self._edits += 1
        documents, declared = self._node.node.documents, COLLECTIONS[collection]
        written = await documents.create(OPERATOR, declared, fields, f"{self._edits}")
        return written.id

    async def changes(self, collection: str, id_: str, **fields: object) -> None:
        """Change some fields."""
        self._edits += 1
        documents, declared = self._node.node.documents, COLLECTIONS[collection]
        await documents.change(OPERATOR, declared, id_, fields, f"{self._edits}")

    async def reads(self, collection: str, id_: str) -> dict[str, Any] | None:
        """A document, as it is shown here."""
        body = await self._node.node.documents.one(OPERATOR, COLLECTIONS[collection], id_)
        return None if body is None else json.loads(body)

    async def sees(self, collection: str, id_: str, *names: str) -> tuple[object, ...] | None:
        """Some fields of a document; None when it is not there."""
        shown = await self.reads(collection, id_)
        return None if shown is None else tuple(shown[name] for name in names)


async def test_edits_of_a_shop_and_of_the_office_join_by_field(here: Here) -> None:
    shop = await here.node("S01")
    office = await here.node("office", role=Role.OFFICE)
    at_shop, at_office = Desk(shop), Desk(office)
    await at_shop.creates("skus", id="apple", name="Aple", unit="g")
    await settled(shop, office)
    await eventually(partial(at_office.sees, "skus", "apple", "name"), ("Aple",))
    await here.hub.stop()
    await at_office.changes("skus", "apple", name="Apple", packs={"crate": {"multiple": 9}})
    await at_shop.changes("skus", "apple", barcodes={"400": {"pack": "crate"}})
    assert await at_shop.sees("skus", "apple", "name") == ("Aple",)
    await here.hub.start()
    await settled(shop, office)
    for desk in (at_shop, at_office):
        expected = ("Apple", {"crate": {"multiple": 9}}, {"400": {"pack": "crate"}}, "S01")
        names = ("name", "packs", "barcodes", "created_at_node")
        await eventually(partial(desk.sees, "skus", "apple", *names), expected)
    assert await at_shop.reads("skus", "apple") == await at_office.reads("skus", "apple")
    assert await shop.problems() == await office.problems() == []


async def test_a_shop_that_did_not_know_of_a_sku_describes_it_beside_the_office(here: Here) -> None:
    shop = await here.node("S01")
    office = await here.node("office", role=Role.OFFICE)
    at_shop, at_office = Desk(shop), Desk(office)
    await settled(shop, office)
    await here.hub.stop()
    await at_office.creates("skus", id="apple", name="Apple")
    await at_shop.creates("skus", id="apple", name="aple", category="Fruit")
    await here.hub.start()
    await settled(shop, office)
    for desk in (at_shop, at_office):
        seen = partial(desk.sees, "skus", "apple", "name", "category")
        await eventually(seen, ("Apple", "Fruit"))


async def test_a_lot_received_in_two_cut_off_shops_is_one_and_has_the_earlier_expiry(
    here: Here,
) -> None:
    shops = [await here.node("S01"), await here.node("S02")]
    await settled(*shops)
    await here.hub.stop()
    first, second = map(Desk, shops)
    await first.creates("lots", sku="a", code="L1", expiry="2030-06-30")
    await second.creates("lots", sku="a", code="L1", expiry="2031-01-31")
    await here.hub.start()
    await settled(*shops)
    for desk in (first, second):
        await eventually(partial(desk.sees, "lots", "a/L1", "expiry"), ("2030-06-30",))
    assert await first.reads("lots", "a/L1") == await second.reads("lots", "a/L1")


async def test_a_document_reaches_those_of_its_locations_and_the_office_alone(here: Here) -> None:
    sender, receiver = await here.node("S01"), await here.node("S02")
    stranger = await here.node("S03")
    office = await here.node("office", role=Role.OFFICE)
    nodes = (sender, receiver, stranger, office)
    id_ = await Desk(sender).creates(
        "transfers", source="S01", destination="S02", lines=[{"sku": "a", "quantity": 5}]
    )
    await Desk(sender).creates("levels", location="S01", sku="a", minimum=5)
    await settled(*nodes)
    for node, minimum in ((sender, (5,)), (receiver, None), (office, (5,))):
        desk = Desk(node)
        await eventually(partial(desk.sees, "transfers", id_, "stage"), ("draft",))
        await eventually(partial(desk.sees, "levels", "S01/a", "minimum"), minimum)
    await Desk(stranger).creates("skus", id="last", name="Last")
    await eventually(partial(Desk(sender).sees, "skus", "last", "name"), ("Last",))
    assert await stranger.asks("SELECT id FROM document WHERE collection <> 'skus'") == []
    await Desk(receiver).changes("transfers", id_, note="by the back door")
    await settled(*nodes)
    await eventually(partial(Desk(sender).sees, "transfers", id_, "note"), ("by the back door",))


async def test_what_a_sku_costs_reaches_no_shop(here: Here) -> None:
    shop = await here.node("S01")
    office = await here.node("office", role=Role.OFFICE)
    other = await here.node("office 2", role=Role.OFFICE)
    cost = {"amount": 12, "currency": "EUR"}
    await Desk(office).creates("skus", id="apple", name="Apple", cost=cost)
    await settled(shop, office, other)
    await eventually(partial(Desk(shop).sees, "skus", "apple", "name"), ("Apple",))
    await eventually(partial(Desk(other).sees, "skus", "apple", "cost"), (cost,))
    assert await shop.asks("SELECT DISTINCT collection FROM document") != []
    rows = await shop.asks("SELECT collection, id, fields FROM document")
    assert {row["collection"] for row in rows} == {"skus"}
    assert not any(b"cost" in row["fields"] for row in rows)
    assert Scope("docs:*") not in (await shop.status())["cursors"]
    shown = await Desk(shop).reads("skus", "apple")
    assert shown is not None
    assert "cost" not in shown


async def test_a_scope_that_is_taken_from_a_node_takes_its_documents_along(here: Here) -> None:
    both = await here.node("S01", writes=("S01", "S02"))
    desk = Desk(both)
    await desk.creates("levels", location="S02", sku="a", minimum=5)
    await settled(both)
    await here.hub.change_access("S01", writes=["S01"])
    await eventually(partial(desk.sees, "levels", "S02/a", "minimum"), None)


async def test_an_edit_survives_a_node_that_was_put_back(here: Here) -> None:
    shop, office = await here.node("S01"), await here.node("office", role=Role.OFFICE)
    desk = Desk(shop)
    id_ = await desk.creates("alerts", sku="a", location="S01", threshold=5)
    await settled(shop, office)
    await shop.back_up("before")
    await settled(shop)
    await desk.changes("alerts", id_, threshold=6)
    await settled(shop, office)
    await shop.put_back("before")
    await settled(shop, office)
    await eventually(partial(desk.sees, "alerts", id_, "threshold"), (6,))
    await desk.changes("alerts", id_, threshold=7)
    await settled(shop, office)
    await eventually(partial(Desk(office).sees, "alerts", id_, "threshold"), (7,))
    assert await shop.problems() == await office.problems() == []


async def test_what_a_node_should_never_have_written_is_set_aside_and_taken_back(
    here: Here,
) -> None:
    """Of a device whose own checks are broken: the hub goes by its certificate."""
    shop, office = await here.node("S01"), await here.node("office", role=Role.OFFICE)
    desk = Desk(shop)
    await Desk(office).creates("locations", id="S01", name="Market Street")
    await settled(shop, office)
    await eventually(partial(desk.sees, "locations", "S01", "name"), ("Market Street",))
    node = shop.node
    here_now = node._here()
    claims = here_now.certificate._replace(role=Role.OFFICE)
    declared = COLLECTIONS["locations"]
    await node._write(
        lambda db: commands.change(
            db,
            replace(here_now, certificate=claims),
            OPERATOR,
            declared,
            "S01",
            {"name": "Mine"},
            "x",
        )
    )
    assert await desk.sees("locations", "S01", "name") == ("Mine",)
    await eventually(partial(desk.sees, "locations", "S01", "name"), ("Market Street",))
    assert (await shop.status())["quarantined"] == 1
    assert await Desk(office).sees("locations", "S01", "name") == ("Market Street",)
