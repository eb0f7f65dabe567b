"""The proxy that cuts lines: what passes is whole, what is cut is broken, what is stalled goes on."""

import asyncio
import contextlib
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from deploy.cutting_proxy import CuttingProxy

SOON_S = 0.2
LATE_S = 10.0


@pytest.fixture
async def proxy() -> AsyncIterator[CuttingProxy]:
    """A proxy before a server that sends back what it gets."""

    async def echo(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, CuttingProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@asynccontextmanager
async def _connected(proxy: CuttingProxy) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()  # or its socket would outlive the test's loop


async def _is_broken(reader: StreamReader) -> bool:
    try:
        async with asyncio.timeout(LATE_S):
            return await reader.read(1) == b""
    except ConnectionError:
        return True


async def test_bytes_pass_unchanged_in_both_directions(proxy: CuttingProxy) -> None:
    sent = Random(1).randbytes(3_000_000)
    async with _connected(proxy) as (reader, writer):
        async with asyncio.timeout(LATE_S), asyncio.TaskGroup() as both:
            received = both.create_task(reader.readexactly(len(sent)))
            writer.write(sent)
            await writer.drain()
            writer.write_eof()
        assert received.result() == sent
        assert await reader.read() == b""


async def test_a_cut_breaks_every_connection_and_refuses_new_ones_until_healed(
    proxy: CuttingProxy,
) -> None:
    async with _connected(proxy) as (reader, writer):
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        proxy.cut()
        assert await _is_broken(reader)
    async with _connected(proxy) as (reader, writer):
        assert await _is_broken(reader)
    proxy.heal()
    async with _connected(proxy) as (reader, writer):
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"
        assert proxy.connection_count == 2


async def test_a_stalled_line_says_nothing_and_goes_on_after_it_is_healed(
    proxy: CuttingProxy,
) -> None:
    async with _connected(proxy) as (reader, writer):
        proxy.stall()
        writer.write(b"held back")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON_S):
                await reader.read(1)
        proxy.heal()
        assert await reader.readexactly(9) == b"held back"


async def test_a_slow_line_is_as_slow_as_it_was_told(proxy: CuttingProxy) -> None:
    proxy.bytes_per_s = 20_000
    async with _connected(proxy) as (reader, writer), asyncio.timeout(LATE_S):
        started = time.monotonic()
        writer.write(bytes(10_000))
        await reader.readexactly(10_000)
        assert time.monotonic() - started > 0.4


async def test_a_dead_upstream_looks_like_a_broken_line() -> None:
    async with CuttingProxy(upstream_port=1) as proxy, _connected(proxy) as (reader, _):
        assert await _is_broken(reader)


async def test_a_request_reaches_the_hub_under_the_hubs_own_name(proxy: CuttingProxy) -> None:
    head = "GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: */*\r\n\r\n"
    expected = head.format(proxy.upstream_port).encode()
    async with _connected(proxy) as (reader, writer), asyncio.timeout(LATE_S):
        writer.write(head.format(proxy.port).encode())
        assert await reader.readexactly(len(expected)) == expected
