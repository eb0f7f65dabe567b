"""The floor under cases C and D: the same bytes over loopback WebSockets, from SQLite into SQLite, and nothing else.

`python -m tests.bench.floor_transfer ROLE DATABASE` is the receiving end. A `ledger` keeps every frame's operations in
one durable commit, adds them up, and hands the changed totals to whoever listens; a `shelf` keeps totals in one durable
commit a page. There are no rights, no hashes, no digests, no sessions, no one else.
"""

import asyncio
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgpack
import uvloop
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from protocol.limits import PAGE_ROWS_MAX
from runtime.connection import connect_reader
from tests.bench.children import serving
from tests.bench.floor_server import serve
from tests.bench.wire_sizes import batches

_MODULE: Final = "tests.bench.floor_transfer"
_FRAMES_IN_FLIGHT: Final = 4
_SCHEMA: Final = """
CREATE TABLE ledger (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE counter (
  location TEXT, sku TEXT, total INTEGER NOT NULL, PRIMARY KEY (location, sku)
) WITHOUT ROWID;
"""
_KEEP_OPERATION: Final = "INSERT INTO ledger (body) VALUES (?)"
_KEEP_TOTAL: Final = (
    "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET total = excluded.total"
)
_EVERY_TOTAL: Final = "SELECT location, sku, total FROM counter ORDER BY location, sku"
Rows = list[tuple[str, str, int]]


async def upload(folder: Path, node_database: Path) -> float:
    """Seconds to carry a node's log into a ledger and the totals on to a shelf, all durable."""
    log = folder / "floor_transfer.log"
    ledger, shelf = str(folder / "floor_ledger.db"), str(folder / "floor_shelf.db")
    async with (
        serving(_MODULE, "ledger", ledger, log=log) as to_ledger,
        serving(_MODULE, "shelf", shelf, log=log) as to_shelf,
        ClientSession() as http,
        http.ws_connect(f"ws://127.0.0.1:{to_ledger}/", compress=0, max_msg_size=0) as up,
        http.ws_connect(f"ws://127.0.0.1:{to_shelf}/", compress=0, max_msg_size=0) as down,
    ):
        began_s = time.perf_counter()
        with closing(connect_reader(node_database)) as db:
            frames = [[item.body for item in frame.items] for frame in batches(db)]
        await _carry(frames, up, down)
        return time.perf_counter() - began_s


async def download(folder: Path, rows: Rows) -> float:
    """Seconds to carry totals from one database into another."""
    source = folder / "floor_source.db"
    await asyncio.to_thread(_fill, source, rows)
    shelf = str(folder / "floor_copy.db")
    async with (
        serving(_MODULE, "shelf", shelf, log=folder / "floor_transfer.log") as to_shelf,
        ClientSession() as http,
        http.ws_connect(f"ws://127.0.0.1:{to_shelf}/", compress=0, max_msg_size=0) as down,
    ):
        began_s = time.perf_counter()
        pages = await asyncio.to_thread(_pages, source)
        for number, page in enumerate(pages):
            await down.send_bytes(page)
            if number >= _FRAMES_IN_FLIGHT:
                await down.receive_bytes()
        for _ in range(min(len(pages), _FRAMES_IN_FLIGHT)):
            await down.receive_bytes()
        return time.perf_counter() - began_s


async def _carry(
    frames: list[list[bytes]], up: ClientWebSocketResponse, down: ClientWebSocketResponse
) -> None:
    """Frames go up, four unanswered at most; each answer is the page of totals that it changed, and goes down."""
    room = asyncio.Semaphore(_FRAMES_IN_FLIGHT)

    async def hand_down() -> None:
        for _ in frames:
            await down.send_bytes(await up.receive_bytes())
            room.release()

    async def hear() -> None:
        for _ in frames:
            await down.receive_bytes()

    async with asyncio.TaskGroup() as group:
        group.create_task(hand_down())
        group.create_task(hear())
        for frame in frames:
            await room.acquire()
            await up.send_bytes(msgpack.packb(frame))


class _Ledger:
    def __init__(self, database: str) -> None:
        self._db = _open(database)
        self._totals: Counter[tuple[str, str]] = Counter()

    def take(self, data: bytes) -> bytes:
        bodies = msgpack.unpackb(data)
        changed: set[tuple[str, str]] = set()
        for body in bodies:
            for key, delta in _counters(msgpack.unpackb(body)):
                self._totals[key] += delta
                changed.add(key)
        rows = [(*key, self._totals[key]) for key in changed]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(_KEEP_OPERATION, [(body,) for body in bodies])
        self._db.executemany(_KEEP_TOTAL, rows)
        self._db.execute("COMMIT")
        return bytes(msgpack.packb(rows))


class _Shelf:
    def __init__(self, database: str) -> None:
        self._db = _open(database)

    def take(self, data: bytes) -> bytes:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(_KEEP_TOTAL, msgpack.unpackb(data))
        self._db.execute("COMMIT")
        return b"kept"


def _counters(operation: list[Any]) -> list[tuple[tuple[str, str], int]]:
    """What an operation adds to which counter, read without a check."""
    effects = next(part for part in operation if isinstance(part, list))
    return [((e[1], e[2]), e[-1]) for e in effects]


def _open(database: str) -> sqlite3.Connection:
    # Used by one thread at a time, each message by another of the pool.
    db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute("PRAGMA synchronous=FULL")
    db.executescript(_SCHEMA)
    return db


def _fill(database: Path, rows: Rows) -> None:
    with closing(_open(str(database))) as db:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(_KEEP_TOTAL, rows)
        db.execute("COMMIT")


def _pages(database: Path) -> list[bytes]:
    with closing(sqlite3.connect(database)) as db:
        found = db.execute(_EVERY_TOTAL)
        pages = []
        while rows := found.fetchmany(PAGE_ROWS_MAX):
            pages.append(bytes(msgpack.packb(rows)))
        return pages


async def _main(role: str, database: str) -> None:
    keeper = _Ledger(database) if role == "ledger" else _Shelf(database)

    async def take(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse(compress=False, max_msg_size=0)
        await line.prepare(request)
        async for message in line:
            if message.type is WSMsgType.BINARY:
                await line.send_bytes(await asyncio.to_thread(keeper.take, message.data))
        return line

    app = web.Application()
    app.add_routes([web.get("/", take)])
    await serve(app)


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
