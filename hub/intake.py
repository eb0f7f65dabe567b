"""A session's batches on their way into the ledger, and the answers on their way back.

Invariant: an acknowledgement leaves only after its commit is durable, and in the order of the batches. Up to
BATCHES_IN_FLIGHT_MAX batches of a session wait for the disk together; a fifth stays in the socket.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from hub.opening import Hub
from hub.store.interface import Committed, Fenced, Push, SteppedBack
from protocol.errors import Code
from protocol.frames.log import Acknowledge, Negative, Operations
from protocol.ids import ReplicaId, Salt, Seq
from protocol.limits import BATCHES_IN_FLIGHT_MAX, SUPERSEDED_RETRY_MS
from protocol.session.hub import Action, HubSession, State
from runtime.store import StoreError

STORE_RETRY_MS: Final = 5_000

_log = structlog.get_logger(__name__)
_Outcome = Committed | SteppedBack | Fenced | StoreError


class Intake:
    """The batches of one session.

    Args:
        half: the hub's half of the session.
        hub: what all sessions share.
        carry_out: does what the half decides.
        delivered: what follows when the log is durable up to a position, and the node has been told.
    """

    def __init__(
        self,
        half: HubSession,
        hub: Hub,
        *,
        carry_out: Callable[[list[Action]], Awaitable[None]],
        delivered: Callable[[Seq], Awaitable[list[Action]]],
    ) -> None:
        self._half = half
        self._hub = hub
        self._carry_out = carry_out
        self._delivered = delivered
        self._batches: asyncio.Queue[asyncio.Task[_Outcome]] = asyncio.Queue()
        self._slots = asyncio.Semaphore(BATCHES_IN_FLIGHT_MAX)

    async def submit(self, operations: Operations, tasks: asyncio.TaskGroup) -> None:
        """Hand a batch to the store; the answer follows when it is durable, in the order submitted.

        Returns when it has been handed over, which waits for a slot.
        """
        await self._slots.acquire()
        push = Push(
            self._replica,
            self._half.session,
            operations.first,
            operations.prev,
            operations.items,
            self._hub.world.now_ms(),
            Salt(self._hub.world.random_bytes(8)),
        )
        # Tasks start in the order made, and the store keeps the order of its calls.
        self._batches.put_nowait(tasks.create_task(self._commit(push)))

    async def answer(self) -> None:
        """Answer each batch in its turn; returns when the session has ended by an answer or meanwhile."""
        while True:
            outcome = await (await self._batches.get())
            await self._carry_out(self._answer_to(outcome))
            if isinstance(outcome, Committed):
                await self._carry_out(await self._delivered(outcome.acked))
            self._slots.release()
            if self._half.state is State.ENDED:
                return

    @property
    def _replica(self) -> ReplicaId:
        assert self._half.replica is not None, "operations are due once the session is live"
        return self._half.replica

    async def _commit(self, push: Push) -> _Outcome:
        try:
            outcome = await self._hub.store.commit(push)
        except StoreError as error:
            return error  # answered in its turn, behind those before it
        metrics = self._hub.metrics
        metrics.batch(len(push.items))
        match outcome:
            case Committed():
                metrics.operations.inc(len(push.items))
                metrics.repeats.inc(outcome.repeated)
            case SteppedBack(Code.REWIND, acked, _):
                metrics.repeats.inc(min(len(push.items), acked - push.first + 1))
            case _:
                pass
        return outcome

    def _answer_to(self, outcome: _Outcome) -> list[Action]:
        match outcome:
            case Committed(acked, chain, accepted_at_ms, quarantined):
                self._hub.metrics.quarantined.inc(len(quarantined))
                stable = self._hub.stable.of(self._replica)
                answer = Acknowledge(acked, chain, accepted_at_ms, stable)
                return self._half.committed(answer, quarantined)
            case SteppedBack(code, acked, chain):
                return self._half.stepped_back(Negative(code, acked, chain))
            case Fenced():
                detail = "a newer session of this log was opened"
                return self._half.end(Code.SUPERSEDED, detail, retry_ms=SUPERSEDED_RETRY_MS)
            case StoreError():
                _log.error("a batch could not be stored", error=str(outcome))
                detail = "the hub cannot store anything now"
                return self._half.end(Code.BUSY, detail, retry_ms=STORE_RETRY_MS)
