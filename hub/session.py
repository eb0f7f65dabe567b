"""Drives one session: carries out, in order, what `protocol.session.hub` decides.

Invariant: what follows from an action is done before what was decided after it, and no task of a session outlives it.
What becomes of its batches is `intake`'s.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from hub.doorstep import Doorstep, GaveWay
from hub.intake import STORE_RETRY_MS, Intake
from hub.metrics import GONE
from hub.opening import Hub, Newcomer
from hub.store.interface import Refused
from protocol.certificate import Certificate
from protocol.errors import Code, ProtocolError
from protocol.frames.fleet import Departures
from protocol.frames.log import Ping
from protocol.frames.repair import Question
from protocol.frames.witness import Checkpoints
from protocol.ids import NodeId, ReplicaId, Seq
from protocol.limits import HANDSHAKE_S_MAX
from protocol.session.hub import (
    Action,
    Answer,
    CheckNode,
    CheckReplica,
    Commit,
    End,
    HubSession,
    Learn,
    Note,
    Open,
    Send,
    State,
    Witness,
)
from runtime.line import Line, TextReceived
from runtime.store import StoreError

SEND_S_MAX: Final = 30.0
"""A peer that takes nothing for so long is gone, or too slow to be of use; it resumes by its cursors."""
DECODE_APART_BYTES: Final = 64 * 1024
"""Decoding a hostile frame of 256 KiB takes 60 ms; larger ones than this leave the event loop free meanwhile."""

_log = structlog.get_logger(__name__)


class _Gone(Exception):
    """The session is over: ends the tasks that belong to it."""


class Session:
    """One connection, from its first frame to its last.

    Args:
        line: open; the owner closes it.
        half: the hub's half of the session.
        hub: what all sessions share.
    """

    def __init__(self, line: Line, half: HubSession, hub: Hub) -> None:
        self.pending: int | None = None
        self._line = line
        self._half = half
        self._hub = hub
        self._newcomer = Newcomer(half, hub)
        self._intake = Intake(
            half, hub, carry_out=self._carry_out, delivered=self._newcomer.delivered
        )
        self._departed: asyncio.Queue[Sequence[bytes]] = asyncio.Queue()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_answering = False
        self._answers = asyncio.Lock()
        self._ended_for: Code | None = None
        self._stopped: asyncio.Future[tuple[Code, str, int] | None] = (
            asyncio.get_running_loop().create_future()
        )

    # --- what others may do: see `live.LiveSession` -------------------------------------------------------------

    @property
    def node(self) -> NodeId:
        """Whose session it is; known from the hello on."""
        return self._newcomer.certificate.node

    @property
    def replica(self) -> ReplicaId:
        """Which log it continues; known from the hello on."""
        assert self._half.replica is not None, "entered among the live sessions after HELLO"
        return self._half.replica

    @property
    def boot(self) -> bytes:
        """The node's process; known from the hello on."""
        return self._newcomer.boot

    @property
    def behind(self) -> int:
        """How many row changes the node may still have to be sent."""
        subscription = self._newcomer.subscription
        return 0 if subscription is None else subscription.behind

    def stop(self, code: Code, detail: str, *, retry_ms: int) -> None:
        """Say why and when to come back, then end."""
        if not self._stopped.done():
            self._stopped.set_result((code, detail, retry_ms))

    def drop(self) -> None:
        """End without a word."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    def regrant(self, certificate: Certificate, signed: bytes) -> None:
        """Go on under a newer certificate."""
        if self._newcomer.subscription is not None:
            self._newcomer.subscription.regrant(certificate, signed)

    def tell_departures(self, records: Sequence[bytes]) -> None:
        """Tell the node which others left for good, if it keeps such records."""
        if self._newcomer.keeps_departures:
            self._departed.put_nowait(records)

    @property
    def name(self) -> str | None:
        """The node's; None while it is unknown."""
        return self._newcomer.name

    @property
    def unproven_end(self) -> str | None:
        """Why the session ended before a node was known; None when one was."""
        if self._newcomer.name is not None:
            return None
        return self._why_ended

    # --- the life of a session ------------------------------------------------------------------------------------

    async def refuse(self, code: Code, detail: str, retry_ms: int) -> None:
        """Turn the peer away before anything else."""
        try:
            await self._carry_out(self._half.end(code, detail, retry_ms=retry_ms))
        except (ConnectionError, TimeoutError):
            return  # it has gone by itself

    async def hear_proof(self, doorstep: Doorstep, address: str | None) -> list[Action] | None:
        """Go from the challenge to the first frame; what is to be done about it, None when none came.

        Costs a signature's check at most: nothing is looked up yet.
        """
        try:
            async with doorstep.waits(address):
                await self._carry_out(self._half.start())
                return await self._receive()
        except GaveWay:
            retry_ms = self._hub.world.jitter_ms(STORE_RETRY_MS)
            await self.refuse(Code.BUSY, "others came that said who they are", retry_ms)
        except TimeoutError:
            detail = "no proof of a key came in time"
            retry_ms = self._hub.world.jitter_ms(STORE_RETRY_MS)
            await self.refuse(Code.TIMED_OUT, detail, retry_ms)
        except ConnectionError:
            pass
        return None

    async def shake_hands(self, proof: list[Action]) -> bool:
        """Go from the proof to WELCOME; False when the session ended on the way."""
        try:
            async with asyncio.timeout(HANDSHAKE_S_MAX):
                await self._carry_out(proof)
                while self._half.state not in {State.LIVE, State.ENDED}:
                    await self._carry_out(await self._receive())
        except TimeoutError:
            await self.refuse(Code.TIMED_OUT, "the handshake took too long", STORE_RETRY_MS)
        except StoreError as error:
            await self._refuse_for_store(error)
        except ConnectionError:
            return False
        return self._half.state is State.LIVE

    async def live_on(self) -> None:
        """Take in batches and send the feed until either side ends it."""
        subscription = self._newcomer.subscription
        assert subscription is not None, "shake_hands has said WELCOME"
        try:
            _log.info("a session opened", node=self.name, replica=self.replica.hex())
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(subscription.run(self._send), name="feed")
                self._tasks.create_task(self._answer_batches(), name="answers")
                self._tasks.create_task(self._wait_for_stop(), name="stop")
                self._tasks.create_task(self._pass_departures_on(), name="departures")
                while self._half.state is State.LIVE:
                    await self._carry_out(await self._receive())
                raise _Gone
        except* (_Gone, ConnectionError, TimeoutError):
            pass
        except* StoreError as errors:
            await self._refuse_for_store(errors.exceptions[0])

    def leave(self) -> None:
        """Take the session out of everything that is shared, and say why it ended."""
        if self.name is not None:
            self._hub.metrics.session_ends[self._why_ended].inc()
            _log.info("a session ended", why=self._why_ended, node=self.name)
        if self._half.replica is not None:
            self._hub.live.leave(self)
        if self._newcomer.subscription is not None:
            self._hub.feed.remove(self._newcomer.subscription)

    # --- actions ---------------------------------------------------------------------------------------------------

    async def _carry_out(self, actions: list[Action]) -> None:
        waiting = deque(actions)
        while waiting:
            # What follows from an action comes before what was decided after it.
            waiting.extendleft(reversed(await self._do(waiting.popleft())))

    async def _do(  # noqa: C901 - one case for each action of the session
        self, action: Action
    ) -> list[Action]:
        match action:
            case Send(data):
                await self._send(data)
            case CheckNode(certificate):
                return await self._newcomer.check_node(certificate)
            case CheckReplica(hello):
                return await self._newcomer.check_replica(hello)
            case Open():
                return await self._newcomer.open(action, self)
            case Commit(operations):
                assert self._tasks is not None, "operations are due once the session is live"
                await self._intake.submit(operations, self._tasks)
            case Note(ping):
                return [*self._note(ping), *await self._newcomer.spoke()]
            case Learn(departures):
                return [*await self._learn(departures), *await self._newcomer.spoke()]
            case Witness(told):
                return [*await self._witness(told), *await self._newcomer.spoke()]
            case Answer(question):
                return [*self._take_question(question), *await self._newcomer.spoke()]
            case End(code):
                self._ended_for = code
        return []

    @property
    def _why_ended(self) -> str:
        return GONE if self._ended_for is None else self._ended_for.value

    async def _answer_batches(self) -> None:
        await self._intake.answer()
        raise _Gone

    def _note(self, ping: Ping) -> list[Action]:
        self.pending = ping.pending
        now_ms = self._hub.world.now_ms()
        self._hub.seen.note(self.node, ping.pending, now_ms)
        return list(self._half.pong(ping, now_ms=now_ms, stable=self._stable))

    @property
    def _stable(self) -> Seq:
        return self._hub.stable.of(self.replica)

    async def _learn(self, departures: Departures) -> list[Action]:
        try:
            await self._hub.departures.learn(departures.records)
        except (ProtocolError, Refused) as error:
            return self._half.end(error.code, error.detail, retry_ms=STORE_RETRY_MS)
        return []

    async def _witness(self, told: Checkpoints) -> list[Action]:
        certificate = self._newcomer.certificate
        try:
            answer = await self._hub.checkpoints.answer(told, certificate, self.replica)
        except ProtocolError as error:
            return self._half.end(error.code, error.detail, retry_ms=STORE_RETRY_MS)
        return self._half.tell_checkpoints(answer)

    def _take_question(self, question: Question) -> list[Action]:
        """Answer beside everything else, since it may have to wait its turn; a node has one question unanswered."""
        assert self._tasks is not None, "questions are due once the session is live"
        if self._is_answering:
            detail = "the question before is not answered yet"
            return self._half.end(Code.UNEXPECTED, detail, retry_ms=0)
        self._is_answering = True
        self._tasks.create_task(self._answer(question), name="question")
        return []

    async def _answer(self, question: Question) -> None:
        subscription = self._newcomer.subscription
        assert subscription is not None, "shake_hands has said WELCOME"
        rights = subscription.certificate
        async with self._answers:  # one that the peer does not take keeps the next from being read
            answer = await self._hub.questions.answer(question, rights, self.replica)
            # Before it is sent: the node may ask on as soon as it has it.
            self._is_answering = False
            await self._carry_out(self._half.answer(answer))

    # --- the line --------------------------------------------------------------------------------------------------

    async def _receive(self) -> list[Action]:
        try:
            data = await self._line.receive()
        except TextReceived:
            return self._half.end(Code.BAD_FRAME, "frames are binary", retry_ms=0)
        # What has come is received without a pause, so a flood of small frames would keep everybody else waiting.
        await asyncio.sleep(0)
        if len(data) > DECODE_APART_BYTES:
            return await asyncio.to_thread(self._half.receive, data)
        return self._half.receive(data)

    async def _send(self, data: bytes) -> None:
        async with asyncio.timeout(SEND_S_MAX):
            await self._line.send(data)

    async def _wait_for_stop(self) -> None:
        reason = await self._stopped
        if reason is not None:
            code, detail, retry_ms = reason
            await self._carry_out(self._half.end(code, detail, retry_ms=retry_ms))
        raise _Gone

    async def _pass_departures_on(self) -> None:
        while True:
            records = await self._departed.get()
            await self._carry_out(self._half.tell_departures(records))

    async def _refuse_for_store(self, error: BaseException) -> None:
        _log.error("a session ended for want of the store", error=str(error))
        await self.refuse(Code.BUSY, "the hub's store does not work now", STORE_RETRY_MS)
