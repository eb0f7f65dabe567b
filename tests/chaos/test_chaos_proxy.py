"""The chaos proxy does what its plan says, and nothing else: an echo over WebSocket is its witness."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.chaos.proxy.chaos_proxy import ChaosProxy, no_faults
from tests.chaos.proxy.faults import (
    BREAKING,
    DOWN,
    UP,
    Cut,
    CutAtFrame,
    Delay,
    Direction,
    Duplicate,
    Fault,
    FlipBit,
    Garbage,
    HoldBack,
    Replay,
    Swallow,
    Throttle,
    Truncate,
    draw,
)
from tests.chaos.proxy.pieces import Kind, Splitter, binary_frame

SOON_S = 0.5
LATE_S = 10.0
MESSAGES = [b"one", b"two" * 100, b"three" * 20_000]


class Echo:
    """A server that sends back what it gets; `heard` is each connection's messages."""

    def __init__(self) -> None:
        self.heard: list[list[bytes]] = []

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse(compress=False)
        await line.prepare(request)
        mine: list[bytes] = []
        self.heard.append(mine)
        async for message in line:
            mine.append(message.data)
            await line.send_bytes(message.data)
        return line


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[ChaosProxy]:
    """A proxy before it."""
    app = web.Application()
    app.router.add_get("/", echo.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port is not None
        async with ChaosProxy(server.port, Random(1)) as proxy:
            yield proxy


async def talk(
    proxy: ChaosProxy,
    messages: list[bytes] | None = None,
    *,
    hears: int | None = None,
    within_s: float = LATE_S,
) -> list[bytes]:
    """What comes back, until there are as many messages as were sent (or `hears`), the line ends, or it takes too long."""
    sent = MESSAGES if messages is None else messages
    enough = len(sent) if hears is None else hears
    back: list[bytes] = []
    async with aiohttp.ClientSession() as http:
        try:
            async with asyncio.timeout(within_s):
                async with http.ws_connect(f"http://127.0.0.1:{proxy.port}/", compress=0) as line:
                    for message in sent:
                        await line.send_bytes(message)
                    while len(back) < enough:
                        answer = await line.receive()
                        if answer.type is not aiohttp.WSMsgType.BINARY:
                            break
                        back.append(answer.data)
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass
    return back


def suffers(proxy: ChaosProxy, *faults: Fault) -> None:
    """Let the next connection suffer these, and no other."""
    at = proxy.count
    proxy.plan = lambda number: faults if number == at else ()


async def test_a_line_without_faults_passes_everything(proxy: ChaosProxy, echo: Echo) -> None:
    assert await talk(proxy) == MESSAGES
    assert echo.heard == [MESSAGES]
    assert not proxy.struck
    assert len(proxy.recorded[-1].down.frames) >= len(MESSAGES)


@pytest.mark.parametrize("after_bytes", [0, 1, 100, 250, 1_000])
@pytest.mark.parametrize("way", [UP, DOWN])
async def test_a_cut_passes_exactly_so_many_bytes(
    proxy: ChaosProxy, way: Direction, after_bytes: int
) -> None:
    proxy.plan = lambda _: (Cut(way, after_bytes),)  # a client may try again by itself
    assert len(await talk(proxy)) < len(MESSAGES)
    assert proxy.struck == {"Cut": proxy.count}
    for cut in proxy.recorded:
        assert (cut.up if way is UP else cut.down).passed_bytes == after_bytes
    proxy.plan = no_faults
    assert await talk(proxy) == MESSAGES


@pytest.mark.parametrize("frames", [0, 1, 2])
async def test_a_cut_at_a_frame_passes_the_frames_before_it(
    proxy: ChaosProxy, echo: Echo, frames: int
) -> None:
    suffers(proxy, CutAtFrame(UP, frames))
    await talk(proxy)
    assert echo.heard[0] == MESSAGES[:frames]
    suffers(proxy, CutAtFrame(DOWN, frames))
    assert await talk(proxy) == MESSAGES[:frames]


async def test_what_is_swallowed_is_not_heard_of_by_either_side(
    proxy: ChaosProxy, echo: Echo
) -> None:
    suffers(proxy, Swallow(UP, 300))
    talking = asyncio.create_task(talk(proxy, within_s=SOON_S))
    await asyncio.sleep(SOON_S / 2)
    assert not talking.done()
    assert echo.heard == [MESSAGES[:1]]
    await talking
    assert proxy.struck == {"Swallow": 1}


async def test_a_frame_comes_twice_or_beside_garbage(proxy: ChaosProxy, echo: Echo) -> None:
    suffers(proxy, Duplicate(UP, 1), Garbage(UP, 2, b"rubbish"))
    await talk(proxy, hears=5)
    assert echo.heard == [[MESSAGES[0], MESSAGES[1], MESSAGES[1], b"rubbish", MESSAGES[2]]]
    suffers(proxy, Duplicate(DOWN, 0), Garbage(DOWN, 0, b"rubbish" * 100))
    assert await talk(proxy, hears=5) == [b"rubbish" * 100, MESSAGES[0], *MESSAGES]


async def test_one_bit_of_a_frame_is_flipped(proxy: ChaosProxy, echo: Echo) -> None:
    await talk(proxy)
    first_byte = proxy.recorded[-1].up.frame_ends[0] + 2 + 4  # behind HTTP, length and mask
    suffers(proxy, FlipBit(UP, first_byte, 0))
    await talk(proxy)
    assert echo.heard[1][0] == bytes([b"o"[0] ^ 1]) + b"ne"
    assert echo.heard[1][1:] == MESSAGES[1:]


async def test_a_frame_without_its_end_eats_into_the_next(proxy: ChaosProxy, echo: Echo) -> None:
    suffers(proxy, Truncate(UP, 1, 10))
    await talk(proxy, within_s=SOON_S)
    assert echo.heard[0][0] == MESSAGES[0]
    assert echo.heard[0] != MESSAGES
    assert echo.heard[0][1:2] != [MESSAGES[1]]


async def test_an_earlier_connections_frames_are_replayed_into_a_later_one(
    proxy: ChaosProxy, echo: Echo
) -> None:
    await talk(proxy, [b"old"])
    suffers(proxy, Replay(UP, 0))
    await talk(proxy, [b"new"], hears=2)
    assert echo.heard[1][0] == b"old"
    assert proxy.struck == {"Replay": 1}


async def test_what_was_held_back_drains_into_the_old_connection_once_there_is_a_newer(
    proxy: ChaosProxy, echo: Echo
) -> None:
    suffers(proxy, HoldBack(1))
    await talk(proxy)
    assert echo.heard == [MESSAGES[:1]]
    assert await talk(proxy) == MESSAGES
    for _ in range(100):
        await asyncio.sleep(0.01)
        if len(echo.heard[0]) == len(MESSAGES):
            break
    assert echo.heard == [MESSAGES, MESSAGES]


async def test_a_slow_or_late_line_passes_everything_in_order(
    proxy: ChaosProxy, echo: Echo
) -> None:
    numbers = [bytes([number]) for number in range(10)]
    suffers(proxy, Delay(UP, 0.0, 0.01), Throttle(DOWN, 20_000))
    assert await talk(proxy, numbers) == numbers
    assert proxy.struck == {"Delay": 1, "Throttle": 1}


async def test_who_comes_while_the_door_is_shut_waits(proxy: ChaosProxy) -> None:
    proxy.shut()
    talking = asyncio.create_task(talk(proxy))
    await asyncio.sleep(SOON_S / 3)
    assert proxy.count == 0
    proxy.let_in()
    assert await talking == MESSAGES


def test_pieces_put_together_are_what_was_fed() -> None:
    rng = Random(3)
    head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    frames = [
        binary_frame(rng.randbytes(size), masked=masked)
        for size in (0, 1, 125, 126, 65_535)
        for masked in (True, False)
    ]
    whole = head + b"".join(frames)
    for step in (1, 7, 1_000, len(whole)):
        splitter = Splitter()
        fed = [whole[at : at + step] for at in range(0, len(whole), step)]
        pieces = [piece for data in fed for piece in splitter.feed(data)]
        assert [piece.data for piece in pieces] == [head, *frames]
        assert pieces[0].kind is Kind.HEAD


def test_a_seed_draws_the_same_faults_and_every_kind() -> None:
    drawn = [draw(rng) for rng in [Random(5)] for _ in range(300)]
    again = [draw(rng) for rng in [Random(5)] for _ in range(300)]
    assert drawn == again
    assert {type(fault) for fault in drawn} == set(BREAKING)
