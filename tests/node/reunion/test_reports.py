"""Reports of what moved say the same at every node that keeps a location's movements, and name what others do not."""

import asyncio
from typing import Any

import pytest

from node.commands.requests import Refusal
from node.recalls import TraceQuery
from node.replica.kept import Kept
from node.reports.frame import Report, Span
from node.reports.movement_history import MovementHistory
from node.reports.stock_as_of import StockAsOf
from node.reports.usage import Usage
from protocol.certificate import Role
from protocol.ids import Lot, Sku
from runtime.world import World
from tests.node.reunion.here import Here, NodeHere, eventually, settled
from tests.node.reunion.node_here import TILL


async def shown(node: NodeHere, report: Report) -> dict[str, Any]:
    """A report as this node makes it."""
    return await node.node.reports.page(TILL, report, Span(1_000))


async def items(node: NodeHere, report: Report) -> list[dict[str, Any]]:
    """Its rows, without the instant of the last one."""
    rows = (await shown(node, report))["items"]
    return [{**row, "at": None} if row.get("row") == "closing" else row for row in rows]


async def count(node: NodeHere) -> int:
    """How many movements are listed."""
    return len(await node.listed(limit=1_000))


async def test_a_standby_reports_what_the_other_node_of_its_location_did(here: Here) -> None:
    shop = await here.node("S01")
    await shop.receives("apple", 50, key="goods")
    for number in range(5):
        await shop.sells("apple", 2, key=number)
    between_ms = World().now_ms()
    await asyncio.sleep(0.002)  # what happens at the instant is included
    await shop.sells("apple", 7, key="after")
    standby = await here.node("S01b", writes=("S01",))
    await standby.sells("apple", 1, key="at the standby")
    await settled(shop, standby)
    for node in (shop, standby):
        await eventually(lambda node=node: count(node), 8)  # type: ignore[misc]
        await eventually(lambda node=node: node.shows("apple"), 32)  # type: ignore[misc]
    (then,) = await items(standby, StockAsOf(between_ms, location="S01"))
    assert (then["on_hand"], then["on_hand_now"], then["unexplained"]) == (40, 32, 0)
    for make in (
        lambda: MovementHistory("apple", "S01"),
        lambda: Usage("S01", since_ms=between_ms - 3_600_000, until_ms=between_ms),
        lambda: StockAsOf(between_ms, location="S01"),
    ):
        assert await items(standby, make()) == await items(shop, make())
    history = await shown(standby, MovementHistory("apple"))
    assert (history["items"][0]["balance"], history["items"][-1]["balance"]) == (0, 32)
    assert history["notes"] == []


async def test_a_shop_that_sells_alone_tells_its_stock_of_then(here: Here) -> None:
    shop = await here.node("S01")
    await shop.receives("apple", 10, key="goods")
    between_ms = World().now_ms()
    await asyncio.sleep(0.002)

    async def then() -> list[object]:
        try:
            rows = await items(shop, StockAsOf(between_ms))
        except Refusal as refusal:
            return [refusal.code]
        return [(row["on_hand"], row["on_hand_now"], row["unexplained"]) for row in rows]

    assert await then() == [(10, 10, 0)], "also before the hub has heard of it"
    await shop.sells("apple", 3, key="sold")
    await settled(shop)
    await eventually(then, [(10, 7, 0)])
    await shop.stop()
    await shop.start()
    assert await then() == [(10, 7, 0)], "and after a restart"


async def test_a_neighbour_has_the_stock_and_says_that_it_has_no_movements(here: Here) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    await shop.receives("apple", 10, key="goods")
    await shop.sells("apple", 3, key="sold")
    await settled(shop, other)
    await eventually(lambda: other.shows("apple", "S01"), 7)
    history = await shown(other, MovementHistory("apple"))
    assert [(row["row"], row["balance"]) for row in history["items"]] == [
        ("opening", 7),
        ("closing", 7),
    ]
    notes = {note["code"]: note["names"] for note in history["notes"]}
    assert notes == {"movements_not_held": ["S01"], "opening_not_explained": ["S01"]}


async def test_an_office_that_keeps_the_history_of_all_reports_of_the_whole_chain(
    here: Here,
) -> None:
    shops = [await here.node("S01"), await here.node("S02")]
    for number, shop in enumerate(shops, start=1):
        await shop.receives("apple", 50, key="goods")
        await shop.sells("apple", number, key="one")
        await shop.sells("apple", 10 * number, key="another")
    office = await here.node("office", writes=("HQ",), role=Role.OFFICE, starts=False)
    await office.start()
    await settled(*shops, office)
    since_ms = World().now_ms() - 3_600_000
    usage = await shown(office, Usage(since_ms=since_ms))
    assert usage["totals"]["used"] == 0, "it keeps its own alone"
    (note,) = (one for one in usage["notes"] if one["code"] == "movements_not_held")
    assert note["names"] == ["S01", "S02"]

    await office.stop()
    office.kept = Kept(frozenset({"*"}))
    await office.start()
    await settled(*shops, office)
    await eventually(lambda: count(office), 6)

    async def notes() -> list[Any]:
        found: list[Any] = (await shown(office, Usage(since_ms=since_ms)))["notes"]
        return found

    await eventually(notes, [])
    usage = await shown(office, Usage(since_ms=since_ms))
    assert usage["totals"]["used"] == 33

    async def parts() -> list[int]:
        asked = [await shown(shop, Usage(since_ms=since_ms)) for shop in shops]
        return [each["totals"]["used"] for each in asked]

    await eventually(parts, [11, 22])  # a shop too asks first what others had recorded there
    await shops[0].sells("apple", 4, key="while it is there")
    await settled(*shops, office)
    await eventually(lambda: count(office), 7)
    now_ms = World().now_ms()
    for make in (
        lambda: MovementHistory("apple", "S01"),
        lambda: Usage("S02", since_ms=since_ms, until_ms=now_ms),
        lambda: StockAsOf(since_ms, location="S01"),
    ):
        at = shops[1] if make().location == "S02" else shops[0]
        assert await items(office, make()) == await items(at, make())
    trace = await office.node.recalls.trace(TraceQuery(Sku("apple"), Lot("")))
    assert trace is not None
    assert trace["movements_of"] == ["HQ", "S01", "S02"]
    assert await office.problems() == []


async def test_an_office_keeps_the_history_of_the_locations_that_it_is_told_and_no_more(
    here: Here,
) -> None:
    shops = [await here.node("S01"), await here.node("S02")]
    for shop in shops:
        await shop.sells("apple", 1, key="one")
    office = await here.node("office", writes=("HQ",), role=Role.OFFICE, starts=False)
    neighbour = await here.node("S03", starts=False)
    for node in (office, neighbour):
        node.kept = Kept(frozenset({"S02"}))
        await node.start()
    await settled(*shops, office, neighbour)

    async def places() -> list[str]:
        return [one["location"] for one in await items(office, Usage())]

    await eventually(places, ["S02"])
    assert await count(office) == 1
    assert await count(neighbour) == 0, "no shop keeps another's"
    with pytest.raises(Refusal, match="does not keep the movements of S01"):
        await shown(office, StockAsOf(0, location="S01"))
    with pytest.raises(Refusal, match="does not keep the movements of S02"):
        await shown(neighbour, StockAsOf(0, location="S02"))
