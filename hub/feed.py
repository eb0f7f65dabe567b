"""Fan-out: which scopes have moved, and their pages, each read and encoded once for all who want it.

Invariant: nothing is queued per node. A subscription is a set of marks and positions; what a slow node missed in
between is not sent, the latest state is. A page is shared only while no commit has concerned its scope since it was
read, so whoever gets it misses nothing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from hub.store.interface import Change, Head, History, HubStore
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Scope
from protocol.wire import encode

PAGES_KEPT: Final = 64
"""Of at most 256 KiB each. Nodes that keep up want the newest page of a scope; those that load a snapshot move together."""
ENCODE_APART_ROWS: Final = 100
"""Encoding more rows than this takes over 0.2 ms, in which the event loop would serve nobody."""


class Subscriber(Protocol):
    """Who wants to know that scopes have moved."""

    def moved(self, change: Change) -> None:
        """Called on the event loop, after each commit that concerned a scope."""


@dataclass(frozen=True, slots=True)
class SharedPage:
    """One encoded page, the same bytes for every receiver."""

    data: bytes
    to: HubSeq
    last: HubSeq
    """Of its last row; `base` without rows. Every node that is up to date stands here, so they share the next page."""
    more: bool
    rows: int


@dataclass(frozen=True, slots=True)
class _Reading:
    version: int
    task: "asyncio.Task[SharedPage]"


class Feed:
    """What the hub knows in memory of its scopes: a cache of the store, filled from `history` and its commits."""

    def __init__(
        self, store: HubStore, history: History, observe_page: Callable[[float], None] | None = None
    ) -> None:
        self.head: Head = history.head
        self.scopes: dict[Scope, HubSeq] = dict(history.scopes)
        """Each with the hub_seq of its newest row."""
        self.pages_read = 0
        self._observe_page = observe_page
        self._store = store
        self._versions: dict[Scope, int] = {}
        self._subscribers: dict[Subscriber, None] = {}  # told in the order they came
        self._pages: OrderedDict[tuple[Scope, HubSeq], _Reading] = OrderedDict()
        store.listen(self._moved)

    def add(self, subscriber: Subscriber) -> None:
        """Tell it of every commit from now on."""
        self._subscribers[subscriber] = None

    def remove(self, subscriber: Subscriber) -> None:
        """Tell it no more."""
        self._subscribers.pop(subscriber, None)

    async def page(self, scope: Scope, base: HubSeq, *, least_to: HubSeq) -> SharedPage:
        """The rows of a scope after `base`, from a snapshot that has every commit seen so far.

        Args:
            least_to: the receiver stands here already, so a page that ends before it would take it back.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        version = self._versions.get(scope, 0)
        held = self._pages.get((scope, base))
        if held is None or held.version != version:
            held = self._read(scope, base, version)
        self._pages.move_to_end((scope, base))
        # Shielded: the page is for others too when this receiver goes away.
        page = await asyncio.shield(held.task)
        if not page.more and page.to < least_to:
            page = await asyncio.shield(self._read(scope, base, version).task)
        return page

    def _read(self, scope: Scope, base: HubSeq, version: int) -> _Reading:
        task = asyncio.create_task(self._read_and_encode(scope, base), name=f"page of {scope}")
        task.add_done_callback(_seen)
        reading = self._pages[scope, base] = _Reading(version, task)
        if len(self._pages) > PAGES_KEPT:
            self._pages.popitem(last=False)
        return reading

    async def _read_and_encode(self, scope: Scope, base: HubSeq) -> SharedPage:
        try:
            page = await self._store.page(scope, base)
        except BaseException:
            # The next one who asks tries again.
            self._pages.pop((scope, base), None)
            raise
        self.pages_read += 1
        if self._observe_page is not None:
            self._observe_page(len(page.rows))
        if len(page.rows) > ENCODE_APART_ROWS:
            return await asyncio.to_thread(_encode, page)
        return _encode(page)

    def _moved(self, change: Change) -> None:
        self.head = change.head
        for scope, hub_seq in change.scopes.items():
            self.scopes[scope] = hub_seq
            self._versions[scope] = self._versions.get(scope, 0) + 1
        for subscriber in self._subscribers:
            subscriber.moved(change)


def _encode(page: Page) -> SharedPage:
    last = page.rows[-1].hub_seq if page.rows else page.base
    return SharedPage(encode(page), page.to, last, page.more, len(page.rows))


def _seen(task: "asyncio.Task[SharedPage]") -> None:
    # A failure whose every receiver has gone would be reported as never looked at.
    if not task.cancelled():
        task.exception()
