"""The bounds of a connection, each at a small application of its own, and the seams of aiohttp that they hang on."""

import asyncio
import contextlib
import re
import resource
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from runtime.bounds import (
    DESCRIPTORS_FOR_HANDSHAKES,
    DESCRIPTORS_RESERVED,
    PROVEN,
    Bounds,
    fit_descriptors,
)
from runtime.folder import Folder
from runtime.metrics import new_registry
from runtime.problems import Problem
from runtime.service import STOP, new_app, serve
from runtime.turns import Connection, limit_intake
from tests.hardening.line import PING, Line, Target, frame

SHORT = Bounds(
    connections_max=5,
    idle_s=5.0,
    head_bytes_max=2_000,
    unread_s=0.3,
    closing_s=0.2,
    lingering_s=0.2,
    stranger_s=0.0,
    slice_bytes=1_000,
)
PATIENCE_S = 5.0
TLS = Path(__file__).parents[1] / "node" / "tls"
LONG = bytes(8 * 1024 * 1024)


async def quick(_request: web.Request) -> web.Response:
    return web.json_response({"quick": True})


async def endless(_request: web.Request) -> web.Response:
    await asyncio.sleep(3_600)
    return web.Response()


async def long(_request: web.Request) -> web.Response:
    return web.Response(body=LONG)


@web.middleware
async def knows_tokens(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Takes every token for a good one."""
    if "Authorization" in request.headers:
        request[PROVEN] = True
    return await handler(request)


async def refuses_late(_request: web.Request) -> web.Response:
    """As a body that did not come in time is refused when its sender has been sent away."""
    await asyncio.sleep(0.3)
    raise Problem("request_timeout", "The body did not arrive in time.")


async def unwaited(request: web.Request) -> web.Response:
    """More than the sockets hold, without waiting until it is read."""
    assert request.transport is not None
    request.transport.set_write_buffer_limits(high=2 * len(LONG))
    return web.Response(body=LONG)


async def listens(request: web.Request) -> web.StreamResponse:
    """Counts what a WebSocket says until it leaves."""
    line = web.WebSocketResponse(max_msg_size=2**20, compress=False)
    await line.prepare(request)
    limit_intake(request, 50_000 if "bounded" in request.query else None)
    async for message in line:
        if message.type is WSMsgType.BINARY:
            await line.send_str(str(len(message.data)))
    return line


@contextlib.asynccontextmanager
async def serving(
    folder: Path, bounds: Bounds, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Target]:
    """Serve with these bounds."""
    app = new_app(list, new_registry(), bounds=bounds, middlewares=[knows_tokens])
    for name, handler in (
        ("quick", quick),
        ("endless", endless),
        ("long", long),
        ("unwaited", unwaited),
    ):
        app.router.add_get(f"/{name}", handler)
    app.router.add_post("/quick", quick)
    app.router.add_get("/refuses-late", refuses_late)
    app.router.add_get("/listens", listens)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    held = await asyncio.to_thread(Folder, folder)
    task = asyncio.create_task(
        serve(
            app,
            host="127.0.0.1",
            port=0,
            folder=held,
            ssl_context=tls,
            on_ready=ready.set_result,
        )
    )
    yield Target(urlsplit(await ready).port or 0)
    app[STOP].set()
    await task


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    """An application with few places and short times."""
    async with serving(tmp_path / "data", SHORT) as running, asyncio.timeout(3 * PATIENCE_S):
        yield running


async def hung_up(line: Line) -> bool:
    """Whether the daemon has ended this connection by now."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await line.ends()
            return True
    return False


async def test_the_longest_idle_gives_way_to_a_newcomer(target: Target) -> None:
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Line(target)) for _ in range(5)]
        for line in lines:
            assert await line.asks("GET", "/quick") == 200
        assert await lines[0].asks("GET", "/quick") == 200
        newcomer = await stack.enter_async_context(Line(target))
        assert await newcomer.asks("GET", "/quick") == 200
        assert [await hung_up(line) for line in lines] == [False, True, False, False, False]


