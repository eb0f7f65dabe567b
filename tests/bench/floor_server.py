"""The floor under a node: aiohttp and SQLite, one row and one durable commit a request, and nothing else.

`python -m tests.bench.floor_server DATABASE [RELAY]` listens on any free port. Requests that wait while a commit runs
share the next one, so this is also the least with which many tills can be served durably. With RELAY, a WebSocket
address, every row also goes there, and every row that comes from there is committed here: two of them and a relay do
what two shops and a hub do, without knowing what a sale is.
"""

import asyncio
import queue
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Final

import uvloop
from aiohttp import ClientSession, WSMsgType, web

_INSERT: Final = "INSERT INTO log (body) VALUES (?)"
_Row = tuple[bytes, asyncio.Future[None]]


class FloorServer:
    """Rows and the one thread that commits them."""

    def __init__(self, database: str, relay: str | None) -> None:
        self.rows = 0
        self._database = database
        self._relay = relay
        self._waiting: queue.SimpleQueue[_Row | None] = queue.SimpleQueue()
        self._to_send: asyncio.Queue[bytes] = asyncio.Queue()
        self._listeners: set[web.StreamResponse] = set()
        self._loop = asyncio.get_running_loop()

    async def post(self, request: web.Request) -> web.Response:
        """Keep the body durably, then answer."""
        body = await request.read()
        await self._keep(body)
        if self._relay is not None:
            self._to_send.put_nowait(body)
        return web.Response(
            status=201, body=b'{"seq": %d}' % self.rows, content_type="application/json"
        )

    async def get(self, _request: web.Request) -> web.Response:
        """How many rows there are."""
        return web.Response(body=b'{"rows": %d}' % self.rows, content_type="application/json")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Every row from now on, for as long as the process lives."""
        response = web.StreamResponse()
        await response.prepare(request)
        self._listeners.add(response)
        await asyncio.Event().wait()
        return response

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Commit, and relay, while the application runs."""
        thread = threading.Thread(target=self._commit_all)
        thread.start()
        relaying = [] if self._relay is None else [asyncio.create_task(self._stay(self._relay))]
        yield
        for task in relaying:
            task.cancel()
        self._waiting.put(None)
        await asyncio.to_thread(thread.join)

    async def _keep(self, body: bytes) -> None:
        kept = self._loop.create_future()
        self._waiting.put((body, kept))
        await kept
        self.rows += 1
        for listener in self._listeners:
            await listener.write(body)

    async def _stay(self, relay: str) -> None:
        async with ClientSession() as http, http.ws_connect(relay, compress=0) as line:

            async def send() -> None:
                while True:
                    await line.send_bytes(await self._to_send.get())

            sending = asyncio.create_task(send())
            async for message in line:
                if message.type is WSMsgType.BINARY:
                    await self._keep(message.data)
            sending.cancel()

    def _commit_all(self) -> None:
        with closing(sqlite3.connect(self._database, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL").fetchall()
            db.execute("PRAGMA synchronous=FULL")
            db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
            while (first := self._waiting.get()) is not None:
                batch = [first]
                # Nobody else takes from it, so what is counted now is there.
                for _ in range(self._waiting.qsize()):
                    if (row := self._waiting.get()) is None:
                        return
                    batch.append(row)
                db.execute("BEGIN IMMEDIATE")
                db.executemany(_INSERT, [(body,) for body, _ in batch])
                db.execute("COMMIT")
                self._loop.call_soon_threadsafe(_answer, batch)


def _answer(batch: list[_Row]) -> None:
    for _, kept in batch:
        if not kept.done():
            kept.set_result(None)


async def serve(app: web.Application) -> None:
    """Say where it listens and serve until the process is ended."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


async def _main(database: str, relay: str | None = None) -> None:
    server = FloorServer(database, relay)
    app = web.Application()
    app.add_routes(
        [
            web.post("/v1/movements", server.post),
            web.get("/v1/rows", server.get),
            web.get("/v1/events", server.events),
        ]
    )
    app.cleanup_ctx.append(server.running)
    await serve(app)


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
