"""What stands before a hub in production: ends TLS and passes on what was inside, to the hub's own name.

Rule: nothing is changed but the Host header. Whatever breaks in TLS ends the connection without a word to the hub.
"""

import asyncio
import contextlib
import re
import ssl
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Final, Self

CHUNK_BYTES: Final = 64 * 1024
_HOST: Final = re.compile(rb"Host: 127\.0\.0\.1:\d+\r\n")


class TlsEnd:
    """Listens on a free port of 127.0.0.1 with this certificate and key."""

    def __init__(self, upstream_port: int, certificate: Path, key: Path) -> None:
        self._upstream_port = upstream_port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not started"
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None, "entered"
        self._server.close()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            pumps = [
                asyncio.create_task(self._pump(reader, hub_writer)),
                asyncio.create_task(self._pump(hub_reader, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                hub_writer.transport.abort()
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the hub is down, or this end is closed: the task has no other owner
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pump(self, source: StreamReader, sink: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                name = b"Host: 127.0.0.1:%d\r\n" % self._upstream_port
                sink.write(_HOST.sub(name, data, count=1))
                await sink.drain()
