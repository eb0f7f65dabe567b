"""One reader of the live stream: opened, brought up to date from the database, then told what the tailer hands it.

Invariant: whatever order things come in, a frame's id is never ahead of what was told, and never falls back but to a
snapshot. What waits for a slow reader is one event a row, at most `LIVE_PENDING_MAX` and `LIVE_PENDING_BYTES_MAX`;
beyond that the reader is put back to reading the database at its own pace, and one that takes nothing at all is cut by
whoever writes to it.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from enum import Enum
from functools import partial
from itertools import islice
from typing import Final, Protocol

from node.commands.requests import Caller
from node.live import reading
from node.live.events import Event, EventName, Frame, Since, Sync, id_of, json_of
from node.live.reading import Place
from node.live.rights import data_for, lost, may_be_told
from protocol.ids import Scope
from protocol.limits import (
    LIVE_HEARTBEAT_S,
    LIVE_PENDING_BYTES_MAX,
    LIVE_PENDING_MAX,
    LIVE_WRITE_S_MAX,
)
from runtime.store import Store

FRAMES_MAX: Final = 256
"""Frames of one batch: what is written at once."""


class End(Enum):
    """Why a stream ended from this side."""

    STOPPED = "the node ends"
    REVOKED = "the token is no longer valid"
    SPOKE = "nothing is expected from a reader"
    LEFT = "the reader left"
    FAILED = "the changes cannot be read now; resume later"


class _StartOver(Exception):
    """The changes that the reader needs next are no longer kept, or are numbered anew."""

    def __init__(self, reason: str, life: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.life = life


class Tail(Protocol):
    """Who hands on what is new."""

    def attach(self, stream: "Stream", life: bytes, after: int) -> int:
        """Hand the stream all changes after the number returned: `after`, or a later one."""

    def detach(self, stream: "Stream") -> None:
        """Hand it nothing more."""

    def now_ms(self) -> int:
        """The machine's clock, UTC milliseconds: a row of stock says what may be sold at a moment."""


