"""What a node asks the hub beside the feed: one question at a time, the most pressing first.

Invariant: nothing is asked of a hub that did not say it answers, nor before both sides agree where they stand; an answer
goes to whoever asked. A question that the end of a session left unanswered is asked again in the next one, for the reason
that it was asked for.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

from protocol.frames.feed import Page
from protocol.frames.repair import Answer, Question
from protocol.ids import HubSeq, Scope
from protocol.session.node import NodeSession
from protocol.session.node_actions import Action
from protocol.wire import REPAIR

LOOK_AGAIN_S: Final = 30.0
"""How late what is due by the clock may be noticed."""
_NEVER: Final = HubSeq(-1)


class Ends:
    """How far each scope was read to its end in this session: its rows then stood as at that hub_seq or later."""

    def __init__(self) -> None:
        self._ends: dict[Scope, HubSeq] = {}
        self._all = _NEVER
        self._unread: set[Scope] = set()

    @property
    def all_once(self) -> bool:
        """Whether every scope was, once."""
        return self._all > _NEVER

    def of(self, scope: Scope) -> HubSeq:
        """One scope; -1 when it was not yet."""
        if scope in self._unread:
            return _NEVER
        return max(self._ends.get(scope, _NEVER), self._all)

    def begin(self, scopes: Collection[Scope]) -> None:
        """Scopes came into reach: what was read to its end before did not have them."""
        self._unread.update(scopes)

    def note(self, scope: Scope, to: HubSeq) -> None:
        """A scope's last page, up to `to`, was put into the intake."""
        if scope in self._unread:
            self._unread.discard(scope)
            self._ends[scope] = _NEVER
        self._ends[scope] = max(to, self._ends.get(scope, _NEVER))

    def note_all(self, at: HubSeq) -> None:
        """CAUGHT_UP was."""
        self._unread.clear()
        self._all = max(at, self._all)


class Asker(Protocol):
    """A reason to ask."""

    async def next_question(self) -> Question | None:
        """What is to be asked now, and was not yet; None for nothing."""

    async def answered(self, answer: Answer) -> None:
        """Take the answer; everything put into the intake before it came is stored."""

    async def page_put(self, page: Page) -> None:
        """A page was put into the intake, and noted if it ends its scope."""

    async def all_put(self) -> None:
        """CAUGHT_UP was put into the intake, and noted."""


class Inquiry:
    """The questions of one session.

    Args:
        session: the node's half.
        carry_out: sends what the half decides.
        wake: set when something may be due.
        ends: where to note what was read to its end.
        askers: the most pressing first.
    """

    def __init__(
        self,
        session: NodeSession,
        carry_out: Callable[[list[Action]], Awaitable[None]],
        wake: asyncio.Event,
        ends: Ends,
        askers: Sequence[Asker],
    ) -> None:
        self._session = session
        self._carry_out = carry_out
        self._wake = wake
        self._ends = ends
        self._askers = askers
        self._is_offered = False
        self._next: tuple[Asker, Question] | None = None
        self._asking: Asker | None = None

    def begin(self, features: Sequence[str]) -> None:
        """The hub has said what it can do, and both sides agree where they stand."""
        self._is_offered = REPAIR in features
        self._wake.set()

    async def run(self) -> None:
        """Ask what is due, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._wake.wait()
            self._wake.clear()
            # Until an answer was taken in, what it says is not known to whoever would ask next.
            if self._is_offered and self._asking is None and self._session.may_ask:
                await self._ask()

    def scopes_begun(self, scopes: Collection[Scope]) -> None:
        """The hub added scopes, which are read from their beginning."""
        self._ends.begin(scopes)

    async def page_put(self, page: Page) -> None:
        """A page is on its way into the store, its rows and then its cursor."""
        if not page.more:
            self._ends.note(page.scope, page.to)
        for asker in self._askers:
            await asker.page_put(page)

    async def all_put(self, at: HubSeq) -> None:
        """Every row of every scope up to `at` is on its way into the store."""
        self._ends.note_all(at)
        for asker in self._askers:
            await asker.all_put()

    async def answered(self, answer: Answer) -> None:
        """Hand an answer to whoever asked; everything put before it is stored."""
        assert self._asking is not None, "the session takes answers to questions only"
        await self._asking.answered(answer)
        self._asking = None
        self._wake.set()

    async def _ask(self) -> None:
        if self._next is None:
            for asker in self._askers:
                question = await asker.next_question()
                if question is not None:
                    self._next = asker, question
                    break
        # While the store was read the hub may have stepped back; then this is asked later.
        if self._next is not None and self._session.may_ask:
            (self._asking, question), self._next = self._next, None
            await self._carry_out(self._session.ask(question))
