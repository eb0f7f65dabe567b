"""A reader that takes nothing is cut, costs a bounded memory, keeps nobody waiting, and resumes."""

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from node.replica import rows, scopes
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Location, Lot, ReplicaId, Salt, Sku, stock_scope
from protocol.rows import CounterRow
from runtime.connection import connect_writer
from runtime.world import World
from tests.node.api.caller import ApiCaller, sale
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.live.listener import Listener, Mirror

ROWS = 20_000
DEAF = 8
# All their snapshots are 46 MB, and the one who listens keeps its own.
BYTES_HELD_MAX = 32 * 1024 * 1024
ELSEWHERE = Location("S02")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shop with a large neighbour, whose snapshot no socket's buffers can hold."""
    shop = enrolled_folder(tmp_path / "S01")
    scope = stock_scope(ELSEWHERE)
    with contextlib.closing(connect_writer(shop.database)) as db:
        scopes.begin(db, [scope])
        db.execute("BEGIN")
        for at in range(0, ROWS, 1_000):
            counters = tuple(
                CounterRow(ELSEWHERE, Sku(f"{number:064}"), Lot(""), 0, HubSeq(number + 1), number)
                for number in range(at, at + 1_000)
            )
            page = Page(scope, HubSeq(at), counters[-1].hub_seq, Salt(b"s" * 8), True, {}, counters)
            rows.take_in(db, page, counters, ReplicaId(b"r" * 16), finish=True)
        db.execute("COMMIT")
    return shop


@pytest.fixture
async def till(shop: Shop, aiohttp_client: AiohttpClient) -> ApiCaller:
    """Give a till of a node that waits half a second for its readers."""
    node = await Node.open(shop.folder, World())
    node.live.write_s_max = 0.5
    http = await aiohttp_client(make_app(node, NodeSettings()))
    return ApiCaller(http, await node.callers.create_token("till-1"))


@contextlib.contextmanager
def deaf(till: ApiCaller, path: str, *headers: str) -> Iterator[socket.socket]:
    """A reader that asks and never reads, on a socket with hardly any buffer."""
    url: URL = till.http.make_url("/")
    assert url.host is not None
    head = (
        f"GET {path} HTTP/1.1",
        f"Host: {url.host}:{url.port}",
        f"Authorization: Bearer {till.token}",
        *headers,
    )
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((url.host, url.port))
        line.sendall("\r\n".join((*head, "", "")).encode())
        line.setblocking(False)
        yield line


SOCKET_HEADERS = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.blocking("the deaf client connects without a loop")
@pytest.mark.parametrize(
    ("path", "headers"), [("/v1/events?since=0", ()), ("/v1/live?since=0", SOCKET_HEADERS)]
)
async def test_a_reader_that_takes_nothing_is_cut_and_costs_nobody_anything(
    till: ApiCaller, path: str, headers: tuple[str, ...]
) -> None:
    listening = Listener(till.http.session, str(till.http.make_url("")), till.token)
    tracemalloc.start()
    try:
        with contextlib.ExitStack() as lines:
            for _ in range(DEAF):
                lines.enter_context(deaf(till, path, *headers))
            async with listening, asyncio.timeout(60):
                await listening.until("sync")
                number = 0
                while await cuts(till) < DEAF:
                    number += 1
                    await till.record(f"k{number}", sale(("A1", -1)))
                    await listening.until("movement", number)
                assert number > DEAF, "sold and told while the others took nothing"
                assert tracemalloc.get_traced_memory()[1] < BYTES_HELD_MAX
    finally:
        tracemalloc.stop()


async def test_a_reader_of_a_large_snapshot_gets_all_of_it(till: ApiCaller) -> None:
    listening = Listener(
        till.http.session, str(till.http.make_url("")), till.token, mirror=Mirror(), since="0"
    )
    async with listening:
        await listening.until("sync")
    assert [row["on_hand"] for row in listening.mirror.rows()] == list(range(ROWS))
    assert await cuts(till) == 0


async def cuts(till: ApiCaller) -> int:
    """How many readers were cut so far."""
    reply = await till.ask("GET", "/metrics")
    (line,) = (
        line
        for line in reply.body.decode().splitlines()
        if line.startswith("everstock_node_live_cuts_total ")
    )
    return int(float(line.split()[1]))
