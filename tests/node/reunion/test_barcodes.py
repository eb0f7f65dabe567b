"""A barcode linked where it came up, while the shop was cut off: found everywhere after, and the office's to confirm."""

import json
from functools import partial

from node.commands.linking import Link
from node.commands.requests import Authority, Caller
from protocol.certificate import Role
from tests.node.reunion.here import Here, NodeHere, eventually, settled
from tests.node.reunion.test_documents import Desk

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
SCAN = "(01)00000096385074(10)L-1"


async def scanned(at: NodeHere) -> list[tuple[str, str | None]]:
    """What a scan offers at a node, and of what pack."""
    found = json.loads(await at.node.scanning.scan(TILL, SCAN))["scanned"]["choices"]
    return [(one["sku"], one["pack"]) for one in found]


async def waiting(at: NodeHere) -> list[str]:
    """The SKUs of which a barcode waits for the office."""
    page = json.loads(await at.node.scanning.to_confirm(OPERATOR, limit=10, cursor=None))
    return [item["id"] for item in page["items"]]


async def test_what_a_cut_off_shop_has_linked_is_found_everywhere_and_confirmed_by_the_office(
    here: Here,
) -> None:
    shop, neighbour = await here.node("S01"), await here.node("S02")
    office = await here.node("office", role=Role.OFFICE)
    await Desk(office).creates("skus", id="tea", name="Tea", packs={"box": {"multiple": 20}})
    await settled(shop, neighbour, office)
    await eventually(partial(Desk(shop).sees, "skus", "tea", "name"), ("Tea",))
    await here.hub.stop()
    await shop.node.scanning.link(TILL, "tea", Link(SCAN, "box"), "link")
    assert await scanned(shop) == [("tea", "box")]
    assert await scanned(office) == []
    await here.hub.start()
    await settled(shop, neighbour, office)
    for each in (neighbour, office):
        await eventually(partial(scanned, each), [("tea", "box")])
    await eventually(partial(waiting, office), ["tea"])
    await office.node.scanning.link(OPERATOR, "tea", Link("96385074", "box"), "confirm")
    await settled(shop, neighbour, office)
    for each in (shop, neighbour, office):
        await eventually(partial(waiting, each), [])
        assert await scanned(each) == [("tea", "box")]
        assert await each.problems() == []


async def test_the_same_barcode_linked_apart_to_two_skus_offers_both(here: Here) -> None:
    shop, neighbour = await here.node("S01"), await here.node("S02")
    office = await here.node("office", role=Role.OFFICE)
    at_office = Desk(office)
    for sku in ("tea", "coffee"):
        await at_office.creates("skus", id=sku, name=sku)
    await settled(shop, neighbour, office)
    for each in (shop, neighbour):
        await eventually(partial(Desk(each).sees, "skus", "coffee", "name"), ("coffee",))
    await here.hub.stop()
    await shop.node.scanning.link(TILL, "tea", Link("96385074"), "link")
    await neighbour.node.scanning.link(TILL, "coffee", Link("0000096385074"), "link")
    await here.hub.start()
    await settled(shop, neighbour, office)
    for each in (shop, neighbour, office):
        await eventually(partial(scanned, each), [("coffee", None), ("tea", None)])
