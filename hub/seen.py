"""Signs of life: what nodes say of themselves once a minute, kept together.

Invariant: the newest of each node is in the store within WRITE_EVERY_S, and on the way out. A thousand idle nodes would
otherwise cost seventeen transactions a second, each with its own sync of the disk.
"""

import asyncio
from typing import Final

import structlog

from hub.store.interface import HubStore
from protocol.ids import NodeId
from runtime.store import StoreError

WRITE_EVERY_S: Final = 2.0

_log = structlog.get_logger(__name__)


class SignsOfLife:
    """Takes them in; one for all sessions."""

    def __init__(self, store: HubStore) -> None:
        self._store = store
        self._due: dict[NodeId, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, node: NodeId, pending: int, now_ms: int) -> None:
        """Remember when a node was last heard of, and how much it had still to send; returns at once."""
        self._due[node] = (pending, now_ms)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_soon(), name="signs of life")

    async def close(self) -> None:
        """Store what is due; returns when it is durable, or known not to be."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._write()

    async def _write_soon(self) -> None:
        while self._due:
            await asyncio.sleep(WRITE_EVERY_S)
            await self._write()

    async def _write(self) -> None:
        due, self._due = self._due, {}
        # Asked for at once, so the store commits them together.
        notes = (self._store.note_seen(node, *said) for node, said in due.items())
        try:
            outcomes = await asyncio.gather(*notes, return_exceptions=True)
        except asyncio.CancelledError:
            self._due = due | self._due  # what still waited for its turn was taken back with us
            raise
        for outcome in outcomes:
            if isinstance(outcome, StoreError):
                _log.warning("a sign of life was not stored", error=str(outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
