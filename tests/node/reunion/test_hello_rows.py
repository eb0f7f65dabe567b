"""Each row of the hello table, from one end to the other: what both sides lost, and that every sale counts once.

Rows 9 and 15 under a node that was put back too are in test_claims.py.
"""

import pytest

from hub import intake, opening
from protocol.errors import Code
from protocol.frames.handshake import Close, Welcome
from protocol.frames.log import Operations
from protocol.frames.repair import AskDigests
from protocol.session import hub as hub_half
from tests.node.reunion.here import Here, NodeHere, eventually, settled


async def selling(here: Here, name: str = "S01", *, sales: int = 20, **rights: object) -> NodeHere:
    """A shop whose sales the hub has."""
    shop = await here.node(name, **rights)  # type: ignore[arg-type]
    for number in range(sales):
        await shop.sells("apple", 1, key=(name, number))
    await settled(shop)
    return shop


async def replica_of(node: NodeHere) -> str:
    """The log's present name."""
    return str((await node.status())["replica"])


async def error_of(node: NodeHere) -> str:
    """The code that ended the last session."""
    return str((await node.status())["last_error"]).partition(":")[0]


async def hub_shows(here: Here, location: str, sku: str) -> int:
    """The hub's total."""
    page = await here.hub.running.store.page(f"stock:{location}", 0)  # type: ignore[arg-type]
    return sum(row.total for row in page.rows if row.sku == sku)  # type: ignore[union-attr]


