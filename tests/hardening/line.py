"""A raw connection to a daemon: what no decent HTTP library would send.

Invariant: `ends` returns when the daemon has ended the connection, whichever way, and never hides that it has not.
"""

import asyncio
import base64
import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Final, Self

from protocol.wire import SUBPROTOCOL

SMALL_WINDOW_BYTES: Final = 4 * 1024
"""A reader that shall be slow must not have a megabyte of its kernel's to read into."""

PING: Final = bytes((0x89, 0x80, 0, 0, 0, 0))
EMPTY_FRAGMENT: Final = bytes((0x00, 0x80, 0, 0, 0, 0))
FIRST_FRAGMENT: Final = bytes((0x02, 0x81, 0, 0, 0, 0)) + b"x"


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon and, if the attacker has stolen one, a token."""

    port: int
    token: str = ""


class Line:
    """`async with Line(target) as line`: one connection."""

    def __init__(self, target: Target, *, slow: bool = False) -> None:
        self._target = target
        self._slow = slow
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        own = socket.socket()
        if self._slow:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
        own.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self._target.port))
            limit = SMALL_WINDOW_BYTES if self._slow else 2**16
            self.reader, self.writer = await asyncio.open_connection(sock=own, limit=limit)
        except BaseException:
            own.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()  # or its socket would outlive the test's loop

    def head(self, method: str, path: str, *, token: bool = False, **fields: str) -> bytes:
        """The head of a request that every guard lets through."""
        given = {"Host": f"127.0.0.1:{self._target.port}", **fields}
        if token:
            given["Authorization"] = f"Bearer {self._target.token}"
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()

    async def sends(self, data: bytes) -> None:
        """Send, waiting while the daemon takes nothing."""
        self.writer.write(data)
        await self.writer.drain()

    async def asks(
        self, method: str, path: str, body: bytes = b"", *, token: bool = False, **fields: str
    ) -> int:
        """Send a whole request and read the whole answer; gives its status, 0 when there was none."""
        length = {"Content_Length": str(len(body))} if body else {}
        await self.sends(self.head(method, path, token=token, **length, **fields) + body)
        return (await self.hears())[0]

    async def hears(self) -> tuple[int, bytes]:
        """One answer: its status, 0 when the connection ended instead, and its body."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""
        lines = head.decode("latin-1").lower().split("\r\n")
        length = next((int(x[15:]) for x in lines if x.startswith("content-length:")), 0)
        return int(lines[0].split()[1]), await self.reader.readexactly(length)

    async def becomes_websocket(self, path: str = "/v1/session") -> bytes:
        """Upgrade; gives the head of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self.sends(
            self.head(
                *("GET", path),
                Upgrade="websocket",
                Connection="Upgrade",
                Sec_WebSocket_Version="13",
                Sec_WebSocket_Key=key,
                Sec_WebSocket_Protocol=SUBPROTOCOL,
                Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
            )
        )
        return await self.reader.readuntil(b"\r\n\r\n")

    async def ends(self) -> None:
        """Read until the daemon ends the connection."""
        try:
            while await self.reader.read(2**16):
                pass
        except ConnectionError:
            pass

    async def ends_unread(self) -> None:
        """Wait until the daemon ends the connection, without reading what it sends."""
        # Only a peek tells: the stream would read, and with that not be slow.
        own: socket.socket = self.writer.get_extra_info("socket")
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while True:
            if own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return
            # TCP_INFO begins with the state; 1 is established, all others are some form of over.
            if own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b"\x01":
                return
            await asyncio.sleep(0.05)


def frame(payload: bytes, *, opcode: int = 2, fin: bool = True, rsv: int = 0) -> bytes:
    """A client's frame, masked with zeros."""
    first = (0x80 if fin else 0) | rsv | opcode
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 2**16:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2)
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8)
    return head + bytes(4) + payload