class Stream:
    """One reader. Made by `Live.open`; `batches` is iterated once."""

    def __init__(
        self,
        store: Store,
        tail: Tail,
        sync: Callable[[], Awaitable[Sync]],
        credential: bytes,
        caller: Caller,
        scopes: frozenset[Scope] | None,
        *,
        pending_max: int = LIVE_PENDING_MAX,
        write_s_max: float = LIVE_WRITE_S_MAX,
    ) -> None:
        self.credential = credential
        """Digest of the token that opened it; when that is no longer valid the stream ends."""
        self.caller = caller
        self.ended: End | None = None
        self._store = store
        self._tail = tail
        self._sync = sync
        self._scopes = scopes
        self._may = may_be_told(caller)
        self._data = data_for(caller)
        self._removals: list[Scope] = []
        self._pending_max = pending_max
        self._write_s_max = write_s_max
        self._pending: dict[tuple[str, ...], Event] = {}
        self._pending_bytes = 0
        self._fell_back = False
        self._news = asyncio.Event()
        self._writing: asyncio.Timeout | None = None
        self._life = b""
        self._told = 0
        self._sync_mark = b""

    @property
    def waiting(self) -> int:
        """How many events wait to be written."""
        return len(self._pending)

    # --- for the tailer ----------------------------------------------------------------------------------------

    def put(self, events: Sequence[Event]) -> None:
        """Note newer events, in order of their changes; returns at once."""
        pending = self._pending
        for event in events:
            if self._wants(event) and self._is_news(event):
                # Taken out first, so that the order stays that of the changes.
                if (older := pending.pop(event.key, None)) is not None:
                    self._pending_bytes -= len(older.data)
                pending[event.key] = event
                self._pending_bytes += len(event.data)
        if len(pending) > self._pending_max or self._pending_bytes > LIVE_PENDING_BYTES_MAX:
            self.fall_back()
        elif self._pending:
            self._news.set()

    def fall_back(self) -> None:
        """Take no more news but read the changes; returns at once."""
        self._tail.detach(self)
        self._keep_waiting({})
        self._fell_back = True
        self._news.set()

    def put_sync(self, n: int, sync: Sync) -> None:
        """Note where the node stands with the hub, if that is news; everything up to `n` was put before."""
        if sync.mark != self._sync_mark:
            self._sync_mark = sync.mark
            self.put([Event(n, ("sync",), EventName.SYNC, sync.data, None)])

    def become(self, caller: Caller) -> None:
        """Tell from now on what its reader may be told by now; of what is lost a removal comes next. Returns at once."""
        before, after = self.caller.person, caller.person
        if after is None or after.role is None:
            self.end(End.REVOKED)
            return
        self.caller = caller
        self._may, self._data = may_be_told(caller), data_for(caller)
        self._removals += lost(before, after)
        self._keep_waiting({k: one for k, one in self._pending.items() if self._wants(one)})
        self._news.set()

    def end(self, why: End) -> None:
        """End it at once, also in the middle of a write; the first reason stands."""
        if self.ended is None:
            self.ended = why
            self._news.set()
            # One that has expired ends the write by itself, and cannot be set to another time.
            if self._writing is not None and not self._writing.expired():
                self._writing.reschedule(asyncio.get_running_loop().time())

    # --- for whoever writes ------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Bound a write in time.

        Raises:
            TimeoutError: the reader takes nothing, or the stream ended meanwhile.
        """
        async with asyncio.timeout(self._write_s_max) as bound:
            self._writing = bound
            try:
                yield
            finally:
                self._writing = None

    async def batches(self, since: Since | None) -> AsyncGenerator[list[Frame], None]:
        """What to write next, until the stream ends; [] when nothing happened for a heartbeat.

        Raises:
            StoreError: the database cannot be read.
        """
        opening = await self._store.read(partial(reading.opening, since=since))
        self._life = opening.life
        self._told = opening.head if since is None else since.n
        resync = opening.resync
        if resync is None:
            yield [await self._sync_frame()]
        while self.ended is None:
            try:
                if resync is not None:
                    async for batch in self._snapshot(resync):
                        yield batch
                    resync = None
                async for batch in self._catch_up():
                    yield batch
                async for batch in self._follow():
                    yield batch
            except _StartOver as again:
                resync, self._life = again.reason, again.life

    # --- private -----------------------------------------------------------------------------------------------

    async def _snapshot(self, reason: str) -> AsyncIterator[list[Frame]]:
        """`resync`, every row of the scopes, and `sync` with the number that the snapshot began at."""
        # Until the snapshot is whole nothing is told: whoever loses the line meanwhile gets it again.
        self._tail.detach(self)
        self._told = 0
        yield [self._frame(EventName.RESYNC, json_of({"reason": reason}))]
        place: Place | None = Place()
        began_at: int | None = None
        while place is not None and self.ended is None:
            page = await self._store.read(
                partial(
                    reading.read_page, scopes=self._scopes, place=place, now_ms=self._tail.now_ms()
                )
            )
            self._check_life(page.life)
            began_at = page.head if began_at is None else began_at
            place = page.following
            for at in range(0, len(page.events), FRAMES_MAX):
                yield [
                    self._frame(event.name, event.data)
                    for event in page.events[at : at + FRAMES_MAX]
                    if self._may is None or self._may(event)
                ]
        if self.ended is None and began_at is not None:
            self._told = began_at
            yield [await self._sync_frame()]

    async def _catch_up(self) -> AsyncIterator[list[Frame]]:
        """Everything that changed meanwhile, read here; then the tailer takes over without a gap."""
        self._tail.detach(self)
        self._keep_waiting({})
        self._fell_back = False
        joined: int | None = None
        while self.ended is None:
            piece = await self._store.read(
                partial(reading.read_changes, after=self._told, now_ms=self._tail.now_ms())
            )
            self._check_life(piece.life)
            if piece.gap:
                raise _StartOver("too_old", piece.life)
            events = [event for event in piece.events if self._wants(event)]
            for at in range(0, len(events), FRAMES_MAX):
                # Looked at again: what its reader may be told can change while it takes what was before.
                batch = [one for one in events[at : at + FRAMES_MAX] if self._wants(one)]
                yield self._removed() + self._batch(batch, events[at + FRAMES_MAX :][:1])
            self._told = piece.upto
            if joined is None and piece.upto >= piece.head:
                joined = self._tail.attach(self, self._life, self._told)
            if joined is not None and self._told >= joined:
                # What the tailer put of it meanwhile is older than what was read here.
                self._keep_waiting({k: e for k, e in self._pending.items() if self._is_news(e)})
                return

    async def _follow(self) -> AsyncIterator[list[Frame]]:
        """What the tailer puts, until the stream ends or the reader falls too far behind."""
        while not self._fell_back and self.ended is None:
            batch = self._removed() + self._take()
            if batch:
                yield batch
                continue
            self._news.clear()
            try:
                async with asyncio.timeout(LIVE_HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                yield []
        # What was dropped may have held it.
        self._sync_mark = b""

    def _keep_waiting(self, pending: dict[tuple[str, ...], Event]) -> None:
        self._pending = pending
        self._pending_bytes = sum(len(event.data) for event in pending.values())

    def _take(self) -> list[Frame]:
        first = list(islice(self._pending.values(), FRAMES_MAX + 1))
        for event in first[:FRAMES_MAX]:
            del self._pending[event.key]
            self._pending_bytes -= len(event.data)
        return self._batch(first[:FRAMES_MAX], first[FRAMES_MAX:])

    def _batch(self, events: Sequence[Event], following: Sequence[Event]) -> list[Frame]:
        """Frames of events in order of their changes; `following` is the one after them, if there is one already."""
        batch = []
        told = self._told
        id_ = id_of(self._life, told)
        for event, after in zip(events, (*events[1:], *following, None), strict=False):
            # Only the last of several events of one change may say that all of it was told.
            is_whole = after is None or after.n > event.n or after.name is EventName.SYNC
            upto = event.n if is_whole else event.n - 1
            if upto > told:
                told = upto
                id_ = id_of(self._life, told)
            data = event.data if self._data is None else self._data(event)
            batch.append(Frame(id_, event.name, data))
        self._told = told
        return batch

    def _removed(self) -> list[Frame]:
        """What its reader is told nothing of any more."""
        gone, self._removals = self._removals, []
        return [self._frame(EventName.REMOVED, json_of({"scope": scope})) for scope in gone]

    def _frame(self, name: EventName, data: bytes) -> Frame:
        return Frame(id_of(self._life, self._told), name, data)

    async def _sync_frame(self) -> Frame:
        sync = await self._sync()
        self._sync_mark = sync.mark
        return self._frame(EventName.SYNC, sync.data)

    def _check_life(self, life: bytes) -> None:
        if life != self._life:
            raise _StartOver("other_life", life)

    def _is_news(self, event: Event) -> bool:
        return event.n > self._told or event.name is EventName.SYNC

    def _wants(self, event: Event) -> bool:
        wanted = self._scopes
        is_wanted = wanted is None or event.scopes is None or not wanted.isdisjoint(event.scopes)
        return is_wanted and (self._may is None or self._may(event))