async def test_row_1_a_hub_of_other_versions_leaves_the_shop_selling(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await selling(here)
    monkeypatch.setattr(hub_half, "VERSIONS", (2, 3))
    shop.cut()
    await eventually(lambda: error_of(shop), "upgrade_required")
    await shop.sells("apple", 1, key="alone")
    assert (await shop.status())["pending"] == 1
    monkeypatch.undo()
    await shop.stop()
    await shop.start()
    await settled(shop)
    assert await hub_shows(here, "S01", "apple") == -21


async def test_row_2_a_revoked_node_keeps_its_operations(here: Here) -> None:
    shop = await selling(here)
    await here.hub.tell("revoke", name="S01")
    await eventually(lambda: error_of(shop), "revoked")
    await shop.sells("apple", 1, key="alone")
    await shop.stop()
    await shop.start()
    await eventually(lambda: error_of(shop), "revoked")
    assert (await shop.status())["pending"] == 1
    [[held]] = await shop.asks("SELECT count(*) FROM log")
    assert held == 21


async def test_row_3_a_log_copied_to_another_device_goes_on_as_a_new_replica(here: Here) -> None:
    shop = await selling(here, writes=("S01",))
    other = await here.node("S01b", writes=("S01",), starts=False)
    await shop.stop()
    await other.takes_the_log_of(shop)
    await shop.start()
    await other.start()
    await other.sells("apple", 1, key="at the copy")
    await settled(shop, other)
    assert await replica_of(other) != await replica_of(shop)
    for each in (shop, other):
        await eventually(lambda each=each: each.shows("apple"), -21)  # type: ignore[misc]
        assert await each.problems() == []


async def test_rows_4_and_15_a_first_session_of_a_node_that_the_hub_has_never_heard_of(
    here: Here,
) -> None:
    shop = await here.node("S01", starts=False)
    await shop.start()
    welcome = await shop.hears(Welcome)
    assert (welcome.acked, welcome.reset) == (0, ())
    assert [each.name for each in await here.hub.running.store.nodes()] == ["S01"]


async def test_row_5_a_cut_log_that_the_hub_does_not_know_is_sent_whole_under_a_new_replica(
    here: Here,
) -> None:
    shop = await selling(here)
    await shop.prunes()
    assert (await shop.status())["log_base"] > 1
    before = await replica_of(shop)
    await here.hub.replace()
    await settled(shop)
    assert await replica_of(shop) != before
    assert await hub_shows(here, "S01", "apple") == -20
    await eventually(lambda: shop.shows("apple"), -20)
    assert await shop.problems() == []


async def test_row_6_node_restore_of_the_same_length_or_less(here: Here) -> None:
    """The hub acknowledged ten that the restored log lacks; nothing is recorded in between."""
    shop = await selling(here, sales=10)
    await shop.back_up("before")
    for number in range(10):
        await shop.sells("apple", 1, key=("later", number))
    await settled(shop)
    before = await replica_of(shop)
    await shop.put_back("before")
    await settled(shop)
    await eventually(lambda: shop.shows("apple"), -20)
    assert await replica_of(shop) != before
    assert await hub_shows(here, "S01", "apple") == -20
    assert await shop.problems() == []


async def test_row_7_node_restore_then_sell_the_same_number(here: Here) -> None:
    shop = await selling(here, sales=10)
    await shop.back_up("before")
    for number in range(5):
        await shop.sells("apple", 1, key=("lost", number))
    await settled(shop)
    await shop.stop()
    await here.hub.stop()
    await shop.put_back("before")
    for number in range(5):
        await shop.sells("apple", 1, key=("new", number))
    await here.hub.start()
    await settled(shop)
    await eventually(lambda: shop.shows("apple"), -20)
    assert await hub_shows(here, "S01", "apple") == -20
    assert await shop.problems() == []


async def test_row_8_hub_restore_repush(here: Here) -> None:
    shop = await selling(here, sales=10)
    await here.hub.back_up("old.db")
    for number in range(10):
        await shop.sells("apple", 1, key=("later", number))
    await settled(shop)
    before = await shop.status()
    await here.hub.put_back("old.db")
    await settled(shop)
    after = await shop.status()
    assert after["replica"] == before["replica"]
    assert after["epoch"] != before["epoch"]
    assert await hub_shows(here, "S01", "apple") == await shop.shows("apple") == -20
    assert after["incidents"] == []


async def test_row_8_with_a_history_gap_is_shown_to_the_operator(here: Here) -> None:
    """What was cut off the log is still held as movements here, and is sent; the operator is told all the same."""
    shop = await selling(here, sales=5)
    await here.hub.back_up("old.db")
    for number in range(15):
        await shop.sells("apple", 1, key=("later", number))
    await settled(shop)
    await shop.prunes()
    assert (await shop.status())["log_base"] > 10
    await here.hub.put_back("old.db")
    await settled(shop)
    [incident] = (await shop.status())["incidents"]
    assert incident["code"] == "history_gap"
    assert await hub_shows(here, "S01", "apple") == -20
    await eventually(lambda: shop.shows("apple"), -20)
    assert await shop.problems() == []


async def test_row_8_before_the_first_operation_outlives_a_stop_in_the_middle(here: Here) -> None:
    """The node keeps that the hub has nothing, and is killed before its log got its new replica."""
    shop = await here.node("S01")
    await settled(shop)
    await here.hub.back_up("empty.db")
    for number in range(15):
        await shop.sells("apple", 1, key=number)
    await settled(shop)
    await shop.prunes()
    await here.hub.stop()
    await shop.writes("UPDATE replica SET acked = 0, stable = 0")
    await shop.stop()
    await here.hub.put_back("empty.db")
    await shop.start()
    await settled(shop)
    assert await hub_shows(here, "S01", "apple") == -15
    assert await shop.shows("apple") == -15
    assert await shop.problems() == []


async def test_row_9_a_declared_restore_has_every_scope_read_again(here: Here) -> None:
    shop = await selling(here)
    neighbour = await selling(here, "S02")
    await eventually(lambda: shop.shows("apple", "S02"), -20)
    await here.hub.begin_epoch()
    await settled(shop, neighbour)
    welcome = await shop.hears(Welcome)
    assert welcome.reset == ("stock:S01", "stock:S02")
    assert (await shop.shows("apple"), await shop.shows("apple", "S02")) == (-20, -20)
    assert await shop.problems() == []


async def test_row_9_hub_replaced_empty(here: Here) -> None:
    shop, neighbour = await selling(here), await selling(here, "S02")
    await eventually(lambda: shop.shows("apple", "S02"), -20)
    await here.hub.replace()
    await settled(shop, neighbour)
    await eventually(lambda: shop.shows("apple", "S02"), -20)
    await eventually(lambda: neighbour.shows("apple", "S01"), -20)
    assert await hub_shows(here, "S01", "apple") == -20
    assert await shop.problems() == await neighbour.problems() == []


async def test_row_10_hub_restore_cursor_behind_new_head(here: Here) -> None:
    """Nothing of this node's was lost; but where it has read to, another node has written something else since."""
    shop, seller = await selling(here), await selling(here, "S02", sales=1)
    await here.hub.back_up("old.db")
    await seller.sells("lost with its node", 5, key="lost")
    await settled(shop, seller)
    await eventually(lambda: shop.shows("lost with its node", "S02"), -5)
    await seller.stop()
    await shop.stop()
    await here.hub.put_back("old.db")
    newcomer = await here.node("S03")
    for number in range(5):
        await newcomer.sells("pear", 1, key=number)
    await settled(newcomer)
    before = here.hub.running.feed.head
    await shop.start()
    await settled(shop, newcomer)
    assert before.hub_seq > 0
    assert (await shop.status())["epoch"] == (await newcomer.status())["epoch"]
    assert "stock:S02" in (await shop.hears(Welcome)).reset
    await eventually(lambda: shop.shows("pear", "S03"), -5)
    assert await shop.shows("lost with its node", "S02") == 0
    assert await shop.problems() == []


async def test_row_11_offline_past_horizon(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, seller = await selling(here), await selling(here, "S02", sales=3)
    await settled(shop)
    await eventually(lambda: shop.shows("apple", "S02"), -3)
    await shop.stop()
    for number in range(5):
        await seller.sells("pear", 1, key=("later", number))
    await settled(seller)
    monkeypatch.setattr(opening, "HORIZON", here.hub.running.feed.head.hub_seq)
    shop.loses = {AskDigests}
    await shop.start()
    await settled(shop)
    welcome = await shop.hears(Welcome)
    assert set(welcome.reset) == {"stock:S01", "stock:S02"}
    await eventually(lambda: shop.shows("pear", "S02"), -5)
    assert await shop.shows("apple") == -20
    assert await shop.problems() == []


async def test_row_12_a_half_open_line_is_replaced_in_silence(here: Here) -> None:
    shop = await selling(here)
    live = here.hub.running.live
    shop.cut()
    await shop.sells("apple", 1, key="over the next line")
    await settled(shop)
    assert len(live) == 1
    assert here.hub.running.metrics.duplicates._value.get() == 0
    assert await hub_shows(here, "S01", "apple") == -21


async def test_row_13_clone_two_daemons(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sell; as long as the log is the same they take it from each other, and then go on as two."""
    monkeypatch.setattr(opening, "SUPERSEDED_RETRY_MS", 20)
    monkeypatch.setattr(intake, "SUPERSEDED_RETRY_MS", 20)
    shop = await selling(here, sales=5)
    await shop.stop()
    clone = await here.copy(shop, "S01 again")
    await shop.start()
    await clone.start()

    async def are_apart() -> bool:
        return await replica_of(clone) != await replica_of(shop)

    await eventually(are_apart, True)
    for number in range(5):
        await shop.sells("apple", 1, key=("shop", number))
        await clone.sells("apple", 1, key=("clone", number))
    await settled(shop, clone)
    for each in (shop, clone):
        await eventually(lambda each=each: each.shows("apple"), -15)  # type: ignore[misc]
        assert await each.problems() == []
    assert here.hub.running.metrics.duplicates._value.get() >= 3
    assert await hub_shows(here, "S01", "apple") == -15


async def test_row_13_a_process_that_is_started_anew_again_and_again_keeps_its_replica(
    here: Here,
) -> None:
    """Its old line may still look open; but nobody has superseded the new process before."""
    shop = await selling(here, sales=3)
    before = await replica_of(shop)
    for _ in range(5):
        shop.cut()
        await shop.stop()
        await shop.start()
        await settled(shop)
    assert await replica_of(shop) == before


async def test_row_14_and_goaway_a_hub_that_ends_says_so_and_is_come_back_to(here: Here) -> None:
    shop = await selling(here)
    await here.hub.stop()
    close = await shop.hears(Close)
    assert close.code is Code.RESTARTING
    assert close.retry_ms >= 0
    await shop.sells("apple", 1, key="alone")
    await here.hub.start()
    await settled(shop)
    assert await hub_shows(here, "S01", "apple") == -21


async def test_row_15_a_hub_older_than_an_enrolment_takes_the_node_back(here: Here) -> None:
    await here.hub.back_up("old.db")
    shop = await selling(here)
    await here.hub.put_back("old.db")
    await settled(shop)
    assert [each.name for each in await here.hub.running.store.nodes()] == ["S01"]
    assert await hub_shows(here, "S01", "apple") == -20


async def test_a_batch_of_a_fenced_session_is_not_taken(here: Here) -> None:
    """The old line of a copied folder still stands when the copy has opened a session of the same log."""
    shop = await selling(here, sales=5)
    await shop.stop()
    clone = await here.copy(shop, "S01 again")
    shop.loses = {Operations}
    await shop.start()
    await eventually(lambda: _connected(shop), True)
    await clone.start()
    await settled(clone)
    await clone.sells("apple", 1, key="at the clone")
    await settled(clone)
    assert (await shop.hears(Close)).code is Code.SUPERSEDED
    assert await hub_shows(here, "S01", "apple") == -6


async def _connected(node: NodeHere) -> bool:
    return bool((await node.status())["connected"])
