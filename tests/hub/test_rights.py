"""What the hub's history and a change of rights do to sessions that are open and to those that come back."""

import asyncio

from hub.fleet import AccessChange
from protocol.certificate import verify
from protocol.errors import Code
from protocol.ids import Epoch, HubSeq, Salt, Seq
from protocol.session.node_actions import StoreCertificate, StorePage, StoreScopes
from tests.hub.conftest import Running
from tests.hub.peer import PATIENCE_S
from tests.store.shop import EPOCH, HUB_KEY, Shop


def _reads(*reads: str) -> AccessChange:
    return AccessChange(name="S01", reads=reads)


async def test_a_cursor_of_another_history_begins_a_new_epoch_for_everybody(
    running: Running,
) -> None:
    shop, other = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    shop.sells("apple", 1)
    async with running.peer(other) as bystander:
        await bystander.opens()
        async with running.peer(shop) as peer:
            await peer.opens()
            await peer.pushes()
            await peer.acknowledged()
        peer = running.peer(shop)
        peer.epoch, peer.cursor = EPOCH, (HubSeq(1), Salt(b"elsewhere"[:8]))
        async with peer:
            welcome = await peer.opens()
            assert welcome.epoch != EPOCH
            assert welcome.reset == welcome.scopes == ("stock:S01",)
            await peer.caught_up(1)
            assert peer.rows == {("S01", "apple", "", 0): -1}
        assert (await bystander.closed()).code is Code.RESTARTING


async def test_a_hub_that_lost_operations_takes_them_again(running: Running) -> None:
    shop = Shop("S01")
    shop.sells("apple", 1)
    peer = running.peer(shop)
    peer.epoch, peer.acked_seen = EPOCH, Seq(1)
    async with peer:
        welcome = await peer.opens()
        assert (welcome.acked, welcome.epoch != EPOCH) == (0, True)
        await peer.pushes()
        assert await peer.acknowledged() == 1


async def test_a_node_of_an_older_epoch_reads_everything_again(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.caught_up(1)
    peer.epoch = Epoch(bytes(16))
    peer.acked_seen, peer.rows = Seq(1), {}
    async with peer:
        welcome = await peer.opens()
        assert (welcome.epoch, welcome.reset) == (EPOCH, ("stock:S01",))
        await peer.hears(StorePage)
        assert peer.rows == {("S01", "apple", "", 0): -1}


async def test_a_replaced_shop_that_writes_nothing_may_be_given_other_reads(
    running: Running,
) -> None:
    replaced = Shop("S01")
    replaced.writes = ()
    await running.enrol(replaced)
    await running.fleet.change_access(_reads("S02"))
    record = await running.hub.store.node(replaced.node)
    assert record is not None
    assert (record.writes, record.reads) == ((), ("S02",))


async def test_a_change_of_access_reaches_the_open_session_at_once(running: Running) -> None:
    shop, other = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    for each in (shop, other):
        each.sells("apple", 1)
        async with running.peer(each) as peer:
            await peer.opens()
            await peer.pushes()
            await peer.acknowledged()
    async with running.peer(shop) as peer:
        assert (await peer.opens()).scopes == ("stock:S01", "stock:S02")
        response = await running.post("/v1/operator/access", {"name": "S01", "reads": ["S01"]})
        assert response.status == 200
        granted = await peer.hears(StoreCertificate)
        assert isinstance(granted, StoreCertificate)
        certificate = verify(granted.certificate, bytes(HUB_KEY.verify_key))
        assert certificate.reads == ("S01",)
        dropped = await peer.hears(StoreScopes)
        assert isinstance(dropped, StoreScopes)
        assert (dropped.scopes.add, dropped.scopes.drop) == ((), ("stock:S02",))
        await running.post("/v1/operator/access", {"name": "S01", "reads": ["*"]})
        added = await peer.hears(StoreScopes, 2)
        assert isinstance(added, StoreScopes)
        assert added.scopes.add == ("stock:S02",)
        await peer.caught_up(2)
        assert ("S02", "apple", "", 0) in peer.rows


async def test_rows_out_of_reach_are_not_sent(running: Running) -> None:
    shop, other = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    await running.fleet.change_access(_reads("S01"))
    async with running.peer(shop) as peer, running.peer(other) as far:
        await peer.opens()
        await far.opens()
        other.sells("secret", 1)
        await far.pushes()
        await far.acknowledged()
        shop.sells("apple", 1)
        await peer.pushes()
        await peer.caught_up(2)
        assert peer.rows == {("S01", "apple", "", 0): -1}
        assert not peer.pages("stock:S02")


async def test_a_scope_that_came_into_reach_while_away_is_read_from_its_beginning(
    running: Running,
) -> None:
    shop, other = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    grant = await running.fleet.change_access(_reads("S01"))
    for each in (other, shop):
        each.sells("apple", 1)
        async with running.peer(each) as pusher:
            await pusher.opens()
            await pusher.pushes()
            await pusher.acknowledged()
    peer = running.peer(shop)
    peer.certificate = grant.certificate
    async with peer:
        await peer.opens()
        await peer.caught_up(2)
    await running.fleet.change_access(_reads("*"))
    peer.certificate = grant.certificate
    async with peer:
        welcome = await peer.opens()
        assert welcome.scopes == ("stock:S01", "stock:S02")
        assert welcome.reset == ("stock:S02",)
        async with asyncio.timeout(PATIENCE_S):
            while not peer.pages("stock:S02"):
                await peer.receive()
        assert peer.pages("stock:S02")[0].base == 0
