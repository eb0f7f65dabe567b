"""The background verifier: the command `verify` as a process of its own, once a day at the lowest priority.

Invariants: at most one runs on a folder, whichever daemon started it; it only reads; none outlives the daemon that
ends in order; the outcome of the last complete run is kept in the folder, so that its age survives restarts.

A process, since a thread would hold the interpreter's lock that tills need.
"""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.folder import Folder, FolderError
from runtime.world import World

OUTCOME_FILE: Final = "verified.json"
LOCK_FILE: Final = "verifier.lock"
FIRST_S: Final = 300.0
"""After a start, nodes that were away and tills that queued come first; then as much again is drawn by lot, so that the
machines of a chain do not all read their disks at once after a power cut."""
RUN_S_MAX: Final = 4 * 3600.0
"""A hub with 100 million operations takes about two hours; what takes longer hangs."""
WAL_BYTES_MAX: Final = 1024 * 1024 * 1024
"""While it reads, the write-ahead log cannot be cut back. A verification is not worth a full disk."""
OUTPUT_BYTES_MAX: Final = 4 * 1024 * 1024
"""The hub lists up to a thousand problems, and JSON writes a character of a code as up to twelve bytes: cut short, a
damaged database would look like a verification that failed."""
POLL_S: Final = 0.5
PROBLEMS_LOGGED: Final = 5
_COMPLETE: Final = frozenset({0, 1})
"""Exit codes of a verification that came to its end: all is well, or something is wrong."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last complete verification."""

    at_ms: int
    """When it ended; UTC milliseconds."""
    problems: int
    """How many the command listed; it stops listing at some hundreds."""


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    at_ms: int
    problems: int


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    ok: bool
    problems: list[str]


class _Failed(Exception):
    """A run came to no end; the message says why."""


class _Run(NamedTuple):
    child: subprocess.Popen[bytes]
    output: IO[bytes]


