"""Handshakes over real sockets: who is let in, who is turned away and how, and who is told of the end."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest
from nacl.signing import SigningKey

from hub.config import HubSettings
from hub.fleet import AccessChange
from protocol.certificate import issue
from protocol.codec import pack
from protocol.errors import Code
from protocol.frames.handshake import Close
from protocol.frames.log import Ping
from protocol.ids import ChainId
from protocol.limits import FRAME_BYTES_BEFORE_AUTHENTICATION_MAX
from protocol.session.node_actions import StoreCertificate, StoreScopes
from protocol.wire import SUBPROTOCOL, decode, encode
from tests.hub.conftest import Running
from tests.hub.peer import PATIENCE_S
from tests.store.shop import HUB_KEY, Shop, name_bytes


async def _close_of(line: aiohttp.ClientWebSocketResponse) -> Close:
    """What the hub says last, whatever it says before."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            frame = decode((await line.receive()).data)
            if isinstance(frame, Close):
                return frame


async def test_a_sale_at_one_shop_reaches_another(running: Running) -> None:
    seller, reader = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    seller.sells("apple", 2)
    async with running.peer(reader) as far, running.peer(seller) as near:
        assert (await far.opens()).scopes == ()
        await near.opens()
        await near.pushes()
        assert await near.acknowledged() == 1
        scopes = await far.hears(StoreScopes)
        assert isinstance(scopes, StoreScopes)
        assert scopes.scopes.add == ("stock:S01",)
        await far.caught_up(1)
        await near.caught_up(1)
        assert far.rows == near.rows == {("S01", "apple", "", 0): -2}


async def test_a_node_is_told_nothing_before_it_proved_its_key(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    thief = replace(shop)
    thief.key = SigningKey(name_bytes("another key", length=32))
    peer = running.peer(thief)
    peer.certificate = shop.opening().certificate_bytes
    await peer.connect()
    assert (await peer.closed()).code is Code.AUTHENTICATION_FAILED
    assert peer.welcome is None
    await peer.line.close()


async def test_a_certificate_of_another_hub_is_refused(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    peer = running.peer(shop)
    peer.certificate = issue(shop.certificate, SigningKey(name_bytes("hub", length=32)))
    await peer.connect()
    assert (await peer.closed()).code is Code.AUTHENTICATION_FAILED
    await peer.line.close()


async def test_a_certificate_of_another_chain_is_refused(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    peer = running.peer(shop)
    peer.certificate = issue(shop.certificate._replace(chain=ChainId(bytes(16))), HUB_KEY)
    await peer.connect()
    assert (await peer.closed()).code is Code.AUTHENTICATION_FAILED
    await peer.line.close()


async def test_a_node_enrolled_with_another_key_is_refused(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    twin = replace(shop)
    twin.key = SigningKey(name_bytes("another key", length=32))
    peer = running.peer(twin)
    await peer.connect()
    assert (await peer.closed()).code is Code.AUTHENTICATION_FAILED
    await peer.line.close()


async def test_a_forgotten_node_with_a_valid_certificate_is_taken_in(running: Running) -> None:
    shop = Shop("S01")
    shop.sells("apple", 2)
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        assert await peer.acknowledged() == 1
    assert [record.name for record in await running.hub.store.nodes()] == ["S01"]


async def test_a_node_with_an_older_certificate_gets_the_newest(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    grant = await running.fleet.change_access(AccessChange(name="S01", writes=("S01", "S02")))
    async with running.peer(shop) as peer:
        await peer.opens()
        assert peer.heard[0] == StoreCertificate(grant.certificate)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.BAD_FRAME),
        (b"\x00garbage", Code.BAD_FRAME),
        (b"\x01" + b"\x00" * 20, Code.BAD_FRAME),
        (b"\x00" + pack([2, {}]), Code.BAD_VALUE),
        (b"\x00" + pack([200, {}]), Code.BAD_FRAME),
        (encode(Ping(1, 1)), Code.UNEXPECTED),
        (bytes(FRAME_BYTES_BEFORE_AUTHENTICATION_MAX + 1), Code.TOO_LARGE),
    ],
)
async def test_what_is_no_proof_ends_the_session_with_a_reason(
    running: Running, data: bytes, code: Code
) -> None:
    async with running.peer(Shop("S01")) as peer:
        await peer.line.receive()
        await peer.line.send_bytes(data)
        assert (await _close_of(peer.line)).code is code


async def test_text_ends_the_session_with_a_reason(running: Running) -> None:
    async with running.peer(Shop("S01")) as peer:
        await peer.line.receive()
        await peer.line.send_str("hello")
        assert (await _close_of(peer.line)).code is Code.BAD_FRAME


async def test_a_web_page_gets_no_session(running: Running) -> None:
    url = running.server.make_url("/v1/session")
    own = f"http://{url.host}:{url.port}"
    for origin in (own, "http://evil.example", "null"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await running.http.ws_connect(url, headers={"Origin": origin}, protocols=[SUBPROTOCOL])
        assert refused.value.status == 403


class TestOneSessionOnly:
    """A hub that takes one session."""

    @pytest.fixture
    def hub_settings(self) -> HubSettings:
        return HubSettings(sessions_max=1)

    async def test_one_more_is_told_when_to_come_back(self, running: Running) -> None:
        async with running.peer(await running.enrol(Shop("S01"))) as peer:
            await peer.opens()
            async with running.peer(await running.enrol(Shop("S02"))) as one_more:
                close = await one_more.closed()
                assert close.code is Code.BUSY
                assert 0 <= close.retry_ms <= 60_000


class TestOneHandshakeAtOnce:
    """A hub that shakes hands with one node at a time."""

    @pytest.fixture
    def hub_settings(self) -> HubSettings:
        return HubSettings(handshakes_max=1)

    async def test_whoever_comes_meanwhile_waits_and_is_let_in(self, running: Running) -> None:
        later = await running.enrol(Shop("S02"))
        async with running.peer(await running.enrol(Shop("S01"))) as first:
            await first.receive()  # the challenge; the proof is sent, and its answer is not read
            async with running.peer(later) as second:
                opening = asyncio.create_task(second.opens())
                await asyncio.wait([opening], timeout=0.2)
                assert not opening.done()
                await first.line.close()
                await opening


async def test_a_hub_that_goes_tells_everybody_and_then_admits_nobody(running: Running) -> None:
    async with running.peer(await running.enrol(Shop("S01"))) as peer:
        await peer.opens()
        closing = asyncio.create_task(running.server.app.shutdown())
        close = await peer.closed()
        assert close.code is Code.RESTARTING
        assert 0 <= close.retry_ms <= 2_000
        await peer.line.close()
        await closing
    async with running.peer(Shop("S01")) as late:
        assert (await late.closed()).code is Code.RESTARTING


async def test_without_a_store_the_session_ends_and_nothing_is_acknowledged(
    running: Running,
) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    async with running.peer(shop) as peer:
        await peer.opens()
        await running.hub.store.close()
        await peer.pushes()
        close = await peer.closed()
        assert (close.code, close.retry_ms) == (Code.BUSY, 5_000)
        assert peer.session.acked == 0
