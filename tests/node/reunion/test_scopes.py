"""Scopes that come into reach and leave it, while everything else goes on."""

from protocol.frames.log import Operations
from tests.node.reunion.here import Here, NodeHere, eventually, settled


async def held(node: NodeHere) -> list[str]:
    """The scopes that are read."""
    return list((await node.status())["cursors"])


async def is_connected(node: NodeHere) -> bool:
    """Whether it talks with the hub, settled or not."""
    return bool((await node.status())["connected"])


async def two_shops(here: Here, *, reads: tuple[str, ...]) -> tuple[NodeHere, NodeHere]:
    """S01, which reads `reads`, and S02, with goods on both shelves."""
    other = await here.node("S02")
    await other.receives("pear", 7, key="goods of S02")
    await settled(other)
    shop = await here.node("S01", reads=reads)
    await shop.receives("apple", 10, key="goods of S01")
    await settled(shop)
    return shop, other


async def test_add_location_later(here: Here) -> None:
    """A location granted while the node runs is read from its beginning; its own shelf goes on meanwhile."""
    shop, other = await two_shops(here, reads=("S01",))
    assert await held(shop) == ["stock:S01"]
    assert await shop.shows("pear", "S02") == 0
    await here.hub.change_access("S01", reads=["*"])
    await shop.sells("apple", 1, key="meanwhile")
    await eventually(lambda: shop.shows("pear", "S02"), 7)
    await settled(shop, other)
    assert await held(shop) == ["stock:S01", "stock:S02"]
    assert await shop.shows("apple") == 9
    await other.sells("pear", 2, key="later")
    await eventually(lambda: shop.shows("pear", "S02"), 5)
    assert await shop.problems() == []


async def test_a_location_granted_while_the_node_was_away_is_read_from_its_beginning(
    here: Here,
) -> None:
    shop, _ = await two_shops(here, reads=("S01",))
    await shop.stop()
    await here.hub.change_access("S01", reads=["*"])
    await shop.start()
    await eventually(lambda: shop.shows("pear", "S02"), 7)


async def test_a_location_out_of_reach_is_dropped_while_the_others_go_on(here: Here) -> None:
    shop, other = await two_shops(here, reads=("*",))
    await eventually(lambda: shop.shows("pear", "S02"), 7)
    await here.hub.change_access("S01", reads=["S01"])
    await eventually(lambda: held(shop), ["stock:S01"])
    await eventually(lambda: shop.shows("pear", "S02"), 0)
    await shop.sells("apple", 1, key="afterwards")
    await other.sells("pear", 1, key="not seen")
    await settled(shop, other)
    assert (await shop.shows("apple"), await shop.shows("pear", "S02")) == (9, 0)
    assert await shop.asks("SELECT sku FROM counter WHERE location = 'S02'") == []
    assert await shop.problems() == []


async def test_a_location_that_a_restored_hub_has_not_heard_of_is_dropped_with_the_right_to_it(
    here: Here,
) -> None:
    """The hub says which scopes end of those it has; of this one it has no row."""
    shop = await here.node("S01")
    await shop.receives("apple", 10, key="goods of S01")
    await settled(shop)
    await here.hub.back_up("old.db")
    other = await here.node("S02")
    await other.receives("pear", 7, key="goods of S02")
    await eventually(lambda: shop.shows("pear", "S02"), 7)
    await other.stop()
    await here.hub.put_back("old.db")
    await eventually(lambda: is_connected(shop), True)
    assert await held(shop) == ["stock:S01", "stock:S02"]
    await here.hub.change_access("S01", reads=["S01"])
    await eventually(lambda: held(shop), ["stock:S01"])
    await eventually(lambda: shop.shows("pear", "S02"), 0)
    assert await shop.problems() == []


async def test_late_scope(here: Here) -> None:
    """What was sold under a right that has ended counts; the node shows it until the hub has it, and then no more."""
    shop = await here.node("S01", writes=("S01", "S02"), reads=())
    await shop.receives("apple", 10, key="here")
    await shop.receives("pear", 7, key="there", location="S02")
    await settled(shop)
    await shop.stop()
    shop.loses = {Operations}
    await shop.start()
    await shop.sells("pear", 2, key="sold late", location="S02")
    await here.hub.change_access("S01", writes=["S01"], reads=["S01"])
    await eventually(lambda: held(shop), ["stock:S01"])
    assert await shop.shows("pear", "S02") == -2
    shop.loses.clear()
    await shop.stop()
    await shop.start()
    await settled(shop)
    await eventually(lambda: shop.asks("SELECT sku FROM counter WHERE location = 'S02'"), [])
    assert (await shop.status())["quarantined"] == 0
    assert await shop.shows("apple") == 10
    assert await shop.problems() == []
    successor = await here.node("S02")
    await eventually(lambda: successor.shows("pear"), 5)


async def test_a_scope_given_back_before_the_hub_had_everything_is_whole(here: Here) -> None:
    shop = await here.node("S01", writes=("S01", "S02"), reads=())
    await shop.receives("apple", 10, key="here")
    await shop.receives("pear", 7, key="there", location="S02")
    await settled(shop)
    await shop.stop()
    shop.loses = {Operations}
    await shop.start()
    await shop.sells("pear", 2, key="sold late", location="S02")
    await here.hub.change_access("S01", writes=["S01"], reads=["S01"])
    await eventually(lambda: held(shop), ["stock:S01"])
    await here.hub.change_access("S01", writes=["S01", "S02"], reads=[])
    await eventually(lambda: shop.shows("pear", "S02"), 5)
    shop.loses.clear()
    await shop.stop()
    await shop.start()
    await settled(shop)
    assert await shop.shows("pear", "S02") == 5
    assert await shop.problems() == []
