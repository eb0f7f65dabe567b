"""What listens on loopback and has something done with each connection.

Invariant: when the block ends nothing listens any more, every connection has been ended and its task waited for, and a
bug in one of them is raised: a line that broke by mistake looks to both sides like one that broke on purpose.
"""

import abc
import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from typing import Any, Self


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them, wait for all of them, and raise what one of them raised before."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


class Listening(abc.ABC):
    """`async with` it: listens on a free port of 127.0.0.1 until the block ends; each connection has a task of its own."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        """With a `context` it ends TLS."""
        self._context = context
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._bugs: list[Exception] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not started"
        return int(self._server.sockets[0].getsockname()[1])

    def end_all(self) -> None:
        """End every connection, as a cable that is pulled and put back."""
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None, "entered"
        self._server.close()
        while self._tasks:
            self.end_all()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self._bugs:
            raise ExceptionGroup("connections that ended by mistake", self._bugs)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            pass  # ended: this task has no other owner
        except Exception as bug:
            self._bugs.append(bug)  # the streams module would only log it
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    @abc.abstractmethod
    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Do what is to be done with one connection, which ends on return."""
