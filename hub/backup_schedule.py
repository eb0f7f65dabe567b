"""Scheduled backups: the command `backup` as a process of its own, again and again.

Invariant: an older backup is deleted only after a newer one was verified and recorded, never one that nodes were told
to rely on, whatever the clock made of its name, and never one that this did not name. Trying again soon fills no disk:
what attempts that failed leave behind them is at most one backup, whole but not recorded. A process, since verifying
computes the whole ledger again, and a thread would keep the nodes waiting.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import structlog

from hub.stable import Stable
from runtime.world import World

FIRST_S: Final = 120.0
"""After a start, nodes that were away come first."""
RETRY_FIRST_S: Final = 300.0
"""After a failure, and twice as long after each that follows it: what was in the way, a full disk or a folder that is not
mounted, is often put right within the hour, and should not cost a day; what is not must not keep the disk busy."""
RETRY_DOUBLINGS_MAX: Final = 20
"""Ten years of 300 s: longer than any two backups are apart, and small enough for arithmetic."""
RUN_S_MAX: Final = 8 * 3600.0
"""Copying, and verifying 100 million operations; what takes longer hangs."""
WORDS_BYTES_MAX: Final = 4_096
POLL_S: Final = 0.5
INTERRUPTED_S: Final = 3.0
STALE_S: Final = 2 * RUN_S_MAX
_NAMED_BY_US: Final = re.compile(r"hub-[0-9]{8}T[0-9]{6}Z\.db")
_LEFT_BEHIND: Final = re.compile(
    # The copy in the making, the copy, and the folder that it was restored into.
    r"\.?\.hub-[0-9]{8}T[0-9]{6}Z\.db\.[0-9a-f]{8}\."
    r"(unverified(\.[0-9a-f]{8}\.partial)?(-journal|-wal|-shm)?|restored)"
)

_log = structlog.get_logger(__name__)


class _Failed(Exception):
    """A backup came to no end; the message says why."""


def wait_after_s(failures: int, every_s: float) -> float:
    """Seconds from the end of an attempt to the next.

    Args:
        failures: how many came to no end since the last that succeeded.
        every_s: between two backups; a failure is never waited for longer.
    """
    if failures == 0:
        return every_s
    return min(RETRY_FIRST_S * 2.0 ** min(failures - 1, RETRY_DOUBLINGS_MAX), every_s)


class BackupSchedule:
    """Takes backups into one folder.

    Args:
        data: the hub's folder.
        target: where the files go; best on another disk, and from there to another place.
        every_h: hours between two of them.
        keep: how many of its own files stay.
        stable: knows the newest verified one.
        world: clocks and chance.
    """

    def __init__(
        self, data: Path, target: Path, *, every_h: float, keep: int, stable: Stable, world: World
    ) -> None:
        self.failed = False
        """Whether an attempt came to no end, and none has succeeded since."""
        self._data = data
        self._target = target
        self._every_s = every_h * 3600
        self._keep = keep
        self._stable = stable
        self._world = world
        self._unnoted: Path | None = None
        self._failure_listeners: list[Callable[[], None]] = []

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called after every attempt that came to no end."""
        self._failure_listeners.append(listener)

    async def run(self) -> None:
        """Take one whenever it is due, for ever; cancelled, it ends the process that runs, and waits for its end."""
        await asyncio.sleep(self._first_wait_s())
        failures = 0
        while True:
            try:
                await self._take()
                failures, self.failed = 0, False
            except Exception as error:
                # A bug too: nobody looks at this task, and what ended it would never be told.
                failures, self.failed = failures + 1, True
                reason = str(error) if isinstance(error, _Failed | OSError) else repr(error)
                again_s = wait_after_s(failures, self._every_s)
                _log.error("a backup came to no end", reason=reason, again_in_s=round(again_s))
                for listener in self._failure_listeners:
                    listener()
            await asyncio.sleep(wait_after_s(failures, self._every_s))

    def _first_wait_s(self) -> float:
        age_s = self._stable.age_s
        due_s = 0.0 if age_s is None else self._every_s - age_s
        return max(due_s, min(FIRST_S, self._every_s))

    async def _take(self) -> None:
        await asyncio.to_thread(self._clear_up)
        at = datetime.fromtimestamp(self._world.now_ms() / 1000, UTC)
        file = self._target / f"hub-{at:%Y%m%dT%H%M%SZ}.db"
        with tempfile.TemporaryFile() as words:
            child = await asyncio.to_thread(self._spawn, file, words.fileno())
            try:
                await self._wait(child)
            finally:
                await asyncio.shield(asyncio.to_thread(self._conclude, child, file))
            if child.returncode != 0:
                said = await asyncio.to_thread(_read, words)
                raise _Failed(said or f"`backup` ended with exit code {child.returncode}")
        _log.info("a backup was taken and verified", file=str(file))
        await asyncio.to_thread(self._delete_older)

    def _spawn(self, file: Path, words: int) -> subprocess.Popen[bytes]:
        data, target = str(self._data.absolute()), str(file.absolute())
        child = subprocess.Popen(  # noqa: S603 - our own command, on our own folder
            [sys.executable, "-m", "hub", "backup", "--data", data, target],
            # -m finds packages where it is started: the ones that this process runs, and nobody else's.
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
        )
        with contextlib.suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, child.pid, 19)
        return child

    async def _wait(self, child: subprocess.Popen[bytes]) -> None:
        give_up_s = self._world.monotonic_s() + RUN_S_MAX
        while child.poll() is None:
            if self._world.monotonic_s() > give_up_s:
                raise _Failed(f"it took over {RUN_S_MAX / 3600:.0f} hours")
            await asyncio.sleep(POLL_S)

    def _delete_older(self) -> None:
        """Keep the newest, by name."""
        ours = sorted(each for each in os.listdir(self._target) if _NAMED_BY_US.fullmatch(each))
        for name in ours[: -self._keep]:
            # A clock that was put right, or stands still at the year of the battery, sorts what is newest first.
            if str((self._target / name).absolute()) not in self._stable.rests_on:
                (self._target / name).unlink()

    def _conclude(self, child: subprocess.Popen[bytes], file: Path) -> None:
        """Have the process end, and nothing be there of what it did not finish; blocks.

        One that was killed, by us or for want of memory, clears up nothing, and the next attempt may be minutes away.
        """
        _end(child)
        # What stays is told by the attempt that wants its room.
        with contextlib.suppress(OSError):
            for path in self._left_behind():
                if file.name in path.name:
                    _clear(path)
            if child.returncode != 0 and file.exists():
                self._keep_only(file)

    def _keep_only(self, unnoted: Path) -> None:
        """Of whole backups that the hub could not note, keep this newest one: nothing else deletes any until one is."""
        before, self._unnoted = self._unnoted, unnoted
        # Noted after all, if only the answer was lost.
        if before is not None and str(before.absolute()) not in self._stable.rests_on:
            before.unlink(missing_ok=True)

    def _clear_up(self) -> None:
        """Clear up after attempts that were killed with the hub: before the next, which may need their room."""
        for path in self._left_behind():
            if self._is_stale(path):
                _clear(path)

    def _left_behind(self) -> list[Path]:
        names = os.listdir(self._target)
        return [self._target / name for name in names if _LEFT_BEHIND.fullmatch(name)]

    def _is_stale(self, path: Path) -> bool:
        return self._world.now_ms() / 1000 - path.lstat().st_mtime > STALE_S


def _end(child: subprocess.Popen[bytes]) -> None:
    """Have it clear up what it has begun, or kill it; does nothing to one that has ended. Blocks."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(INTERRUPTED_S)
    child.kill()
    child.wait()


def _read(words: IO[bytes]) -> str:
    words.seek(0)
    return words.read(WORDS_BYTES_MAX).decode("utf-8", "replace").strip()


def _clear(path: Path) -> None:
    if path.is_dir():
        for each in path.iterdir():
            each.unlink()
        path.rmdir()
    else:
        path.unlink()
