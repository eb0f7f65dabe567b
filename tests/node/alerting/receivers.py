"""Receivers on loopback as others would write them: a webhook's server that checks signatures, and a mail server.

Rule: a webhook's signature is checked by code of its own, written from the words of Standard Webhooks.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from node.alerting.settings import Alerting, Webhook

KEY: Final = b"thirty-two bytes, all of them hid"
SECRET: Final = "whsec_" + base64.b64encode(KEY).decode()
LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"),)
PATIENCE_S: Final = 30.0
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def taken(_request: web.Request) -> web.StreamResponse:
    """The answer of a receiver that has taken it."""
    return web.Response(status=204)


@dataclass
class Hook:
    """A webhook's server: what it was sent, and what it answers."""

    answer: Answer = taken
    ids: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def webhook(self, **given: Any) -> Webhook:
        """The setting that leads here."""
        return Webhook(name="erp", url=self.url, secret=SecretStr(SECRET), **given)

    def alerting(self, **given: Any) -> Alerting:
        """The same, with loopback allowed."""
        return Alerting(webhooks=(self.webhook(),), networks=LOOPBACK, **given)

    async def until(self, count: int) -> None:
        """Wait until so many events were sent."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.ids) < count:
                self._changed.clear()
                await self._changed.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check and keep one event."""
        self.paths.append(request.path)
        body = await request.read()
        id_, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        signed = f"{id_}.{timestamp}.".encode() + body
        wanted = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == f"v1,{wanted}"
        assert request.content_type == "application/json"
        self.events.append(orjson.loads(body))
        self.ids.append(id_)
        self._changed.set()
        return await self.answer(request)


@contextlib.asynccontextmanager
async def hook(answer: Answer = taken) -> AsyncIterator[Hook]:
    """Serve a webhook."""
    found = Hook(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        found.url = f"http://127.0.0.1:{server.port}/in"
        yield found


@dataclass
class Mailbox:
    """A mail server that knows enough SMTP (RFC 5321) to take a mail."""

    refuses: bool = False
    mails: list[Message] = field(default_factory=list)
    envelopes: list[list[str]] = field(default_factory=list)
    port: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> None:
        """Wait until so many mails were taken."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.mails) < count:
                self._changed.clear()
                await self._changed.wait()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        recipients: list[str] = []
        writer.write(b"220 here\r\n")
        with contextlib.closing(writer):
            while line := (await reader.readline()).decode().strip():
                match line.split(":", 1)[0].split(" ", 1)[0].upper():
                    case "DATA":
                        writer.write(b"354 go on\r\n")
                        await self._take(reader, recipients)
                        writer.write(b"250 taken\r\n")
                    case "RCPT" if self.refuses:
                        writer.write(b"451 not now\r\n")
                    case "RCPT":
                        recipients.append(line.partition(":")[2].strip("<>"))
                        writer.write(b"250 ok\r\n")
                    case "QUIT":
                        writer.write(b"221 bye\r\n")
                        break
                    case _:
                        writer.write(b"250 ok\r\n")
                await writer.drain()

    async def _take(self, reader: asyncio.StreamReader, recipients: list[str]) -> None:
        lines = []
        while (line := (await reader.readline()).decode()) != ".\r\n":
            lines.append(line.removeprefix(".") if line.startswith("..") else line)
        self.mails.append(message_from_string("".join(lines)))
        self.envelopes.append([*recipients])
        self._changed.set()


@contextlib.asynccontextmanager
async def mailbox(*, refuses: bool = False) -> AsyncIterator[Mailbox]:
    """Serve one."""
    found = Mailbox(refuses)
    server = await asyncio.start_server(found.talk, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()
