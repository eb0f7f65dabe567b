"""Nodes that are retired or revoked while they are connected, away, or forgotten by the hub."""

import asyncio
from collections.abc import Sequence

import pytest

from hub.departures import GONE_RETRY_MS
from hub.store.interface import Opened, Opening
from hub.store.records import KnownDeparture
from protocol.certificate import Role, issue, verify
from protocol.departure import Departure, Reason, digest, sign
from protocol.errors import Code
from protocol.frames.repair import AskDigests
from protocol.ids import NodeId, ReplicaId, Seq, stock_scope
from protocol.session.node_actions import StartNewReplica, StoreCertificate, StoreDepartures
from tests.hub.conftest import Running
from tests.hub.peer import Peer, eventually
from tests.store.shop import CHAIN, HUB_KEY, NOW_MS, Shop, counted, name_bytes

NONE = digest([])


def departure(node: NodeId, reason: Reason = Reason.REVOKED) -> bytes:
    """A departure that this hub signed, in another life perhaps."""
    return sign(Departure(CHAIN, node, reason, NOW_MS - 5), HUB_KEY)


async def told(peer: Peer) -> Sequence[bytes]:
    """The departures that the hub tells next."""
    heard = await peer.hears(StoreDepartures)
    assert isinstance(heard, StoreDepartures)
    return heard.records


async def tell(running: Running, path: str, name: str) -> int:
    """Ask the operator's API; the status."""
    return (await running.post(f"/v1/operator/{path}", {"name": name})).status


async def has_heard(running: Running, peer: Peer) -> None:
    """Let the peer hold its newest certificate: whether the hub's word of it comes before the end is a matter of luck."""
    record = await running.hub.store.node(peer.shop.node)
    assert record is not None
    peer.certificate = record.certificate