class Verifier:
    """Runs `python -m PACKAGE verify` on a daemon's folder, again and again.

    Args:
        package: `node` or `hub`.
        folder: the daemon's, whose lock it holds.
        database: whose write-ahead log is watched meanwhile.
        every_h: hours between two runs; 0 for never.
        world: clocks and chance.
    """

    def __init__(
        self,
        package: Literal["node", "hub"],
        folder: Folder,
        database: Path,
        *,
        every_h: float,
        world: World,
    ) -> None:
        self.outcome: Outcome | None = None
        """The last complete run; None when none is known of."""
        self.running = False
        self._package = package
        self._folder = folder
        self._database = database
        self._every_s = every_h * 3600
        self._world = world
        self._is_urgent = False
        self._failure_listeners: list[Callable[[], None]] = []

    @property
    def age_s(self) -> float | None:
        """Seconds since the last complete run; None when there was none, or it is dated in the future: one of the two
        clocks was wrong, and an age of nothing would hold the alarm for as long.
        """
        if self.outcome is None or (age_ms := self._world.now_ms() - self.outcome.at_ms) < 0:
            return None
        return age_ms / 1000

    def expedite(self) -> None:
        """Have the first run begin at once: the last daemon did not end in order. Called before `run`."""
        self._is_urgent = True

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called after every run that came to no end."""
        self._failure_listeners.append(listener)

    async def run(self) -> None:
        """Verify whenever it is due, for ever; cancelled, it ends the process that runs, and waits for its end."""
        self.outcome = await asyncio.to_thread(read_outcome, self._folder)
        if self._every_s == 0:
            return
        await asyncio.sleep(self._first_wait_s())
        while True:
            try:
                await self._verify()
            except Exception as error:
                # A bug too: nobody looks at this task, and what ended it would never be told.
                known = isinstance(error, _Failed | OSError)
                reason = str(error) if known else repr(error)
                _log.error("a verification came to no end", reason=reason)
                for listener in self._failure_listeners:
                    listener()
            await asyncio.sleep(self._every_s)

    def _first_wait_s(self) -> float:
        if self._is_urgent:
            return 0.0
        settle_s = FIRST_S + self._world.jitter_ms(int(FIRST_S * 1000)) / 1000
        age_s = self.age_s
        due_s = 0.0 if age_s is None else self._every_s - age_s
        return max(due_s, min(settle_s, self._every_s))

    async def _verify(self) -> None:
        beginning = asyncio.ensure_future(asyncio.to_thread(self._begin))
        try:
            # Shielded: cancelled meanwhile, the process that is being started must still be known here.
            run = await asyncio.shield(beginning)
            if run is None:
                _log.warning("a daemon before this one left a verification that still runs")
                return
            self.running = True
            await self._wait(run.child)
            outcome, problems = await asyncio.to_thread(self._conclude, run)
        finally:
            self.running = False
            await _end(beginning)
        self.outcome = outcome
        _tell(outcome, problems)

    async def _wait(self, child: subprocess.Popen[bytes]) -> None:
        give_up_s = self._world.monotonic_s() + RUN_S_MAX
        while child.poll() is None:
            if self._world.monotonic_s() > give_up_s:
                raise _Failed(f"it took over {RUN_S_MAX / 3600:.0f} hours")
            if await asyncio.to_thread(wal_bytes, self._database) > WAL_BYTES_MAX:
                raise _Failed("the write-ahead log grew too long while it read")
            await asyncio.sleep(POLL_S)

    def _begin(self) -> _Run | None:
        """Start the process; None while another one, of a daemon that was killed, still reads."""
        lock = os.open(self._folder.path / LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return self._spawn(lock)
        finally:
            os.close(lock)

    def _spawn(self, lock: int) -> _Run:
        # A file, since a pipe would have to be read while it runs.
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the run is over
        try:
            data = str(self._folder.path.absolute())
            child = subprocess.Popen(  # noqa: S603 - our own command, on our own folder
                [sys.executable, "-m", self._package, "verify", "--data", data, "--json"],
                # -m finds packages where it is started: the ones that this process runs, and nobody else's.
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                # The lock is let go of when the process ends, also if this one is killed before it.
                pass_fds=(lock,),
            )
        except BaseException:
            output.close()
            raise
        with contextlib.suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, child.pid, 19)
        return _Run(child, output)

    def _conclude(self, run: _Run) -> tuple[Outcome, list[str]]:
        if run.child.returncode not in _COMPLETE:
            raise _Failed(f"`verify` ended with exit code {run.child.returncode}")
        run.output.seek(0)
        try:
            report = _Report.model_validate_json(run.output.read(OUTPUT_BYTES_MAX))
        except ValidationError as error:
            raise _Failed("`verify` did not say what it found") from error
        outcome = Outcome(self._world.now_ms(), len(report.problems))
        kept = _Kept(at_ms=outcome.at_ms, problems=outcome.problems)
        try:
            self._folder.write_private(OUTCOME_FILE, kept.model_dump_json().encode())
        except OSError as error:
            _log.warning("the outcome of a verification could not be kept", reason=str(error))
        return outcome, report.problems


def read_outcome(folder: Folder) -> Outcome | None:
    """The last complete verification of a folder; None when there is none, or it cannot be read. Blocks."""
    try:
        kept = _Kept.model_validate_json(folder.read(OUTCOME_FILE))
    except (OSError, FolderError, ValidationError):
        return None
    return Outcome(kept.at_ms, kept.problems)


def outcome_json(outcome: Outcome | None, instant: Callable[[int], Any]) -> dict[str, object]:
    """An outcome as the status of a daemon shows it."""
    return {
        "verified_at": None if outcome is None else instant(outcome.at_ms),
        "verify_problems": None if outcome is None else outcome.problems,
    }


def wal_bytes(database: Path) -> int:
    """Size of a database's write-ahead log; 0 without one. Blocks. Raises: OSError."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"{database}-wal").stat().st_size
    return 0


async def _end(beginning: "asyncio.Future[_Run | None]") -> None:
    """Have no process left of a run, however far it came."""
    with contextlib.suppress(OSError):  # told to who awaits the beginning
        run = await beginning
        if run is not None:
            run.child.kill()  # does nothing to one that has ended
            await asyncio.to_thread(run.child.wait)
            run.output.close()


def _tell(outcome: Outcome, problems: list[str]) -> None:
    if not problems:
        _log.info("everything adds up")
        return
    _log.error(
        "the database does not add up; `verify` lists every place",
        problems=outcome.problems,
        first=problems[:PROBLEMS_LOGGED],
    )
