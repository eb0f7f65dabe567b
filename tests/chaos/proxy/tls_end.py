"""What stands before a hub in production: ends TLS and passes on what was inside, to the hub's own name.

Rule: nothing is changed but the Host header. Whatever breaks in TLS ends the connection without a word to the hub.
"""

import asyncio
import contextlib
import re
import ssl
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Final

from tests.chaos.proxy.listening import Listening, end

CHUNK_BYTES: Final = 64 * 1024
_HOST: Final = re.compile(rb"Host: 127\.0\.0\.1:\d+\r\n")


class TlsEnd(Listening):
    """Listens on a free port of 127.0.0.1 with this certificate and key."""

    def __init__(self, upstream_port: int, certificate: Path, key: Path) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        super().__init__(context)
        self._upstream_port = upstream_port

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            return  # the hub is down: to the node that looks like a broken connection
        pumps = [
            asyncio.create_task(self._pump(reader, hub_writer)),
            asyncio.create_task(self._pump(hub_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub_writer.transport.abort()
            await end(*pumps)

    async def _pump(self, source: StreamReader, sink: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                name = b"Host: 127.0.0.1:%d\r\n" % self._upstream_port
                sink.write(_HOST.sub(name, data, count=1))
                await sink.drain()
