"""A line: whole binary messages to one peer and from it, in order, until either side ends it.

Invariant: a session's driver knows lines and nothing of sockets. What never becomes a message of the peer's (pings, pongs,
the closing) stays below. The real one is a WebSocket of either half of aiohttp; the other is the simulator's.
"""

import asyncio
from typing import Final, Protocol

from aiohttp import ClientWebSocketResponse, WSMsgType, web

_CONTROLS: Final = frozenset({WSMsgType.PING, WSMsgType.PONG})


class TextReceived(Exception):
    """The peer sent text, where messages are binary."""


class Line(Protocol):
    """One open connection."""

    async def send(self, data: bytes) -> None:
        """Hand a message over; waits while the peer takes nothing.

        Raises: ConnectionError when the line is known to be down. Not to raise says nothing of the message's arrival.
        """

    async def receive(self) -> bytes:
        """Wait for the next message; by one task at a time.

        Raises: ConnectionError when the peer has gone; TextReceived.
        """

    async def close(self) -> None:
        """End it; the second call does nothing."""


class WebSocketLine:
    """A line over an open WebSocket of aiohttp's, of which it becomes the only user."""

    def __init__(self, socket: ClientWebSocketResponse | web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, data: bytes) -> None:
        """See `Line`."""
        await self._socket.send_bytes(data)

    async def receive(self) -> bytes:
        """See `Line`. Where the library leaves pings to us, they are answered one at a time."""
        while (message := await self._socket.receive()).type in _CONTROLS:
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            # The library answers a thousand pings without a pause, and everybody else would wait.
            await asyncio.sleep(0)
        if message.type is WSMsgType.TEXT:
            raise TextReceived
        if message.type is not WSMsgType.BINARY:
            raise ConnectionResetError("the peer has gone")
        data: bytes = message.data
        return data

    async def close(self) -> None:
        """See `Line`."""
        await self._socket.close()