async def test_a_revoked_node_is_out_at_once_and_for_ever(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        assert await tell(running, "revoke", "S01") == 200
        assert (await peer.closed()).code is Code.REVOKED
    async with running.peer(shop) as again:
        assert (await again.closed()).code is Code.REVOKED
    record = await running.hub.store.node(shop.node)
    assert record is not None
    assert (record.status, record.writes) == ("revoked", ())


async def test_revoking_twice_says_the_same(running: Running) -> None:
    await running.enrol(Shop("S01"))
    assert await tell(running, "revoke", "S01") == 200
    before = running.hub.departures.records
    assert await tell(running, "revoke", "S01") == 200
    assert running.hub.departures.records == before
    assert await tell(running, "revoke", "S09") == 404


async def test_every_other_node_hears_of_it(running: Running) -> None:
    thief, shop, away = [await running.enrol(Shop(name)) for name in ("S01", "S02", "S03")]
    async with running.peer(shop) as peer:
        peer.departed = NONE
        await peer.reconnect()
        await peer.opens()
        assert await tell(running, "revoke", "S01") == 200
        assert await told(peer) == tuple(running.hub.departures.records)
    async with running.peer(away) as later:
        later.departed = NONE
        await later.reconnect()
        welcome = await later.opens()
        assert welcome.departed == digest(running.hub.departures.records) != NONE
        assert await told(later) == tuple(running.hub.departures.records)
    assert running.hub.departures.reason(thief.node) is Reason.REVOKED


async def test_a_node_that_keeps_none_is_told_nothing(running: Running) -> None:
    shop, thief = await running.enrol(Shop("S02")), await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        await peer.opens()
        assert await tell(running, "revoke", thief.name) == 200
        shop.sells("apple", 1)
        await peer.pushes()
        assert await peer.acknowledged() == 1
        assert [each for each in peer.heard if isinstance(each, StoreDepartures)] == []


@pytest.mark.parametrize("known", [True, False])
async def test_a_restored_hub_learns_from_any_node_whom_to_keep_out(
    running: Running, known: bool
) -> None:
    """The thief was revoked after the backup, and enrolled before or after it; it is connected already."""
    thief, shop = Shop("S01"), await running.enrol(Shop("S02"))
    if known:
        await running.enrol(thief)
    record = departure(thief.node)
    async with running.peer(thief) as first, running.peer(shop) as peer:
        await first.opens()
        peer.departed = digest([record])
        await peer.reconnect()
        welcome = await peer.opens()
        assert welcome.departed == NONE
        await peer.tells_departures([record])
        assert (await first.closed()).code is Code.REVOKED
    async with running.peer(thief) as again:
        assert (await again.closed()).code is Code.REVOKED
    assert await running.hub.store.departures() == {thief.node: record}


async def test_a_forged_departure_harms_nobody_but_who_brings_it(running: Running) -> None:
    victim, liar = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    record = sign(Departure(CHAIN, victim.node, Reason.REVOKED, NOW_MS), liar.key)
    async with running.peer(victim) as good, running.peer(liar) as bad:
        await good.opens()
        await bad.opens()
        await bad.tells_departures([departure(NodeId(name_bytes("nobody"))), record])
        assert (await bad.closed()).code is Code.AUTHENTICATION_FAILED
        victim.sells("apple", 1)
        await good.pushes()
        assert await good.acknowledged() == 1
    assert await running.hub.store.departures() == {}


async def test_a_retired_node_that_is_away_delivers_and_then_goes(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 2)
    assert await tell(running, "retire", "S01") == 200
    async with running.peer(shop) as peer:
        await peer.opens()
        assert isinstance(await peer.hears(StoreCertificate), StoreCertificate)
        await peer.pushes()
        assert await peer.acknowledged() == 1
        assert (await peer.closed()).code is Code.RESTARTING, "it may have sold before it heard"
        shop.sells("apple", 1)
        await peer.reconnect()
        await peer.opens()
        await peer.pushes()
        assert await peer.acknowledged() == 2
        assert (await peer.closed()).code is Code.RETIRED
        await peer.reconnect()
        assert (await peer.closed()).code is Code.RETIRED
    record = await running.hub.store.node(shop.node)
    assert record is not None
    assert (record.status, record.acked) == ("retired", 2)


async def test_a_connected_node_that_retires_comes_once_more_and_goes(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        await peer.opens()
        assert await tell(running, "retire", "S01") == 200
        assert (await peer.closed()).code is Code.RESTARTING
        listed = await (await running.get("/v1/status")).json()
        assert [node["status"] for node in listed["nodes"]] == ["retiring"]
        await has_heard(running, peer)
        await peer.reconnect()
        await peer.opens()
        await peer.asks(AskDigests((stock_scope("S01"),)))
        assert (await peer.closed()).code is Code.RETIRED
    listed = await (await running.get("/v1/status")).json()
    assert [node["status"] for node in listed["nodes"]] == ["retired"]


@pytest.mark.parametrize("sold_since", [1, 2])
async def test_a_retiring_node_put_back_to_a_backup_is_kept_until_its_other_history_is_here(
    running: Running, sold_since: int
) -> None:
    """The hub has as many of its operations or more, but not these: only the node can tell, by the hash in WELCOME."""
    shop = await running.enrol(Shop("S01"))
    for _ in range(3):
        shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        assert await peer.acknowledged() == 3
        assert await tell(running, "retire", "S01") == 200
        assert (await peer.closed()).code is Code.RESTARTING
        await has_heard(running, peer)
        del shop.log[1:]
        for number in range(sold_since):
            shop.sells("pear", 1, key=("after the restore", number))
        await peer.reconnect()
        assert isinstance(await peer.hears(StartNewReplica), StartNewReplica)
        peer.replica = ReplicaId(name_bytes("another replica"))
        await peer.reconnect()
        await peer.opens()
        await peer.pushes()
        assert (await peer.closed()).code is Code.RETIRED
    counts = await running.hub.store.counts(0)
    assert counts.ledger == 3 + 1 + sold_since


@pytest.mark.parametrize("ahead_ms", [0, 5])
async def test_a_node_that_retires_at_a_hub_put_back_to_a_backup_hears_of_it_before_it_goes(
    running: Running, ahead_ms: int
) -> None:
    """What it holds is as new as the certificate by which it retires, or newer (a clock went back), and lets it sell."""
    shop = await running.enrol(Shop("S01"))
    assert await tell(running, "retire", "S01") == 200
    retiring = await running.hub.store.node(shop.node)
    assert retiring is not None
    serial = retiring.serial + ahead_ms
    peer = running.peer(shop)
    held = shop.certificate._replace(serial=serial, issued_at_ms=NOW_MS + 5)
    peer.certificate = issue(held, HUB_KEY)
    async with peer:
        assert (await peer.closed()).code is Code.RESTARTING, "it may sell until it has heard"
        shop.sells("apple", 1)
        await peer.reconnect()
        granted = await peer.hears(StoreCertificate)
        assert isinstance(granted, StoreCertificate)
        certificate = verify(granted.certificate, bytes(HUB_KEY.verify_key))
        assert (certificate.writes, certificate.serial) == ((), serial + 1)
        await peer.opens()
        await peer.pushes()
        assert (await peer.closed()).code is Code.RESTARTING
        await peer.reconnect()
        await peer.opens()
        await peer.asks(AskDigests((stock_scope("S01"),)))
        assert (await peer.closed()).code is Code.RETIRED
    record = await running.hub.store.node(shop.node)
    assert record is not None
    assert (record.status, record.acked, record.writes) == ("retired", 1, ())


async def test_a_retired_office_is_certified_to_correct_nobodys_stock(running: Running) -> None:
    """By its role it may anywhere, whatever it writes; what it recorded before still counts."""
    office = await running.enrol(Shop("office", role=Role.OFFICE))
    office.records(counted("S02", "apple", 1))
    assert await tell(running, "retire", "office") == 200
    async with running.peer(office) as peer:
        await peer.opens()
        granted = await peer.hears(StoreCertificate)
        assert isinstance(granted, StoreCertificate)
        certificate = verify(granted.certificate, bytes(HUB_KEY.verify_key))
        assert (certificate.role, certificate.writes) == (Role.STORE, ())
        await peer.pushes()
        assert await peer.acknowledged() == 1
    assert await running.hub.store.quarantine(0, 10) == []


async def test_who_is_told_to_retire_while_its_session_opens_comes_once_more(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not heard yet that it writes nothing any more, and may sell until it has."""
    shop, store = await running.enrol(Shop("S01")), running.hub.store
    open_session = store.open_session

    async def retired_just_before(opening: Opening) -> Opened:
        assert await tell(running, "retire", "S01") == 200
        return await open_session(opening)

    monkeypatch.setattr(store, "open_session", retired_just_before)
    async with running.peer(shop) as peer:
        assert (await peer.closed()).code is Code.RESTARTING
    record = await store.node(shop.node)
    assert record is not None
    assert record.status == "active"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_who_is_revoked_while_its_session_opens_asks_again_as_seldom_as_all_who_left(
    running: Running, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Found active when it was looked up; the transaction finds out, or its answer comes too late."""
    shop, store = await running.enrol(Shop("S01")), running.hub.store
    open_session = store.open_session

    async def revoked_meanwhile(opening: Opening) -> Opened:
        if when == "before":
            assert await tell(running, "revoke", "S01") == 200
        try:
            return await open_session(opening)
        finally:
            if when == "after":
                assert await tell(running, "revoke", "S01") == 200

    monkeypatch.setattr(store, "open_session", revoked_meanwhile)
    async with running.peer(shop) as peer:
        close = await peer.closed()
    assert (close.code, close.retry_ms) == (Code.REVOKED, GONE_RETRY_MS)


async def test_a_forgotten_node_that_was_retired_stays_out(running: Running) -> None:
    shop = Shop("S01")
    record = departure(shop.node, Reason.RETIRED)
    known = KnownDeparture(shop.node, Reason.RETIRED, record)
    await running.hub.store.keep_departures([known], NOW_MS)
    await running.hub.departures.load()
    async with running.peer(shop) as peer:
        assert (await peer.closed()).code is Code.RETIRED
    assert await running.hub.store.node(shop.node) is None


async def test_a_restored_hub_takes_from_a_retired_node_what_it_lost_until_it_hears_of_it(
    running: Running,
) -> None:
    shop, other = Shop("S01"), await running.enrol(Shop("S02"))
    shop.sells("apple", 1)
    held = shop.certificate._replace(serial=2, writes=())
    async with running.peer(other) as teller:
        await teller.opens()
        peer = running.peer(shop)
        peer.certificate, peer.acked_seen = issue(held, HUB_KEY), Seq(1)
        async with peer:
            await peer.opens()
            await peer.pushes()
            assert await peer.acknowledged() == 1
            await teller.tells_departures([departure(shop.node, Reason.RETIRED)])
            assert (await peer.closed()).code is Code.RETIRED
            shop.sells("apple", 1)
            await peer.reconnect()
            assert (await peer.closed()).code is Code.RETIRED
    record = await running.hub.store.node(shop.node)
    assert record is not None
    assert (record.status, record.acked) == ("retired", 1)


async def test_the_metrics_count_who_left(running: Running) -> None:
    await running.enrol(Shop("S01"))
    assert await tell(running, "revoke", "S01") == 200

    async def departed() -> bool:
        page = await (await running.get("/metrics")).text()
        return "everstock_hub_nodes_departed 1.0" in page

    await eventually(departed, True)


async def test_who_is_revoked_while_it_retires_is_revoked(running: Running) -> None:
    shop, departures = await running.enrol(Shop("S01")), running.hub.departures
    await asyncio.gather(
        departures.depart(shop.node, Reason.REVOKED), departures.depart(shop.node, Reason.RETIRED)
    )
    record = await running.hub.store.node(shop.node)
    assert record is not None
    assert (record.status, departures.reason(shop.node)) == ("revoked", Reason.REVOKED)
