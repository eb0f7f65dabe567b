"""Reads what changed, once for everybody, and hands it to every stream; knows the streams, and ends them.

Invariant: while nobody listens nothing is read. A change is handed on only from a snapshot that holds it, so after it is
durable. Under load it reads at most every `INTERVAL_S`, however often something is committed, and so coalesces.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from node.commands.requests import Caller, Refusal
from node.live import reading
from node.live.events import Sync
from node.live.stream import End, Stream
from node.metrics import NodeMetrics
from node.replica import changes
from protocol.ids import Scope
from protocol.limits import (
    LIVE_PENDING_MAX,
    LIVE_STREAMS_MAX,
    LIVE_STREAMS_PER_CALLER_MAX,
    LIVE_WRITE_S_MAX,
)
from runtime.store import Store, StoreError

INTERVAL_S: Final = 0.02
SYNC_INTERVAL_S: Final = 1.0
FORGET_INTERVAL_S: Final = 30.0

_log = structlog.get_logger(__name__)


class Live:
    """The streams of one node."""

    def __init__(
        self,
        store: Store,
        metrics: NodeMetrics,
        sync: Callable[[], Awaitable[Sync]],
        now_ms: Callable[[], int],
        *,
        pending_max: int = LIVE_PENDING_MAX,
    ) -> None:
        """Made stopped; `sync()` says where the node stands with the hub, `now_ms()` which lots have expired."""
        self.write_s_max = LIVE_WRITE_S_MAX
        """How long the reader of a stream opened from now on may take nothing."""
        self._store = store
        self._metrics = metrics
        self._sync = sync
        self.now_ms = now_ms
        self._pending_max = pending_max
        self._streams: dict[Stream, Callable[[], bool]] = {}
        self._attached: set[Stream] = set()
        self._position = 0
        self._life = b""
        self._news = asyncio.Event()
        self._listened = asyncio.Event()
        self._committed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    def start(self) -> None:
        """Begin to follow the store's commits; returns at once."""
        self._store.on_commit(self._note_commit)
        for work in (self._tail, self._tell_sync, self._forget):
            task = asyncio.create_task(work(), name=f"live: {work.__name__}")
            task.add_done_callback(self._note_crash)
            self._tasks.append(task)

    def end_all(self) -> None:
        """End every stream, and take no new ones: the node ends. Returns at once."""
        self._stopped = True
        for stream in self._streams:
            stream.end(End.STOPPED)

    async def stop(self) -> None:
        """End every stream, and stop following."""
        self.end_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- streams -----------------------------------------------------------------------------------------------

    def open(
        self,
        caller: Caller,
        credential: bytes,
        scopes: frozenset[Scope] | None,
        has_gone: Callable[[], bool],
    ) -> Stream:
        """Make a stream, to be given to `leave` in the end. `has_gone()` says whether its reader's line is closed.

        Raises:
            Refusal: `rate_limited` when the caller has too many, `unavailable` when all together have or the node ends.
        """
        if len(self._streams) >= LIVE_STREAMS_PER_CALLER_MAX:
            self._drop_gone()
        if self._stopped or len(self._streams) >= LIVE_STREAMS_MAX:
            raise Refusal("unavailable", "no more streams are served now; come back later")
        own = sum(stream.caller == caller for stream in self._streams)
        if own >= LIVE_STREAMS_PER_CALLER_MAX:
            raise Refusal("rate_limited", f"at most {LIVE_STREAMS_PER_CALLER_MAX} streams a caller")
        stream = Stream(
            self._store,
            self,
            self._sync,
            credential,
            caller,
            scopes,
            pending_max=self._pending_max,
            write_s_max=self.write_s_max,
        )
        self._streams[stream] = has_gone
        self._metrics.streams.set(len(self._streams))
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream; a second time changes nothing."""
        self.detach(stream)
        self._streams.pop(stream, None)
        self._metrics.streams.set(len(self._streams))

    def end_revoked(self, is_valid: Callable[[bytes], bool]) -> None:
        """End every stream whose credential is no longer valid. Returns at once."""
        for stream in self._streams:
            if not is_valid(stream.credential):
                stream.end(End.REVOKED)

    def change(self, who: Callable[[bytes], Caller | None]) -> None:
        """Have every stream tell what its reader may be told by now. Returns at once."""
        for stream in self._streams:
            caller = who(stream.credential)
            if caller is not None and caller != stream.caller:
                stream.become(caller)

    def attach(self, stream: Stream, life: bytes, after: int) -> int:
        """Hand `stream`, which is in this life, all changes after the number returned."""
        if not self._attached:
            self._life, self._position = life, after
        elif life != self._life:
            stream.fall_back()  # one of them is in a life that has ended, and finds out when it reads
            return self._position
        self._attached.add(stream)
        self._listened.set()
        self._news.set()
        return self._position

    def detach(self, stream: Stream) -> None:
        """Hand `stream` nothing more."""
        self._attached.discard(stream)
        if not self._attached:
            self._listened.clear()

    # --- private -----------------------------------------------------------------------------------------------

    def _note_crash(self, task: asyncio.Task[None]) -> None:
        """A bug ended it: readers are told nothing rather than left with what was. The tills sell on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("live streams have crashed", task=task.get_name(), error=repr(error))
            self._stopped = True
            for stream in self._streams:
                stream.end(End.FAILED)

    def _note_commit(self) -> None:
        self._news.set()
        self._committed.set()

    def _drop_gone(self) -> None:
        for stream in [stream for stream, has_gone in self._streams.items() if has_gone()]:
            stream.end(End.LEFT)
            self.leave(stream)

    async def _tail(self) -> None:
        while True:
            await self._listened.wait()
            await self._news.wait()
            self._news.clear()
            try:
                while self._attached and not await self._read_piece():
                    pass
            except StoreError as error:
                _log.warning("what changed could not be read", reason=str(error))
                for stream in self._streams:
                    stream.end(End.FAILED)
            await asyncio.sleep(INTERVAL_S)

    async def _read_piece(self) -> bool:
        """Hand on some changes; whether those were the last."""
        after = self._position
        piece = await self._store.read(
            partial(reading.read_changes, after=after, now_ms=self.now_ms())
        )
        if self._position != after:
            return False  # nobody listened for a moment, and who listens now began elsewhere
        self._position = piece.upto
        if piece.gap or piece.life != self._life:
            # Each finds out by itself where it can go on.
            self._life = piece.life
            for stream in tuple(self._attached):
                stream.fall_back()
            return True
        for stream in tuple(self._attached):
            stream.put(piece.events)
        return piece.upto >= piece.head

    async def _tell_sync(self) -> None:
        while True:
            await self._listened.wait()
            with contextlib.suppress(StoreError):  # the tailer says it
                sync = await self._sync()
                for stream in tuple(self._attached):
                    stream.put_sync(self._position, sync)
            await asyncio.sleep(SYNC_INTERVAL_S)

    async def _forget(self) -> None:
        """Drop the oldest changes in pieces that no till notices."""
        while True:
            await self._committed.wait()
            self._committed.clear()
            try:
                upto = await self._store.read(changes.newest_to_forget)
                piece = partial(changes.forget_piece, upto=upto)
                while upto and await self._store.write(piece, background=True):
                    pass
            except StoreError as error:
                _log.warning("old changes could not be forgotten", reason=str(error))
            await asyncio.sleep(FORGET_INTERVAL_S)