async def test_who_was_served_with_a_token_outstays_strangers(target: Target) -> None:
    async with contextlib.AsyncExitStack() as stack:
        till = await stack.enter_async_context(Line(Target(target.port, "token")))
        assert await till.asks("GET", "/quick", token=True) == 200
        lines = [await stack.enter_async_context(Line(target)) for _ in range(12)]
        for line in lines[-4:]:
            assert await line.asks("GET", "/quick") == 200
        assert not await hung_up(till)
        assert sum([await hung_up(line) for line in lines]) == 8


async def test_a_newcomer_is_told_when_everybody_else_is_being_served(target: Target) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            line = await stack.enter_async_context(Line(target))
            await line.sends(line.head("GET", "/endless"))
        await asyncio.sleep(0.2)
        newcomer = await stack.enter_async_context(Line(target))
        status, body = await newcomer.hears()
        assert (status, b'"code": "unavailable"' in body) == (503, True)
        await newcomer.ends()


@pytest.mark.parametrize("path", ["/endless", "/listens"])
async def test_who_is_being_served_does_not_give_way(target: Target, path: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(Line(target))
        if path == "/listens":
            await served.becomes_websocket(path)
        else:
            await served.sends(served.head("GET", path))
        await asyncio.sleep(0.1)
        for _ in range(10):
            line = await stack.enter_async_context(Line(target))
            assert await line.asks("GET", "/quick") == 200
        assert not await hung_up(served)


async def test_who_has_asked_and_is_not_served_yet_does_not_give_way(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives_way: list[bool] = []
    handle = RequestHandler._handle_request

    async def looked_at(connection: Connection, *request: Any) -> Any:
        gives_way.append(connection.is_clients_turn())
        return await handle(connection, *request)

    monkeypatch.setattr(Connection, "_handle_request", looked_at)
    async with Line(target) as line:
        for _ in range(2):
            assert await line.asks("GET", "/quick") == 200
    assert gives_way == [False, False]


@pytest.mark.parametrize(("token", "at_least_s"), [(False, 0.5), (True, 0.0)])
async def test_a_strangers_requests_are_answered_one_after_another_at_a_measured_pace(
    tmp_path: Path, token: bool, at_least_s: float
) -> None:
    paced = replace(SHORT, stranger_s=0.05)
    async with serving(tmp_path / "data", paced) as target, Line(target) as line:
        began_s = asyncio.get_running_loop().time()
        for _ in range(11):
            await line.asks("GET", "/quick", token=token)
        assert asyncio.get_running_loop().time() - began_s >= at_least_s


async def test_strangers_who_are_held_back_give_way(tmp_path: Path) -> None:
    slow = replace(SHORT, stranger_s=60.0)
    async with contextlib.AsyncExitStack() as stack:
        target = await stack.enter_async_context(serving(tmp_path / "data", slow))
        for _ in range(5):
            line = await stack.enter_async_context(Line(target))
            await line.sends(2 * line.head("GET", "/quick"))
        await asyncio.sleep(0.2)
        newcomer = await stack.enter_async_context(Line(target))
        assert await newcomer.asks("GET", "/quick") == 200


async def test_a_head_may_not_grow_without_end(target: Target) -> None:
    async with Line(target) as line:
        await line.sends(line.head("GET", "/quick")[:-2])
        for _ in range(30):
            with contextlib.suppress(ConnectionError):
                await line.sends(b"X: " + b"y" * 100 + b"\r\n")
            await asyncio.sleep(0.005)
        await line.ends()


async def test_heads_and_bodies_after_one_another_do_not_add_up(target: Target) -> None:
    async with Line(target) as line:
        for _ in range(5):
            fields = {"Content_Type": "application/json", "X": "y" * 1_500}
            assert await line.asks("POST", "/quick", b" " * 30_000, **fields) == 200


async def test_bodies_that_strangers_do_not_end_keep_no_caller_out(tmp_path: Path) -> None:
    one = replace(SHORT, large_bodies_max=1)
    chunked = {"Transfer_Encoding": "chunked", "Content_Type": "application/json"}
    async with contextlib.AsyncExitStack() as stack:
        target = await stack.enter_async_context(serving(tmp_path / "data", one))
        for _ in range(2):
            stranger = await stack.enter_async_context(Line(target))
            await stranger.sends(stranger.head("GET", "/quick", **chunked))
        assert (await stranger.hears())[0] == 503
        till = await stack.enter_async_context(Line(Target(target.port, "token")))
        head = till.head("POST", "/quick", token=True, **chunked)
        await till.sends(head + b"2\r\n{}\r\n0\r\n\r\n")
        assert (await till.hears())[0] == 200


async def test_an_answer_that_nobody_reads_is_cut(target: Target) -> None:
    async with Line(target, slow=True) as line:
        await line.sends(line.head("GET", "/long"))
        await line.ends_unread()


async def test_an_answer_that_is_read_is_whole_however_long_it_takes(target: Target) -> None:
    async with Line(target, slow=True) as line:
        await line.sends(line.head("GET", "/long"))
        began_s, received = asyncio.get_running_loop().time(), b""
        while len(received) < len(LONG):
            piece = await line.reader.read(len(LONG))
            assert piece, f"cut after {len(received)} bytes"
            received += piece
            await asyncio.sleep(0.002)
        assert received.endswith(LONG[-1000:])
        assert asyncio.get_running_loop().time() - began_s > 2 * SHORT.unread_s


async def test_a_tls_handshake_that_does_not_begin_is_cut(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    soon = replace(SHORT, tls_handshake_s=0.3)
    async with (
        asyncio.timeout(2 * PATIENCE_S),
        serving(tmp_path / "data", soon, context) as target,
        Line(target) as line,
    ):
        await line.ends()


async def test_a_closed_connection_does_not_wait_for_its_reader(tmp_path: Path) -> None:
    patient = replace(SHORT, unread_s=60.0)
    async with (
        asyncio.timeout(2 * PATIENCE_S),
        serving(tmp_path / "data", patient) as target,
        Line(target, slow=True) as line,
    ):
        await line.sends(line.head("GET", "/unwaited", Connection="close"))
        await line.ends_unread()


async def test_a_websockets_bytes_arrive_whole_and_in_order_through_slices(target: Target) -> None:
    async with Line(target) as line:
        await line.becomes_websocket("/listens")
        sizes = [0, 1, 999, 1_000, 1_001, 70_000, 3, 200_000]
        await line.sends(b"".join(PING * 3 + frame(bytes(size)) for size in sizes))
        heard = b""
        while b"200000" not in heard:
            heard += await line.reader.read(1_000)
        assert [int(said) for said in re.findall(rb"\x81.(\d+)", heard)] == sizes


async def test_a_limited_intake_cuts(target: Target) -> None:
    async with Line(target) as line:
        await line.becomes_websocket("/listens?bounded=1")
        await line.sends(frame(bytes(40_000)))
        assert b"40000" in await line.reader.read(100)
        await line.sends(frame(bytes(40_000)))
        await line.ends()


async def test_one_turn_of_the_loop_takes_one_slice(target: Target) -> None:
    turns = 0

    async def counts() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(counts())
    async with Line(target) as line:
        await line.becomes_websocket("/listens")
        turns = 0
        await line.sends(frame(bytes(500_000)))
        assert b"500000" in await line.reader.read(100)
        assert turns >= 500_000 // SHORT.slice_bytes
    counting.cancel()


@pytest.mark.parametrize(
    "name",
    [
        "_buffer_paused",
        "_current_request",
        "_pause_reading_for_buffer",
        "_payload_parser",
        "_request_count",
        "_request_in_progress",
        "_resume_reading_for_buffer",
        "_waiter",
    ],
)
def test_aiohttp_still_has_what_the_bounds_hang_on(name: str) -> None:
    assert hasattr(RequestHandler, name)


def test_the_connections_fit_the_descriptors_that_the_process_may_have() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
        assert fit_descriptors(Bounds(connections_max=400)).connections_max == 400
        most = 400 + DESCRIPTORS_RESERVED + DESCRIPTORS_FOR_HANDSHAKES
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(most, before[1])
        many = fit_descriptors(Bounds(connections_max=before[1]))
        assert many.connections_max == before[1] - DESCRIPTORS_RESERVED
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_refusal_that_its_client_did_not_wait_for_is_no_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path / "data", SHORT) as target:
        async with Line(target) as line:
            await line.sends(line.head("GET", "/refuses-late"))
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
    assert "cut short" not in caplog.text
