"""What each attack on a hub comes to: it ends in its time, holds little, and a node is served meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count

import aiohttp
import pytest

from protocol.frames.log import Ping
from protocol.limits import UNPROVEN_BYTES_MAX
from protocol.wire import encode
from tests.hardening import attacks
from tests.hardening.attacks import Attack, Strike, assault
from tests.hardening.line import EMPTY_FRAGMENT, PING, Line, frame
from tests.hardening.victim import HONEST, ROGUE, Victim, victim
from tests.hub.peer import Peer
from tests.store.shop import NOW_MS, Shop

PATIENCE_S = 20.0
PLACES = 200
OWN_DESCRIPTORS = 60
_LOGS = count(2)
"""A node of each test begins a new log."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A hub whose bounds are short and whose places are few."""
    short = {"idle_s": 0.6, "body_s": 0.6, "unread_s": 0.6, "closing_s": 0.3}
    folder = tmp_path_factory.mktemp("hub") / "hub"
    with victim("hub", folder, connections_max=PLACES, **short) as running:
        yield running


@asynccontextmanager
async def connected(hub: Victim, name: str) -> AsyncIterator[Peer]:
    """A node that is known to the hub, in a session."""
    async with aiohttp.ClientSession() as http:
        shop = Shop(name, incarnation=next(_LOGS))
        async with Peer(http, f"{hub.url}/v1/session", shop) as peer:
            await peer.opens()
            yield peer


async def delivers(peer: Peer, count: int) -> None:
    """Sell and have it acknowledged, one after another."""
    for _ in range(count):
        peer.shop.sells("A1", 1)
        await peer.pushes()
        await peer.acknowledged()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "strike",
    [
        attacks.silent,
        attacks.slow_head,
        attacks.silent_session,
        attacks.pings,
        attacks.fragments,
        pytest.param(attacks.slow_message, marks=pytest.mark.slow),
        attacks.large_frame,
        attacks.compressed_frame,
        attacks.wire_bomb,
        attacks.endless_answer,
    ],
)
async def test_the_attacker_is_cut_in_its_time(hub: Victim, strike: Strike) -> None:
    before_mb = hub.memory_mb
    async with connected(hub, HONEST) as node, asyncio.timeout(PATIENCE_S):
        attackers = [asyncio.create_task(strike(hub.target)) for _ in range(4)]
        await delivers(node, 5)
        await asyncio.gather(*attackers, return_exceptions=True)
    assert hub.memory_mb - before_mb < 30


async def test_a_crowd_of_idle_sockets_is_bounded_and_keeps_no_node_out(hub: Victim) -> None:
    silent = Attack(attacks.silent, "hub", 3 * PLACES)
    async with connected(hub, HONEST) as node:
        crowd = asyncio.create_task(assault(silent, hub.target, 3.0))
        for _ in range(10):
            await delivers(node, 1)
            assert hub.descriptors <= PLACES + OWN_DESCRIPTORS
        await crowd
        await delivers(node, 1)


async def test_before_its_proof_a_connection_may_send_little(hub: Victim) -> None:
    async with asyncio.timeout(PATIENCE_S), Line(hub.target) as line:
        await line.becomes_websocket()
        began_s = asyncio.get_running_loop().time()
        await line.sends(PING * (UNPROVEN_BYTES_MAX // len(PING) + 1))
        await line.ends()
    assert asyncio.get_running_loop().time() - began_s < 2.5, "not only when its time was over"


async def test_compression_by_the_library_is_never_agreed_on(hub: Victim) -> None:
    async with asyncio.timeout(PATIENCE_S), Line(hub.target) as line:
        head = await line.becomes_websocket()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-extensions" not in head.lower()


@pytest.mark.parametrize(
    "flood",
    [
        PING * 20_000,
        frame(b"x", fin=False) + EMPTY_FRAGMENT * 20_000,
        frame(encode(Ping(NOW_MS, 0))) * 2_000,
    ],
    ids=["pings", "fragments", "frames"],
)
async def test_a_node_that_floods_takes_no_other_nodes_turn(hub: Victim, flood: bytes) -> None:
    async with (
        connected(hub, HONEST) as node,
        connected(hub, ROGUE) as rogue,
        flooding(rogue, flood),
        asyncio.timeout(PATIENCE_S),
    ):
        await delivers(node, 20)
        assert hub.memory_mb < 400


@asynccontextmanager
async def flooding(rogue: Peer, flood: bytes) -> AsyncIterator[None]:
    """Within it the peer sends this as fast as it is taken, and reads what it is told; then its line is cut."""
    assert rogue.line._response.connection is not None
    transport = rogue.line._response.connection.transport  # past the library's own frames
    assert isinstance(transport, asyncio.Transport)

    async def floods() -> None:
        while not transport.is_closing():
            if transport.get_write_buffer_size() < len(flood):
                transport.write(flood)
            await asyncio.sleep(0.001)

    async def reads() -> None:
        while (await rogue.line.receive()).type is aiohttp.WSMsgType.BINARY:
            pass

    tasks = [asyncio.create_task(floods()), asyncio.create_task(reads())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Closed it would stay open until the hub has taken all of it, which is beyond the test's loop.
        transport.abort()
