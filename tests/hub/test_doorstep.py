"""Connections that prove nothing: they keep no node out, do not last, and do not fill the log."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog

from hub.config import HubSettings
from hub.doorstep import FIRST_FRAME_S_MAX
from protocol.errors import Code
from protocol.frames.handshake import Close
from protocol.session.node_actions import Ended
from protocol.wire import SUBPROTOCOL, decode
from tests.hub.conftest import Running
from tests.hub.peer import PATIENCE_S, eventually
from tests.store.shop import Shop

PROMPTLY_S = 3.0
SILENT = 150


async def _silent(running: Running) -> aiohttp.ClientWebSocketResponse:
    """A connection whose owner says nothing."""
    url = running.server.make_url("/v1/session")
    return await running.http.ws_connect(url, protocols=[SUBPROTOCOL], compress=0)


async def _end_of(line: aiohttp.ClientWebSocketResponse) -> Close:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            frame = decode((await line.receive()).data)
            if isinstance(frame, Close):
                return frame


async def _comes_back_for_ever(running: Running, http: aiohttp.ClientSession) -> None:
    url = running.server.make_url("/v1/session")
    while True:
        async with http.ws_connect(url, protocols=[SUBPROTOCOL]) as line:
            async for _ in line:
                pass


@asynccontextmanager
async def _crowd(running: Running, count: int) -> AsyncIterator[None]:
    """So many silent clients, each back at once whenever it is cut off."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_comes_back_for_ever(running, http)) for _ in range(count)]
        await asyncio.sleep(1.0)
        yield
        for task in tasks:
            task.cancel()


async def _metric(running: Running, name: str) -> float:
    text = await (await running.get("/metrics")).text()
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


async def test_a_crowd_of_silent_clients_keeps_no_node_out(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    async with _crowd(running, SILENT), asyncio.timeout(PROMPTLY_S), running.peer(shop) as peer:
        await peer.opens()
        assert not [each for each in peer.heard if isinstance(each, Ended)]


async def test_who_says_nothing_is_sent_away_soon(running: Running) -> None:
    async with await _silent(running) as line:
        async with asyncio.timeout(FIRST_FRAME_S_MAX + 2):
            assert (await _end_of(line)).code is Code.TIMED_OUT


class TestFewPlaces:
    """A hub with room for four connections without proof, two of them from one address."""

    @pytest.fixture
    def hub_settings(self) -> HubSettings:
        return HubSettings(unproven_max=4, unproven_per_address_max=2)

    async def test_the_longest_silent_of_an_address_gives_way(self, running: Running) -> None:
        shop = await running.enrol(Shop("S01"))
        async with await _silent(running) as first, await _silent(running) as second:
            async with running.peer(shop) as peer:
                await peer.opens()
            close = await _end_of(first)
            assert close.code is Code.BUSY
            assert 0 <= close.retry_ms <= 60_000
            assert (await _end_of(second)).code is Code.TIMED_OUT

    async def test_a_crowd_larger_than_the_places_keeps_no_node_out(self, running: Running) -> None:
        shop = await running.enrol(Shop("S01"))
        for _ in range(2):
            async with await _silent(running), await _silent(running), running.peer(shop) as peer:
                async with asyncio.timeout(PROMPTLY_S):
                    await peer.opens()


async def test_ends_without_proof_are_counted_and_logged_in_one_line(running: Running) -> None:
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            async with await _silent(running) as line:
                await line.receive()
                await line.send_bytes(b"\x00garbage")
                assert (await _end_of(line)).code is Code.BAD_FRAME

        async def ended() -> float:
            return await _metric(running, "everstock_hub_sessions_unproven_total")

        await eventually(ended, 20.0)
    told = [line for line in lines if line["event"] == "sessions ended before a node was known"]
    assert len(told) == 1, json.dumps(lines)
    assert not [line for line in lines if line["event"] == "a session ended"]


async def test_a_client_of_another_protocol_gets_no_session(running: Running) -> None:
    url = running.server.make_url("/v1/session")
    offers: list[Callable[[], aiohttp.client._WSRequestContextManager]] = [
        lambda: running.http.ws_connect(url),
        lambda: running.http.ws_connect(url, protocols=["mqtt", "everstock.v9"]),
    ]
    for offer in offers:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await offer()
        assert refused.value.status == 400
