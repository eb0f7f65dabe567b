"""What the hub answers over the line, to whom, and how many at a time."""

import asyncio

import pytest

from hub import sessions
from protocol.digest import BUCKETS, from_bytes
from protocol.errors import Code
from protocol.frames.feed import Page
from protocol.frames.repair import (
    AskBuckets,
    AskDigests,
    AskLedger,
    Buckets,
    Digests,
    Fetch,
    Ledger,
    Question,
)
from protocol.ids import NO_SALT, HubSeq, Location, Scope
from protocol.session.node_actions import Answered
from protocol.wire import encode
from runtime.line import WebSocketLine
from tests.hub.conftest import Running
from tests.hub.peer import Peer
from tests.store.shop import Shop, counted

S01, S02 = Scope("stock:S01"), Scope("stock:S02")
ALL = bytes(range(256))


async def answer_to(peer: Peer, question: Question) -> object:
    """What the hub answers."""
    before = sum(isinstance(each, Answered) for each in peer.heard)
    await peer.asks(question)
    answered = await peer.hears(Answered, before + 1)
    assert isinstance(answered, Answered)
    return answered.answer


async def sold(running: Running) -> tuple[Shop, Shop]:
    """Two shops whose sales the hub has; the first reads its own stock only."""
    shops = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    for shop in shops:
        for number in range(20):
            shop.sells(f"sku {number}", number + 1)
        async with running.peer(shop) as peer:
            await peer.opens()
            await peer.pushes()
            await peer.acknowledged()
    answer = await running.post("/v1/operator/access", {"name": "S01", "reads": ["S01"]})
    assert answer.status == 200
    return shops


async def test_digests_buckets_and_their_rows_agree(running: Running) -> None:
    shop, _ = await sold(running)
    async with running.peer(shop) as peer:
        await peer.opens()
        digests = await answer_to(peer, AskDigests((S01,)))
        assert isinstance(digests, Digests)
        [(scope, hub_seq, held)] = digests.entries
        assert (scope, hub_seq, held.rows) == (S01, 20, 20)
        buckets = await answer_to(peer, AskBuckets(S01))
        assert isinstance(buckets, Buckets)
        parts = [from_bytes(buckets.digests[16 * at : 16 * at + 16]) for at in range(BUCKETS)]
        assert sum(parts) % 2**128 == held.value
        page = await answer_to(peer, Fetch(S01, ALL, HubSeq(0)))
        assert isinstance(page, Page)
        assert (len(page.rows), page.more, page.buckets) == (20, False, ALL)
        assert page.inside == {shop.replica: 20}


async def test_of_what_a_node_may_not_read_there_seems_to_be_nothing(running: Running) -> None:
    shop, _ = await sold(running)
    async with running.peer(shop) as peer:
        await peer.opens()
        assert await answer_to(peer, AskDigests((S02, S01))) == await answer_to(
            peer, AskDigests((S01,))
        )
        nothing = Buckets(S02, HubSeq(0), bytes(16 * BUCKETS))
        assert await answer_to(peer, AskBuckets(S02)) == nothing
        page = Page(S02, HubSeq(7), HubSeq(7), NO_SALT, more=False, inside={}, rows=(), buckets=ALL)
        assert await answer_to(peer, Fetch(S02, ALL, HubSeq(7))) == page
        ledger = Ledger(Location("S02"), 3, more=False, items=())
        assert await answer_to(peer, AskLedger(Location("S02"), 3, 100)) == ledger


async def test_history_is_that_of_the_other_replicas_of_an_own_location(running: Running) -> None:
    shop, _ = await sold(running)
    standby = Shop("S01b", writes=("S01",))
    async with running.peer(await running.enrol(standby)) as peer:
        await peer.opens()
        ledger = await answer_to(peer, AskLedger(Location("S01"), 0, 8))
        assert isinstance(ledger, Ledger)
        assert [item.body for item in ledger.items] == [item.body for item in shop.log[:8]]
        assert ledger.more
        rest = await answer_to(peer, AskLedger(Location("S01"), ledger.upto, 100))
        assert isinstance(rest, Ledger)
        assert [item.body for item in rest.items] == [item.body for item in shop.log[8:]]
        assert not rest.more
    async with running.peer(shop) as peer:
        await peer.opens()
        own = await answer_to(peer, AskLedger(Location("S01"), 0, 100))
        assert isinstance(own, Ledger)
        assert (own.items, own.more) == ((), False)


async def test_buckets_are_computed_once_while_their_scope_stands_still(running: Running) -> None:
    shop, _ = await sold(running)
    questions = running.hub.questions
    certificate = shop.certificate
    first = await questions.answer(AskBuckets(S01), certificate, shop.replica)
    assert await questions.answer(AskBuckets(S01), certificate, shop.replica) is first
    shop.records(counted("S01", "sku 3", 1))
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()
    assert await questions.answer(AskBuckets(S01), certificate, shop.replica) != first


@pytest.mark.parametrize("count", [2, 5])
async def test_a_second_question_before_the_answer_ends_the_session(
    running: Running, count: int
) -> None:
    shop, _ = await sold(running)
    async with running.peer(shop) as peer, running.hub.questions._turn:
        await peer.opens()
        peer.session._asked = AskBuckets
        for _ in range(count):
            await peer.line.send_bytes(encode(AskBuckets(S01)))
        assert (await peer.closed()).code is Code.UNEXPECTED


async def test_who_takes_no_answers_keeps_one_waiting_and_no_more(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each answer, of up to a page, would lie in the hub's memory until the peer is given up."""
    is_taking = asyncio.Event()
    is_taking.set()

    class SlowLine(WebSocketLine):
        async def send(self, data: bytes) -> None:
            await is_taking.wait()
            await super().send(data)

    monkeypatch.setattr(sessions, "WebSocketLine", SlowLine)
    shop, _ = await sold(running)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.caught_up(20)
        peer.session._asked = AskBuckets
        is_taking.clear()
        for _ in range(5):
            await peer.line.send_bytes(encode(AskBuckets(S01)))
            await asyncio.sleep(0.1)  # long enough to be answered, if it were
        assert sum(task.get_name() == "question" for task in asyncio.all_tasks()) <= 2
        is_taking.set()
