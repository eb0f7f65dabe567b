"""Open sessions over real sockets: the hub's driver against the node's half of the protocol."""

import pytest

from protocol.errors import Code
from protocol.frames.log import Item
from protocol.frames.repair import Claim, Claimed
from protocol.ids import HubSeq, OpId, Seq
from protocol.limits import BATCH_OPERATIONS_MAX, FRAME_BYTES_MAX, SUPERSEDED_RETRY_MS
from protocol.session.node_actions import (
    Answered,
    ClockMeasured,
    CompareLog,
    StartNewReplica,
    StoreAcknowledged,
    StorePage,
    StoreQuarantined,
)
from tests.hub.conftest import Running
from tests.hub.peer import eventually
from tests.store.shop import NOW_MS, Shop, counted, name_bytes


async def _pending(running: Running, shop: Shop) -> int | None:
    record = await running.hub.store.node(shop.node)
    return None if record is None else record.pending


async def test_four_batches_in_flight_are_answered_in_order(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    for _ in range(20):
        shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        for _ in range(4):
            await peer.pushes(5)
        assert await peer.acknowledged() == 20
        answers = [each.acked for each in peer.heard if isinstance(each, StoreAcknowledged)]
        assert answers == [5, 10, 15, 20]


async def test_an_acknowledgement_carries_the_hubs_clock(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    running.clock.now_ms = NOW_MS + 77
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        answer = await peer.hears(StoreAcknowledged)
        assert isinstance(answer, StoreAcknowledged)
        assert answer.accepted_at_ms == NOW_MS + 77


async def test_a_lost_answer_is_made_good_by_the_next_session(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        welcome = await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
        assert (welcome.acked, peer.session.acked) in {(1, 2), (0, 2)}
        await peer.caught_up(1)
        assert peer.rows == {("S01", "apple", "", 0): -2}


async def test_a_gap_is_answered_and_mended_in_the_same_session(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    for _ in range(3):
        shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        peer.session.sent = Seq(1)
        await peer.pushes()
        await peer.hears(CompareLog)
        await peer.pushes()
        assert await peer.acknowledged() == 3


async def test_quarantine_is_told_before_the_acknowledgement_and_after_a_cut(
    running: Running,
) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.log.append(Item(b"\xc1", None))
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
        told = [type(each) for each in peer.heard if not isinstance(each, StorePage)]
        assert told.index(StoreQuarantined) < told.index(StoreAcknowledged)
    async with running.peer(shop) as peer:
        await peer.opens()
        told_again = await peer.hears(StoreQuarantined)
        assert isinstance(told_again, StoreQuarantined)
        assert [entry.seq for entry in told_again.entries] == [1]


async def test_another_history_under_one_log_asks_for_a_new_replica(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
    copy = Shop("S01")
    copy.sells("pear", 5)
    async with running.peer(copy) as peer:
        await peer.hears(StartNewReplica)


async def test_a_log_of_another_node_asks_for_a_new_replica(running: Running) -> None:
    copied = await running.enrol(Shop("S01"))
    peer = running.peer(Shop("S02"))
    peer.replica = copied.replica
    async with peer:
        await peer.hears(StartNewReplica)


async def test_a_ping_is_answered_and_remembered(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer._carry_out(peer.session.ping(NOW_MS, 12))
        assert await peer.hears(ClockMeasured) == ClockMeasured(0)
        await eventually(lambda: _pending(running, shop), 12)


async def test_a_claim_is_answered_bit_by_bit(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    known = [shop.sells("apple", 1).op_id for _ in range(3)]
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
        unknown = OpId(name_bytes("unknown"))
        asked = (known[0], unknown, known[1], *[unknown] * 6, known[2])
        await peer.asks(Claim(asked))
        answer = await peer.hears(Answered)
        assert answer == Answered(Claimed(HubSeq(1), bytes([0b10100000, 0b01000000])))


async def test_a_second_process_of_a_log_takes_over_and_the_first_is_fenced(
    running: Running,
) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    async with running.peer(shop) as first:
        await first.opens()
        second = running.peer(shop)
        second.boot = name_bytes("another process")
        async with second:
            await second.opens()
            close = await first.closed()
            assert (close.code, close.retry_ms) == (Code.SUPERSEDED, SUPERSEDED_RETRY_MS)
            await second.pushes()
            assert await second.acknowledged() == 1
            assert len(running.hub.live) == 1


async def test_the_same_process_replaces_its_half_open_line_without_a_word(
    running: Running,
) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as first:
        await first.opens()
        async with running.peer(shop) as second:
            await second.opens()
            with pytest.raises(ConnectionResetError):
                await first.closed()
            assert len(running.hub.live) == 1


async def test_a_session_that_ended_is_forgotten(running: Running) -> None:
    async with running.peer(await running.enrol(Shop("S01"))) as peer:
        await peer.opens()
        assert len(running.hub.live) == 1

    async def still_open() -> int:
        return len(running.hub.live)

    await eventually(still_open, 0)


async def test_a_frame_that_is_too_large_ends_the_session_with_a_reason(running: Running) -> None:
    async with running.peer(await running.enrol(Shop("S01"))) as peer:
        await peer.opens()
        await peer.line.send_bytes(bytes(FRAME_BYTES_MAX + 1))
        assert (await peer.closed()).code is Code.TOO_LARGE


async def test_the_largest_batch_is_taken(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    for number in range(BATCH_OPERATIONS_MAX):
        shop.records(*(counted("S01", f"sku {number} {at}", at) for at in range(20)))
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        assert await peer.acknowledged() > 0
