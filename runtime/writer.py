"""The one writer: it takes whole transactions from two queues and commits them in groups.

Invariants:
- Only this task's jobs touch the read-write connection, one group at a time. A caller waits for a
  future, so cancelling one never reaches the connection.
- Nothing waits in order to batch: a group is what is queued at the moment the last one ended.
- A caller is answered after COMMIT of its group, or told that nothing of it was recorded.
- Callers in the foreground go first; of the background at most one job is in a group while they
  wait, and always one if there is any, so neither starves.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

import aiosqlite

from runtime.connection import run_job
from runtime.errors import StoreError, StoreFull, StoreUnavailable
from runtime.group import GroupLostError, Job, run_group
from runtime.sqlite_errors import ends_writing

GROUP_MAX = 256  # bounds how long the first of a group waits for the last
QUEUE_MAX = 4_096  # in each queue; more callers than this are better told to come back

_log = logging.getLogger(__name__)


class Writer:
    """Queues jobs and runs them on `connection` until it is told to finish."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        path: Path,
        *,
        observe: Callable[[int, float], None] | None,
        after_commit: Callable[[], None],
        when_broken: Callable[[], None],
    ) -> None:
        self.broken: StoreUnavailable | None = None
        self.full = False  # the last write found no room
        self._connection = connection
        self._path = path
        self._observe = observe
        self._after_commit = after_commit
        self._when_broken = when_broken
        self._foreground: deque[Job] = deque()
        self._background: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._finishing = False
        self._foreground_at_s = float("-inf")

    @property
    def foreground_at_s(self) -> float:
        """When somebody last wrote in the foreground, by the event loop's clock; -inf before the first."""
        return self._foreground_at_s

    def foreground_waits(self) -> bool:
        """Whether somebody in the foreground waits for a turn; may be asked on any thread."""
        return bool(self._foreground)

    def submit(self, job: Job) -> None:
        """Queue a job; its future is answered in time.

        Raises: StoreUnavailable if the queue is full, or nothing may be written any more.
        """
        if self.broken:
            raise StoreUnavailable(f"{self.broken}; the program has to be restarted")
        if self._finishing:
            raise StoreUnavailable("the store is closed")
        queue = self._background if job.background else self._foreground
        if len(queue) >= QUEUE_MAX:
            raise StoreUnavailable("too many writes are waiting")
        queue.append(job)
        if not job.background:
            self._foreground_at_s = asyncio.get_running_loop().time()
        self._wake.set()

    def finish(self) -> None:
        """Take no more jobs; `run` returns when those queued are answered."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Commit group after group."""
        try:
            while True:
                if group := self._next_group():
                    await self._run(group)
                elif self._finishing:
                    return
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            # Reached with jobs left only if this task is cancelled, as at the end of a loop.
            self._finishing = True
            for job in (*self._foreground, *self._background):
                _refuse(job, StoreUnavailable("the store was closed"))

    def _next_group(self) -> list[Job]:
        foreground_max = GROUP_MAX - bool(self._background)
        group = _take(self._foreground, foreground_max)
        return group + _take(self._background, 1 if group else GROUP_MAX)

    async def _run(self, group: list[Job]) -> None:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            ran = await run_job(
                self._connection, run_group, self._path, group, self.foreground_waits
            )
        except asyncio.CancelledError:
            for job in group:
                _refuse(job, StoreUnavailable("the store was closed; the outcome is not known"))
            raise
        except GroupLostError as lost:
            self._lose(group, lost.__cause__ or lost)
            return
        except StoreUnavailable as closed:  # closed under a writer that was still at work
            self._lose(group, closed)
            return
        self._background.extendleft(reversed(group[ran:]))
        # Before the callers are answered, so that what they do next is seen to come after it.
        if self._observe:
            _call("observer", self._observe, ran, clock() - began_s)
        for job in group[:ran]:
            self._conclude(job)
        _call("commit listener", self._after_commit)

    def _conclude(self, job: Job) -> None:
        if job.error is not None:
            self._note_damage(job.error)
            self.full = self.full or isinstance(job.error, StoreFull)
            _refuse(job, job.error)
            return
        self.full = False
        if job.committed:
            _call("committed callback", job.committed, job.result)
        if not job.answer.done():
            job.answer.set_result(job.result)

    def _lose(self, group: list[Job], error: BaseException) -> None:
        _log.error("a group of %d writes was rolled back: %s", len(group), error)
        self._note_damage(error)
        self.full = self.full or isinstance(error, StoreFull)
        for job in group:
            _refuse(job, _again(error))

    def _note_damage(self, error: BaseException) -> None:
        if not self.broken and ends_writing(error):
            self.broken = StoreUnavailable(str(error))
            _log.critical("writing has ended until restart: %s", error)
            _call("broken listener", self._when_broken)


def _take(queue: deque[Job], most: int) -> list[Job]:
    # A caller that has gone before its turn recorded nothing, which is what it will assume.
    taken: list[Job] = []
    while queue and len(taken) < most:
        job = queue.popleft()
        if not job.answer.done():
            taken.append(job)
    return taken


def _refuse(job: Job, error: BaseException) -> None:
    if job.answer.done():
        return
    if isinstance(error, StopIteration):  # asyncio cannot carry it: it would end the caller
        error = RuntimeError("the transaction raised StopIteration")
    job.answer.set_exception(error)


def _again(error: BaseException) -> BaseException:
    # One exception raised in many tasks would gather the tracebacks of all of them.
    if not isinstance(error, StoreError):
        return error
    again = type(error)(*error.args)
    again.__cause__ = error.__cause__
    return again


def _call(role: str, function: Callable[..., None], *args: object) -> None:
    # What is committed is committed: another's mistake must not cost the callers their answer.
    try:
        function(*args)
    except Exception:
        _log.exception("a %s of the store failed", role)
