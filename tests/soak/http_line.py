"""One keep-alive connection to a daemon, with as little between the caller and the socket as there can be.

The soak's driver shares its processor with the five daemons it watches, and a full HTTP client costs more than they
do. Rule: after anything but a whole answer the connection is closed and the next request opens another.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from typing import Final, NamedTuple

ANSWER_S_MAX: Final = 30.0
_LENGTH: Final = b"content-length:"


class LineLost(Exception):
    """The connection broke or was silent: the request was carried out, or not."""


class Answer(NamedTuple):
    """One answer; `head` ends with its empty line."""

    status: int
    head: bytes
    body: bytes

    @property
    def is_replay(self) -> bool:
        """Whether the node had answered this key before."""
        return b"idempotency-replayed: true" in self.head.lower()


class HttpLine:
    """A connection to one port of 127.0.0.1, opened when it is needed."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._fixed = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[StreamReader, StreamWriter] | None = None

    async def get(self, target: str) -> Answer:
        """Ask once. Raises: LineLost."""
        return await self._exchange(self.get_head(target))

    async def post(self, target: str, body: bytes, key: str) -> Answer:
        """Send a JSON body once under an idempotency key. Raises: LineLost."""
        return await self._exchange(self._post(target, body, key))

    async def post_and_leave(self, target: str, body: bytes, key: str) -> None:
        """Send a request and close the connection at once, as a till does that loses its power."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_S_MAX):
                _, writer = await self._open()
                writer.write(self._post(target, body, key))
                await writer.drain()
        self.close()

    def get_head(self, target: str, extra: str = "") -> bytes:
        """A whole GET request; `extra` is further header lines, each with its end."""
        return f"GET {target} HTTP/1.1\r\n{self._fixed}{extra}\r\n".encode()

    def close(self) -> None:
        """Close the connection, if there is one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()

    async def _exchange(self, request: bytes) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                reader, writer = await self._open()
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                answer = Answer(int(head[9:12]), head, await reader.readexactly(_length(head)))
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as lost:
            self.close()
            raise LineLost(repr(lost)) from lost
        except BaseException:
            self.close()  # half an answer may still be on its way
            raise
        if b"connection: close" in head.lower():
            self.close()
        return answer

    async def _open(self) -> tuple[StreamReader, StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    def _post(self, target: str, body: bytes, key: str) -> bytes:
        head = (
            f"POST {target} HTTP/1.1\r\n{self._fixed}Idempotency-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _length(head: bytes) -> int:
    """Raises: ValueError for an answer that does not say how long it is."""
    lowered = head.lower()
    begin = lowered.index(_LENGTH) + len(_LENGTH)
    return int(lowered[begin : lowered.index(b"\r\n", begin)])
