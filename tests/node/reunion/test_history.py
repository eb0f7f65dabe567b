"""What others recorded at a node's own location is in its list of movements too."""

from protocol.certificate import Role
from tests.node.reunion.here import Here, NodeHere, eventually, settled


async def references(node: NodeHere, **query: object) -> list[str]:
    """The keys of the movements listed, sorted."""
    return sorted(row["id"] for row in await node.listed(limit=1_000, **query))


async def test_a_standby_lists_what_the_other_node_of_its_location_recorded(here: Here) -> None:
    shop = await here.node("S01")
    for number in range(30):
        await shop.sells("apple", 1, key=number)
    await settled(shop)
    standby = await here.node("S01b", writes=("S01",))
    expected = await references(shop)
    await eventually(lambda: references(standby), expected)
    await shop.sells("apple", 1, key="while both run")
    expected = await references(shop)
    assert len(expected) == 31
    await eventually(lambda: references(standby), expected)
    assert await references(standby, sku="apple") == expected
    assert await standby.problems() == []


async def test_an_adjustment_by_the_office_is_listed_at_the_shop_and_no_other(here: Here) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    office = await here.node("office", writes=("HQ",), role=Role.OFFICE)
    await shop.receives("apple", 10, key="own")
    await settled(shop, other, office)
    await office.adjusts("apple", -2, key="by the office", location="S01")
    await eventually(shop.kinds, ["adjust", "receive"])
    await eventually(lambda: shop.shows("apple"), 8)
    [adjustment, _] = await shop.listed()
    assert adjustment["location"] == "S01"
    assert await other.listed() == []


async def test_own_operations_are_neither_echoed_nor_listed_twice(here: Here) -> None:
    shop = await here.node("S01")
    standby = await here.node("S01b", writes=("S01",))
    for number in range(10):
        await shop.sells("apple", 1, key=number)
        await standby.sells("pear", 1, key=("b", number))
    await settled(shop, standby)
    for each in (shop, standby):
        await eventually(lambda each=each: count(each), 20)  # type: ignore[misc]
        [[pulled]] = await each.asks("SELECT count(*) FROM movement WHERE body IS NOT NULL")
        assert pulled == 10
        assert await each.problems() == []


async def test_a_restored_node_gets_back_what_it_had_recorded_since_its_backup(here: Here) -> None:
    shop = await here.node("S01")
    await shop.sells("apple", 1, key="before")
    await settled(shop)
    await shop.back_up("before")
    await settled(shop)
    await shop.sells("apple", 1, key="after")
    await settled(shop)
    expected = await references(shop)
    await shop.put_back("before")
    await eventually(lambda: references(shop), expected)
    assert await shop.problems() == []


async def test_a_receipt_sent_once_more_to_a_spare_is_taken_and_counts_once(here: Here) -> None:
    shop = await here.node("S01")
    await shop.receives("apple", 10, key="goods")
    await shop.sells("apple", 3, key="receipt 17")
    await settled(shop)
    await shop.stop()
    spare = await here.node("S01b", writes=("S01",))
    await eventually(lambda: count(spare), 2)
    await spare.sells("apple", 3, key="receipt 17")
    await settled(spare)
    await eventually(lambda: spare.shows("apple"), 7)
    assert await count(spare) == 2
    assert await spare.problems() == []


async def test_history_is_fetched_from_where_the_last_session_left_it(here: Here) -> None:
    shop = await here.node("S01")
    for number in range(20):
        await shop.sells("apple", 1, key=number)
    await settled(shop)
    standby = await here.node("S01b", writes=("S01",))
    await eventually(lambda: count(standby), 20)
    await standby.stop()
    await shop.sells("apple", 1, key="away")
    await settled(shop)
    await standby.start()
    await eventually(lambda: count(standby), 21)
    [[position]] = await standby.asks("SELECT position FROM pulled WHERE location = 'S01'")
    assert position == 21


async def test_a_hub_that_was_put_back_has_its_ledger_read_again(here: Here) -> None:
    """Its positions are given a second time, to other operations."""
    shop = await here.node("S01")
    await shop.sells("apple", 1, key="kept")
    await settled(shop)
    await here.hub.back_up("old.db")
    standby = await here.node("S01b", writes=("S01",))
    await settled(shop, standby)
    for number in range(5):
        await shop.sells("apple", 1, key=("lost", number))
    await settled(shop)
    await eventually(lambda: count(standby), 6)
    await shop.stop()
    await here.hub.put_back("old.db")
    await settled(standby)
    await shop.start()
    await shop.sells("apple", 1, key="at an old position")
    await settled(shop)
    await eventually(lambda: count(standby), 7)


async def count(node: NodeHere) -> int:
    """How many movements are listed."""
    return len(await references(node))
