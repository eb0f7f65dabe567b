"""What is shown after a node or the hub lost a part of its past: each sale once, also before the log was sent again."""

from protocol.frames.log import Operations
from protocol.frames.repair import Claim
from tests.node.reunion.here import Here, NodeHere, eventually, settled


async def restored_with_sales_in_doubt(here: Here) -> NodeHere:
    """A node put back to before it heard that its sales had arrived; its log does not get through any more."""
    shop = await here.node("S01")
    await shop.receives("apple", 100, key="first")
    await settled(shop)
    await shop.stop()
    shop.loses = {Operations}
    await shop.start()
    for number in range(3):
        await shop.sells("apple", 10, key=number)
    await shop.back_up("before")
    shop.loses = set()
    await shop.stop()
    await shop.start()
    await settled(shop)
    await shop.sells("apple", 1, key="after the backup")
    await settled(shop)
    shop.loses = {Operations}
    await shop.put_back("before")
    return shop


async def test_sales_inside_the_hubs_totals_are_shown_once_before_the_log_was_sent_again(
    here: Here,
) -> None:
    shop = await restored_with_sales_in_doubt(here)
    await eventually(lambda: shop.shows("apple"), 69)
    assert (await shop.status())["pending"] == 4
    assert await shop.problems() == []


async def test_without_claims_they_are_shown_twice(here: Here) -> None:
    """That the test before could fail."""
    shop = await restored_with_sales_in_doubt(here)
    shop.loses |= {Claim}
    await shop.stop()
    await shop.put_back("before")
    await eventually(lambda: shop.shows("apple"), 39)


async def test_a_count_taken_before_the_log_was_sent_again_is_right_for_good(here: Here) -> None:
    shop = await restored_with_sales_in_doubt(here)
    await eventually(lambda: shop.shows("apple"), 69)
    await shop.counts("apple", 70, key="count")
    assert await shop.shows("apple") == 70
    shop.loses.clear()
    await shop.stop()
    await shop.start()
    await settled(shop)
    assert await shop.shows("apple") == 70
    neighbour = await here.node("S02")
    await eventually(lambda: neighbour.shows("apple", "S01"), 70)


async def test_what_was_settled_stays_settled_over_restarts_and_another_new_replica(
    here: Here,
) -> None:
    shop = await restored_with_sales_in_doubt(here)
    await eventually(lambda: shop.shows("apple"), 69)
    await shop.stop()
    await shop.start()
    assert await shop.shows("apple") == 69
    await shop.back_up("again")
    await shop.put_back("again")
    await eventually(lambda: shop.shows("apple"), 69)
    shop.loses.clear()
    await shop.stop()
    await shop.start()
    await settled(shop)
    assert await shop.shows("apple") == 69
    assert await shop.problems() == []


async def test_a_hub_and_a_node_put_back_together_show_every_sale_once(here: Here) -> None:
    """What only this node has kept is missing from the hub's rows, what only the hub has from this node."""
    shop = await here.node("S01")
    neighbour = await here.node("S02")
    await shop.receives("apple", 100, key="first")
    await settled(shop, neighbour)
    await here.hub.back_up("old.db")
    await shop.sells("apple", 10, key="in the node's backup only")
    await settled(shop)
    await shop.back_up("before")
    await settled(shop)
    await shop.sells("apple", 5, key="nowhere any more")
    await settled(shop)
    shop.loses = {Operations}
    await here.hub.put_back("old.db")
    await shop.put_back("before")
    await eventually(lambda: shop.shows("apple"), 90)
    shop.loses.clear()
    await shop.stop()
    await shop.start()
    await settled(shop)
    assert await shop.shows("apple") == 90
    await eventually(lambda: neighbour.shows("apple", "S01"), 90)
    assert await shop.problems() == await neighbour.problems() == []


async def test_a_log_that_goes_on_under_a_new_replica_in_a_new_epoch_shows_every_sale_once(
    here: Here,
) -> None:
    """The hub has the log under its old replica, and nothing of it under the new one."""
    shop = await here.node("S01")
    await shop.receives("apple", 100, key="first")
    await settled(shop)
    await shop.back_up("before")
    await settled(shop)
    await shop.sells("apple", 10, key="second")
    await settled(shop)
    await here.hub.back_up("old.db")
    await settled(shop)
    other = await here.node("S02")
    await other.receives("pear", 5, key="to make the hub go back later")
    await settled(shop, other)
    shop.loses = {Operations}
    await shop.put_back("before")
    await eventually(lambda: shop.shows("apple"), 90)
    await here.hub.put_back("old.db")
    await eventually(lambda: shop.shows("pear", "S02"), 5)
    await eventually(lambda: shop.shows("apple"), 90)
    shop.loses.clear()
    await shop.stop()
    await shop.start()
    await settled(shop, other)
    assert await shop.shows("apple") == 90
    assert await shop.problems() == []
