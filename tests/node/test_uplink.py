"""Coming back to the hub: when, how often, and from what."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from node import hub_link, uplink
from node.node import Node
from node.uplink import failures_after, longest_wait_ms
from protocol.errors import Code
from protocol.frames.handshake import Challenge, Close
from protocol.ids import ChainId
from protocol.limits import RETRY_FIRST_S, RETRY_LAST_S, STEADY_AFTER_S
from protocol.wire import SUBPROTOCOL, VERSIONS, decode, encode
from runtime.connection import connect_writer
from runtime.world import World
from tests.node.enrolled import enrolled_folder

Visit = Callable[[web.WebSocketResponse], Awaitable[None]]


def test_waits_double_from_a_second_to_a_minute() -> None:
    waits_s = [longest_wait_ms(failures, away_s=3600.0) / 1000 for failures in range(12)]
    assert waits_s[:4] == [RETRY_FIRST_S, 2.0, 4.0, 8.0]
    assert waits_s[-1] == RETRY_LAST_S
    assert waits_s == sorted(waits_s)


def test_no_wait_is_longer_than_the_hub_has_been_away() -> None:
    assert longest_wait_ms(10, away_s=7.5) == 7_500
    assert longest_wait_ms(10, away_s=0.0) == longest_wait_ms(0, away_s=0.0) == 1000 * RETRY_FIRST_S
    assert longest_wait_ms(1, away_s=7.5) == 2_000


def test_a_steady_session_forgives_all_failures_and_a_short_one_half() -> None:
    assert failures_after(6, STEADY_AFTER_S, hub_is_there=True) == 0
    assert failures_after(6, 1.0, hub_is_there=True) == 3
    assert failures_after(6, 1.0, hub_is_there=False) == 7


def test_a_hub_that_took_half_a_minute_not_to_answer_is_a_failure() -> None:
    assert failures_after(2, STEADY_AFTER_S, hub_is_there=False) == 3


@pytest.fixture
def visits() -> list[Visit]:
    """What the hub does with each connection, in order; the last again and again."""
    return []


@pytest.fixture
async def node(tmp_path: Path, visits: list[Visit]) -> AsyncIterator[Node]:
    """A node whose hub's address leads to a server that follows `visits`."""

    async def session(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse(protocols=[SUBPROTOCOL])
        await line.prepare(request)
        await (visits.pop(0) if len(visits) > 1 else visits[0])(line)
        await line.close()
        return line

    app = web.Application()
    app.router.add_get("/v1/session", session)
    async with TestServer(app) as server:
        url = f"ws://127.0.0.1:{server.port}"
        shop = await asyncio.to_thread(enrolled_folder, tmp_path / "S01")
        await asyncio.to_thread(_point_to, shop.database, url)
        node = await Node.open(shop.folder, World())
        await node.start()
        yield node
        await node.close()


def _point_to(database: Path, url: str) -> None:
    db = connect_writer(database)
    db.execute("UPDATE identity SET hub_url = :url", {"url": url})
    db.close()


async def error_of(node: Node, code: Code) -> str:
    """Wait until the node says that this ended its last session."""
    async with asyncio.timeout(20):
        while True:
            error = (await node.reading.sync_status())["last_error"]
            if isinstance(error, str) and error.startswith(f"{code}:"):
                return error
            await asyncio.sleep(0.05)


async def silent(line: web.WebSocketResponse) -> None:
    """Say nothing at all."""
    await line.receive()


async def of_another_chain(line: web.WebSocketResponse) -> None:
    """Challenge as the hub of somebody else."""
    await line.send_bytes(encode(Challenge(ChainId(bytes(16)), bytes(32), VERSIONS)))
    answer = decode((await line.receive()).data)
    assert isinstance(answer, Close)
    assert answer.code is Code.WRONG_HUB


async def rubbish(line: web.WebSocketResponse) -> None:
    """Send what is no frame."""
    await line.send_bytes(b"\xff\x00rubbish")
    answer = decode((await line.receive()).data)
    assert isinstance(answer, Close)
    assert answer.code is Code.BAD_FRAME


async def busy(line: web.WebSocketResponse) -> None:
    """Ask to come back much later."""
    await line.send_bytes(encode(Close(Code.BUSY, "come back later", 3_600_000)))


async def test_a_hub_that_says_nothing_is_given_up(
    node: Node, visits: list[Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_link, "HANDSHAKE_S_MAX", 0.2)
    visits.append(silent)
    await error_of(node, Code.TIMED_OUT)


@pytest.mark.parametrize(
    ("visit", "code"), [(of_another_chain, Code.WRONG_HUB), (rubbish, Code.BAD_FRAME)]
)
async def test_a_hub_that_is_not_ours_is_told_why_and_left(
    node: Node, visits: list[Visit], visit: Visit, code: Code
) -> None:
    visits.append(visit)
    await error_of(node, code)
    assert (await node.reading.sync_status())["connected"] is False


async def test_a_node_does_not_come_back_before_the_hub_asked_it_to(
    node: Node, visits: list[Visit]
) -> None:
    came: list[str] = []

    async def again(line: web.WebSocketResponse) -> None:
        came.append("again")
        await busy(line)

    visits.append(again)
    await error_of(node, Code.BUSY)
    await asyncio.sleep(2 * uplink.RETRY_FIRST_S + 0.5)
    assert came == ["again"]


async def busy_for_a_moment(line: web.WebSocketResponse) -> None:
    """Ask to come back at once."""
    await line.send_bytes(encode(Close(Code.BUSY, "come back", 0)))


async def test_a_hub_that_asks_to_come_back_does_not_make_a_node_wait_twice_as_long(
    node: Node, visits: list[Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "RETRY_FIRST_S", 0.05)
    visits.extend([busy_for_a_moment] * 15)
    came_often = asyncio.Event()

    async def last(line: web.WebSocketResponse) -> None:
        came_often.set()
        await busy_for_a_moment(line)

    visits.append(last)
    # Waits that doubled would take minutes together.
    async with asyncio.timeout(20):
        await came_often.wait()
    assert (await node.reading.sync_status())["connected"] is False


async def test_a_bug_in_the_uplink_ends_the_node_instead_of_selling_unsynced(
    node: Node, visits: list[Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    node.on_failure(told.set)

    def broken(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(hub_link.HubLink, "run", broken)
    visits.append(silent)
    async with asyncio.timeout(10):
        await told.wait()
    assert node.crashed
