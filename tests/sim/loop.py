"""The simulator's event loop: virtual time, one queue of ready callbacks for each simulated process, no way out.

Invariant: what happens is a function of the seed alone. Within a process callbacks run first in, first out, as asyncio
promises and production code may rely on; which process goes next is drawn, and so is how long everything outside takes.
Whatever would leave the simulation (sockets, threads, signals, another loop's time) is an error.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

THREAD_S_MAX: Final = 0.02
"""What is sent to a thread is done at once, and told within this."""


class Escaped(Exception):
    """The code under test tried to leave the simulation."""


class Deadlock(Exception):
    """Nothing is ready and no timer is set: nothing would ever happen again."""


class Process:
    """What a machine runs, from its start to its death; callbacks and tasks belong to the process that made them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dying = False
        self.is_stopped = False
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.made = 0

    def kill(self) -> None:
        """Take everything from it: its tasks end where they wait, and nothing they still do reaches anybody.

        What is cut off from the process (lines, disk) must refuse it from now on; see `machines`.
        """
        self.dying = True
        for task in list(self.tasks):
            task.cancel()


class _Task(asyncio.Task[Any]):
    """A task whose place in a set depends on when it was made, not on where in memory."""

    number = 0

    def __hash__(self) -> int:
        return self.number


OUTSIDE: Final = Process("world")
"""Whoever is no simulated process: the world itself, tills, operators."""
PROCESS: Final[ContextVar[Process]] = ContextVar("PROCESS", default=OUTSIDE)


class _Handle(asyncio.Handle):
    """A callback. asyncio's own constructor asks for the loop's debug mode each time; a run makes tens of thousands."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> None:
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._repr = self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    """The same for a callback at a moment."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None


class SimLoop(asyncio.BaseEventLoop):
    """An event loop that jumps from timer to timer."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.now_s = 0.0
        self.complaints: list[str] = []
        """What no task of the simulation looked at: unhandled exceptions, tasks destroyed while pending."""
        self._rng = rng
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._made = 0
        self.outside = Process("world")
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]
        self.set_exception_handler(self._complain)

    # --- time ------------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self.now_s

    @property
    def timers(self) -> int:
        """How many are set."""
        return sum(not timer._cancelled for _, _, timer in self._timers)  # type: ignore[attr-defined]

    # --- scheduling ------------------------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback behind all others of its process."""
        handle = _Handle(callback, args, self, copy_context() if context is None else context)
        self._make_ready(handle)
        return handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Queue a callback for a moment of virtual time; timers of one moment keep their order."""
        timer = _Timer(when, callback, args, self, copy_context() if context is None else context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """The same, in so many virtual seconds."""
        when = self.now_s + delay
        timer = _Timer(when, callback, args, self, copy_context() if context is None else context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when they come up."""

    def _make_ready(self, handle: asyncio.Handle) -> None:
        process: Process = handle._context.get(PROCESS, OUTSIDE)  # type: ignore[attr-defined]
        if process is OUTSIDE:
            process = self.outside
        if not process.ready and not process.is_stopped:
            self._runnable.append(process)
        process.ready.append(handle)

    def stop_process(self, process: Process) -> None:
        """Let a process run no further for a while, as SIGSTOP or a sleeping machine does; its timers pile up."""
        process.is_stopped = True
        if process in self._runnable:
            self._runnable.remove(process)

    def continue_process(self, process: Process) -> None:
        """Let it go on."""
        if process.is_stopped:
            process.is_stopped = False
            if process.ready:
                self._runnable.append(process)

    def _run_once(self) -> None:
        """Run everything that is ready, process by process as drawn; or jump to the next timer."""
        runnable, draw = self._runnable, self._rng.random
        if not runnable:
            self._jump()
        while runnable:
            at = int(draw() * len(runnable)) if len(runnable) > 1 else 0
            process = runnable[at]
            handle: Any = process.ready.popleft()
            if not process.ready:
                runnable[at] = runnable[-1]
                runnable.pop()
            if not handle._cancelled:
                try:
                    handle._context.run(handle._callback, *handle._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # as asyncio has it
                    self._complain(self, {"message": "in a callback", "exception": error})
            if self._stopping:  # type: ignore[attr-defined]
                return

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # type: ignore[attr-defined]
            heapq.heappop(timers)
        if not timers:
            raise Deadlock("nothing is ready, and no timer is set")
        self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            timer = heapq.heappop(timers)[2]
            if not timer._cancelled:  # type: ignore[attr-defined]
                self._make_ready(timer)

    # --- tasks -----------------------------------------------------------------------------------------------------

    def _make_task(
        self,
        _loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        process = PROCESS.get() if context is None else context.get(PROCESS, OUTSIDE)
        process = self.outside if process is OUTSIDE else process
        process.made += 1
        # asyncio's own names count the tasks of the whole interpreter.
        name = f"{process.name} {process.made}"
        self._made += 1
        task = _Task.__new__(_Task)
        task.number = self._made  # before it enters asyncio's own sets
        task.__init__(coro, loop=self, name=name, context=context)  # type: ignore[misc]
        process.tasks[task] = None
        task.add_done_callback(process.tasks.pop)
        if process.dying:
            task.cancel()
        return task

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context['message']}: {context.get('exception')!r}")

    def finish(self) -> None:
        """Cancel what is left and let it end, then close."""
        for _ in range(100):
            if not (left := [*asyncio.all_tasks(self)]):
                break
            for task in left:
                task.cancel()
            self.run_until_complete(_wait(left))
        self.close()

    # --- no way out ------------------------------------------------------------------------------------------------

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., object], *args: object
    ) -> "asyncio.Future[object]":
        """Do it at once; tell it a little later, as a thread would."""
        assert executor is None, "nothing of ours has an executor of its own"
        answer: asyncio.Future[object] = self.create_future()
        wait_s = self._rng.random() * THREAD_S_MAX
        try:
            result = function(*args)
        except Exception as error:
            self.call_later(wait_s, _fail, answer, error)
        else:
            self.call_later(wait_s, _answer, answer, result)
        return answer

    def _write_to_self(self) -> None:
        raise Escaped("another thread called into the loop")

    def _process_events(self, event_list: object) -> None:
        raise Escaped("there is no input or output here")

    def _escape(self, *_args: object, **_kwargs: object) -> Any:
        raise Escaped("the code under test reached for the real world")

    create_connection = create_server = create_datagram_endpoint = _escape
    sock_recv = sock_sendall = sock_connect = sock_accept = _escape
    getaddrinfo = getnameinfo = _escape
    subprocess_exec = subprocess_shell = connect_read_pipe = connect_write_pipe = _escape
    add_reader = add_writer = add_signal_handler = _escape


def _answer(future: "asyncio.Future[object]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[object]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


async def _wait(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks)
