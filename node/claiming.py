"""Asks the hub which own operations are inside its totals already, after a new replica or epoch, and has that carried out.

Invariant: an answer, which says how the hub stood at `at`, is carried out on a scope that is held only once that was read to
its end at `at` or later in this session; so no row loses an operation that it does not contain. What was asked and not carried
out when the session ends is asked again in the next.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from node.inquiry import Ends
from node.intake import Intake, Step
from node.replica import claims, log, scopes
from node.replica.claims import Asked
from protocol.frames.feed import Page
from protocol.frames.repair import Answer, Claim, Claimed
from protocol.ids import Scope, Seq
from runtime.store import Store

PIECE_OPERATIONS: Final = 100
"""Taken out of the view, or put back on top, in one transaction: at most 5 ms."""

_log = structlog.get_logger(__name__)


class Claiming:
    """The claims of one session. `wake` is set when another question may be due."""

    def __init__(self, store: Store, intake: Intake, ends: Ends, wake: asyncio.Event) -> None:
        self._store = store
        self._intake = intake
        self._ends = ends
        self._wake = wake
        self._is_over = False
        self._upto: Seq | None = None
        self._is_whole = False
        self._asked: Sequence[Asked] = ()
        self._answer: Claimed | None = None
        self._open: set[Scope] = set()

    async def next_question(self) -> Claim | None:
        """See `Asker`."""
        if self._is_over or self._asked:
            return None
        if self._upto is None:
            # What is recorded from now on is sent soon; to ask about that too would never end in a busy shop.
            self._upto = (await self._store.read(log.head)).seq
        due = await self._store.read(partial(claims.next_asked, upto=self._upto))
        if due is not None and due.asked:
            self._asked, self._is_whole = due.asked, due.is_whole
            return Claim(tuple(each.op_id for each in due.asked))
        if due is not None:
            await self._store.write(claims.end, background=True)
        self._is_over = True
        return None

    async def answered(self, answer: Answer) -> None:
        """See `Asker`. It is carried out on what was read to its end since, and on the rest when it is."""
        assert isinstance(answer, Claimed), "nothing else was asked"
        self._answer = answer
        held = await self._store.read(scopes.held)
        touched = {scope for each in self._asked for scope in each.scopes}
        self._open = touched & held.keys()
        inside = sum(answer.is_inside(number) for number in range(len(self._asked)))
        _log.info("the hub said what it has of this log", asked=len(self._asked), inside=inside)
        # No row of a scope that is not held can be too old for it; and should the scope come into reach before the log was
        # sent again, its rows have what is inside, and not what was lost.
        for scope in sorted(touched - held.keys()):
            await self._carry_out(scope, answer)
        await self._carry_out_where_due()

    async def page_put(self, page: Page) -> None:
        """See `Asker`."""
        if page.scope in self._open and not page.more:
            await self._carry_out_where_due()

    async def all_put(self) -> None:
        """See `Asker`."""
        if self._answer is not None:
            await self._carry_out_where_due()

    async def _carry_out_where_due(self) -> None:
        answer = self._answer
        assert answer is not None, "there is something to carry out"
        for scope in sorted(self._open):
            if self._ends.of(scope) >= answer.at:
                self._open.discard(scope)
                await self._carry_out(scope, answer)
        if not self._open:
            self._answer = None
            upto = self._asked[-1].seq
            await self._intake.put(Step(partial(claims.advance, upto=upto), self._carried_out))

    async def _carry_out(self, scope: Scope, answer: Claimed) -> None:
        settled: list[Seq] = []
        lost: list[Seq] = []
        for number, each in enumerate(self._asked):
            if scope in each.scopes:
                (settled if answer.is_inside(number) else lost).append(each.seq)
        for at in range(0, len(settled), PIECE_OPERATIONS):
            piece = settled[at : at + PIECE_OPERATIONS]
            await self._intake.put(
                Step(partial(claims.settle, scope=scope, seqs=piece), _nothing, len(piece))
            )
        # What was asked about because it is on top stays there.
        for at in range(0, len(lost) if self._is_whole else 0, PIECE_OPERATIONS):
            piece = lost[at : at + PIECE_OPERATIONS]
            put_back = partial(claims.put_back, scope=scope, seqs=piece)
            await self._intake.put(Step(put_back, _nothing, len(piece)))

    def _carried_out(self) -> None:
        self._asked = ()
        self._wake.set()


def _nothing() -> None:
    """Nobody waits for it."""
