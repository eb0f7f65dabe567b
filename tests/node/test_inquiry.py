"""One question at a time, and each answer to whoever asked."""

import asyncio
import contextlib

from node.inquiry import Answer, Ends, Inquiry
from protocol.frames.feed import Page
from protocol.frames.repair import AskDigests, Claim, Claimed, Digests, Question
from protocol.ids import NO_SALT, HubSeq, OpId, Scope
from protocol.session.node import NodeSession, State
from protocol.session.node_actions import Action, Send
from protocol.wire import FEATURES, decode
from tests.protocol.session_model import ModelNode

S01, S02 = Scope("stock:S01"), Scope("stock:S02")


class Asking:
    """Asks one thing again and again; takes an answer when it is let."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answers: list[Answer] = []
        self.may_take = asyncio.Event()

    async def next_question(self) -> Question | None:
        """See `Asker`."""
        await asyncio.sleep(0)
        return self.question if not self.answers else None

    async def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        await self.may_take.wait()
        self.answers.append(answer)

    async def page_put(self, page: Page) -> None:
        """See `Asker`."""

    async def all_put(self) -> None:
        """See `Asker`."""


def a_page(scope: Scope, to: int, *, more: bool) -> Page:
    """A page without rows."""
    return Page(scope, HubSeq(0), HubSeq(to), NO_SALT, more, {}, ())


async def test_nobody_asks_before_the_answer_that_came_was_taken_in() -> None:
    """It would be handed to the wrong one."""
    first, second = Asking(Claim((OpId(bytes(16)),))), Asking(AskDigests((S01,)))
    session: NodeSession = ModelNode().connect()
    session.state = State.LIVE
    said: list[Question] = []

    async def carry_out(actions: list[Action]) -> None:
        said.extend(decode(action.data) for action in actions if isinstance(action, Send))  # type: ignore[misc]

    wake = asyncio.Event()
    inquiry = Inquiry(session, carry_out, wake, Ends(), (first, second))
    inquiry.begin(FEATURES)
    running = asyncio.create_task(inquiry.run())
    await _settle()
    assert said == [first.question]
    session._asked = None  # the answer has come
    taking = asyncio.create_task(inquiry.answered(Claimed(HubSeq(0), b"\x80")))
    wake.set()
    await _settle()
    assert said == [first.question]
    first.may_take.set()
    await taking
    await _settle()
    assert said == [first.question, second.question]
    session._asked = None
    second.may_take.set()
    await inquiry.answered(Digests(()))
    assert (first.answers, second.answers) == ([Claimed(HubSeq(0), b"\x80")], [Digests(())])
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_hub_that_does_not_offer_it_is_asked_nothing() -> None:
    asker = Asking(AskDigests((S01,)))
    session = ModelNode().connect()
    session.state = State.LIVE

    async def carry_out(_: list[Action]) -> None:
        raise AssertionError("asked")

    inquiry = Inquiry(session, carry_out, asyncio.Event(), Ends(), (asker,))
    inquiry.begin(("raw", "zlib"))
    running = asyncio.create_task(inquiry.run())
    await _settle()
    assert not running.done()
    running.cancel()


async def test_a_scope_has_ended_where_its_last_page_or_caught_up_says() -> None:
    ends = Ends()
    inquiry = Inquiry(ModelNode().connect(), _nothing, asyncio.Event(), ends, ())
    await inquiry.page_put(a_page(S01, 7, more=True))
    assert ends.of(S01) == -1
    await inquiry.page_put(a_page(S01, 9, more=False))
    assert (ends.of(S01), ends.of(S02), ends.all_once) == (9, -1, False)
    await inquiry.all_put(HubSeq(8))
    assert (ends.of(S01), ends.of(S02), ends.all_once) == (9, 8, True)


async def _nothing(_: list[Action]) -> None:
    """Nobody is asked."""


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_scope_that_comes_into_reach_was_not_read_with_the_others() -> None:
    ends = Ends()
    ends.note(S02, HubSeq(90))
    ends.note_all(HubSeq(100))
    assert (ends.of(S01), ends.of(S02)) == (100, 100)
    ends.begin([S02])
    assert (ends.of(S01), ends.of(S02)) == (100, -1)
    ends.note(S02, HubSeq(101))
    assert ends.of(S02) == 101
    ends.begin([S02])
    ends.note_all(HubSeq(102))
    assert ends.of(S02) == 102
