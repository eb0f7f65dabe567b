"""A line between a node and the hub that can be cut: a TCP proxy on loopback with a switch.

Invariant: bytes that pass are passed in order and once, and unchanged but for the Host header, which names
the hub instead of the proxy, as any reverse proxy sees to: a daemon answers to no other name. What a cut
loses are whole connections, as when a cable is pulled; what a stall holds back goes on afterwards.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from typing import Final, Self

CHUNK_BYTES: Final = 64 * 1024
SLOW_CHUNK_BYTES: Final = 1024


class CuttingProxy:
    """Listens on a free port of 127.0.0.1 and passes every connection on to `upstream_port` there.

    `bytes_per_s` makes both directions of each connection as slow as that; None is as fast as it goes.
    `passed_bytes` counts both.
    """

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.bytes_per_s: int | None = None
        self.connection_count = 0
        self.passed_bytes = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = True
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not started"
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen, connected."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def cut(self) -> None:
        """Break every connection now, and each new one at once, until `heal`."""
        self._connected = False
        for task in self._tasks:
            task.cancel()

    def stall(self) -> None:
        """Keep every connection and pass nothing, until `heal`: neither side is told."""
        self._flowing.clear()

    def heal(self) -> None:
        """Undo `cut` and `stall`. Broken connections stay broken; new ones work."""
        self._connected = True
        self._flowing.set()

    async def close(self) -> None:
        """Break everything and stop listening."""
        self.cut()
        if self._server is not None:
            self._server.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        # The streams module only logs what a handler raises, so nothing but bugs may leave it.
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._connected:
                await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            pass  # cut: this task has no other owner
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._flowing.wait()
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            return  # the hub is down: to the node that looks like a broken connection
        self.connection_count += 1
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, upstream[1], self._renamed))
                pumps.create_task(self._pump(upstream[0], writer, bytes))
        finally:
            upstream[1].transport.abort()

    async def _pump(
        self, source: StreamReader, sink: StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await self._write(change(data), sink)
            if sink.can_write_eof():
                sink.write_eof()
            return
        sink.transport.abort()

    async def _write(self, data: bytes, sink: StreamWriter) -> None:
        while data:
            await self._flowing.wait()
            piece = data[:SLOW_CHUNK_BYTES] if self.bytes_per_s else data
            sink.write(piece)
            self.passed_bytes += len(piece)
            await sink.drain()
            if self.bytes_per_s:
                await asyncio.sleep(len(piece) / self.bytes_per_s)
            data = data[len(piece) :]

    def _renamed(self, data: bytes) -> bytes:
        # A request's head comes in one piece: it is small, and a client writes it at once. What follows on a
        # WebSocket is masked at random, so this text never occurs there.
        ours, theirs = (
            f"Host: 127.0.0.1:{p}\r\n".encode() for p in (self.port, self.upstream_port)
        )
        return data.replace(ours, theirs)
