"""What one node is still to be sent: marks on scopes, and how far each was read.

Invariant: a scope is unmarked before its page is read, so a commit in between marks it again. After a large page a scope
rests, still marked if it moves: rows may wait for that, but none is left out. CAUGHT_UP is sent only when no scope is
marked and the head is not behind any page that was sent: every row up to it has then been sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Final

from hub.feed import Feed
from hub.store.interface import Change
from protocol.certificate import ALL, Certificate, Role
from protocol.frames.feed import CaughtUp, Scopes
from protocol.frames.handshake import Hello
from protocol.frames.log import Grant
from protocol.ids import CHAIN_SCOPES, LOCATION_SCOPES, HubSeq, Scope
from protocol.limits import SCOPES_MAX
from protocol.wire import encode

SCOPE_BYTES_MAX: Final = 100 * 1024
"""Names of all scopes of a session: WELCOME may name each twice, and is one frame."""
CAUGHT_UP_EVERY_S: Final = 1.0
"""A node stores each CAUGHT_UP in a transaction; the cursors of quiet scopes can wait a second for it, a sale never does."""
REST_S_PER_ROW: Final = 0.25e-3
"""After the last page of a scope, its next one waits so long for each row of it, a quarter of a second for a full one.
While a shop sends a backlog, each commit changes the same rows again, and to be sent every state of them takes a node
longer than the commits. A sale of two lines is followed by half a millisecond."""


class Subscription:
    """The feed of one session.

    Args:
        feed: where pages come from.
        certificate: what the node may read.
        hello: how far it read each scope.
        reset: scopes to be read from the beginning; None for all.
        writes_in: scopes its replica has written in: a page of each is due even without rows, since only pages say how
            far its log is inside.
    """

    def __init__(
        self,
        feed: Feed,
        certificate: Certificate,
        hello: Hello,
        reset: frozenset[Scope] | None,
        writes_in: Iterable[Scope],
    ) -> None:
        self.scopes_left_out = 0
        self._names_bytes = 0
        self._feed = feed
        self._certificate = certificate
        self._bases: dict[Scope, HubSeq] = {}
        self._marks: tuple[dict[Scope, None], ...] = ({}, {}, {})
        self._rest_until_s: dict[Scope, float] = {}
        self._notices: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._told = HubSeq(0)
        self._caught_up_at: HubSeq | None = None
        self._caught_up_s = 0.0
        for scope in self._by_urgency(_in_reach(certificate, feed.scopes)):
            begins = reset is None or scope in reset
            self._begin(scope, HubSeq(0) if begins else hello.cursor_of(scope)[0])
        for scope in writes_in:
            self._mark(scope)
        if reset is None:
            return
        known = [hello.cursor, *hello.exceptions.values()]
        self._told = max(at for at, _ in known)

    @property
    def certificate(self) -> Certificate:
        """The newest, which says what the node may read."""
        return self._certificate

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Every scope of the subscription, sorted."""
        return tuple(sorted(self._bases))

    @property
    def behind(self) -> int:
        """How many row changes of the hub the node has not been sent to the end of, at most."""
        at = self._told if self._caught_up_at is None else max(self._told, self._caught_up_at)
        return max(0, self._feed.head.hub_seq - at) if any(self._marks) else 0

    def moved(self, change: Change) -> None:
        """Mark what a commit concerned; called by the feed."""
        new = [
            scope
            for scope in change.scopes
            if scope not in self._bases and self._certificate.reads_scope(scope)
        ]
        if added := [scope for scope in new if self._begin(scope, HubSeq(0))]:
            self._notices.append(encode(Scopes(tuple(added), ())))
        for scope in change.scopes:
            self._mark(scope)
        self._wake.set()

    def regrant(self, certificate: Certificate, signed: bytes) -> None:
        """Go on under another certificate, at once."""
        self._certificate = certificate
        dropped = sorted(scope for scope in self._bases if not certificate.reads_scope(scope))
        for scope in dropped:
            del self._bases[scope]
            self._rest_until_s.pop(scope, None)
            self._names_bytes -= len(scope.encode()) + 3
            for marks in self._marks:
                marks.pop(scope, None)
        new = (
            scope
            for scope in self._by_urgency(self._feed.scopes)
            if scope not in self._bases and certificate.reads_scope(scope)
        )
        added = [scope for scope in new if self._begin(scope, HubSeq(0))]
        # The scopes first: a node that got the certificate and not them would, after a cut, show the newer
        # certificate and never hear of scopes that lie behind its cursor.
        if added or dropped:
            self._notices.append(encode(Scopes(tuple(added), tuple(dropped))))
        self._notices.append(encode(Grant(signed)))
        self._wake.set()

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is due, for ever; the next page is read when the last one was taken."""
        while True:
            scope = self._next()
            if self._notices:
                await send(self._notices.popleft())
            elif scope is not None:
                await self._send_page(scope, send)
            else:
                await self._settle(send)

    # --- marks -----------------------------------------------------------------------------------------------

    def _begin(self, scope: Scope, cursor: HubSeq) -> bool:
        names_bytes = self._names_bytes + len(scope.encode()) + 3
        if len(self._bases) >= SCOPES_MAX or names_bytes > SCOPE_BYTES_MAX:
            self.scopes_left_out += 1
            return False
        self._names_bytes = names_bytes
        newest = self._feed.scopes.get(scope, HubSeq(0))
        # Standing at the newest row instead of behind it makes the next page the one that others share.
        self._bases[scope] = min(cursor, newest)
        if newest > cursor:
            self._mark(scope)
        return True

    def _mark(self, scope: Scope) -> None:
        if scope in self._bases:
            self._marks[self._urgency(scope)][scope] = None

    def _urgency(self, scope: Scope) -> int:
        """The own shelves first, then what every screen needs, then the neighbours'."""
        if scope in CHAIN_SCOPES:
            return 1
        return 0 if scope.partition(":")[2] in self._certificate.writes else 2

    def _by_urgency(self, scopes: Iterable[Scope]) -> list[Scope]:
        """So that it is a neighbour's scope, and not the own shelf, for which there is no room."""
        return sorted(scopes, key=lambda scope: (self._urgency(scope), scope))

    def _next(self) -> Scope | None:
        """The most urgent scope that is marked and does not rest."""
        if not self._rest_until_s:
            return next(self._marked(), None)
        now_s = asyncio.get_running_loop().time()
        for scope in [s for s, until_s in self._rest_until_s.items() if until_s <= now_s]:
            del self._rest_until_s[scope]
        return next((s for s in self._marked() if s not in self._rest_until_s), None)

    def _marked(self) -> Iterator[Scope]:
        return (scope for marks in self._marks for scope in marks)

    # --- sending ---------------------------------------------------------------------------------------------

    async def _send_page(self, scope: Scope, send: Callable[[bytes], Awaitable[None]]) -> None:
        for marks in self._marks:
            marks.pop(scope, None)
        base = self._bases[scope]
        page = await self._feed.page(scope, base, least_to=self._told)
        if self._bases.get(scope) != base:
            return  # left the reach of the node, or was begun again, while the page was read
        self._bases[scope] = page.last
        if page.more:
            self._mark(scope)
        else:
            self._told = max(self._told, page.to)
            rest_s = page.rows * REST_S_PER_ROW
            self._rest_until_s[scope] = asyncio.get_running_loop().time() + rest_s
        await send(page.data)

    async def _settle(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Everything was sent: say so, at most once a second, and wait for more."""
        clock = asyncio.get_running_loop().time
        if any(self._marks):
            ends_s = min(self._rest_until_s.get(scope, 0.0) for scope in self._marked())
            await self._wait(ends_s - clock())
            return
        head = self._feed.head
        # A page may have been read after a commit that is not announced here yet; its announcement is on its way.
        is_news = self._caught_up_at is None or head.hub_seq > self._caught_up_at
        is_due = head.hub_seq >= self._told and is_news
        wait_s = 0.0
        if is_due and self._caught_up_at is not None:
            wait_s = self._caught_up_s + CAUGHT_UP_EVERY_S - clock()
        if is_due and wait_s <= 0:
            self._caught_up_at, self._caught_up_s = head.hub_seq, clock()
            self._told = max(self._told, head.hub_seq)
            await send(encode(CaughtUp(*head)))
            return
        await self._wait(wait_s if is_due else None)

    async def _wait(self, most_s: float | None) -> None:
        """Until something moved or `most_s` has passed."""
        try:
            async with asyncio.timeout(most_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


def _in_reach(certificate: Certificate, scopes: Collection[Scope]) -> Iterable[Scope]:
    """Which of these a device may read; a shop's few are looked up by name among a large chain's thousands."""
    if certificate.role is Role.OFFICE or ALL in certificate.reads:
        return filter(certificate.reads_scope, scopes)
    locations = {*certificate.reads, *certificate.writes}
    own = (Scope(f"{family}:{place}") for family in LOCATION_SCOPES for place in locations)
    named = (*CHAIN_SCOPES, *own)
    return (scope for scope in named if scope in scopes and certificate.reads_scope(scope))
