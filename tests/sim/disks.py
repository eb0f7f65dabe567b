"""A machine's disk: an in-memory database, and the connections through which a process reaches it.

Invariant: a job runs whole, at one moment of virtual time, as on the thread of aiosqlite; it is begun or told after
a wait of the disk's own. A process dies before the COMMIT of a job (nothing of it is there) or after it, unanswered
(all of it is), never between.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from runtime.migrations import Schema, migrate
from tests.sim.loop import Process

_PAGES_MAX: Final = 1_073_741_823  # SQLite's own
_TEMPLATES: dict[int, bytes] = {}


def connect(image: bytes | None = None, guards: Sequence[str] = ()) -> sqlite3.Connection:
    """An in-memory database, empty or as in an image, with the settings that matter there.

    Guards are triggers of this connection alone, which stop what must never be written.
    """
    db = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
    db.row_factory = sqlite3.Row
    if image is not None:
        db.deserialize(image)
    for setting in ("foreign_keys=ON", "trusted_schema=OFF", "cache_size=-4096"):
        db.execute(f"PRAGMA {setting}")
    for guard in guards:
        db.execute(guard)
    return db


def empty(schema: Schema) -> bytes:
    """The image of a new database of a schema; migrations run once an interpreter."""
    if id(schema) not in _TEMPLATES:
        db = connect()
        migrate(db, schema)
        _TEMPLATES[id(schema)] = db.serialize()
        db.close()
    return _TEMPLATES[id(schema)]


class Disk:
    """What outlives a process."""

    def __init__(self, rng: random.Random, image: bytes, guards: Sequence[str] = ()) -> None:
        self.db = connect(image, guards)
        self._guards = guards
        self.wait_s_usual = self.wait_s_max = 0.004
        """Of a job: until it is begun, or from then until it is told."""
        self.jobs = 0
        self.crash_in: int | None = None
        """The process dies at this write from now."""
        self.crash_after_commit = False
        self._rng = rng

    def waits_s(self) -> tuple[float, float]:
        """How long the disk takes to begin a job, and to tell of it; one of both is nothing, for a turn of the loop each."""
        wait_s = (4 * self._rng.random() - 2) * self.wait_s_max
        return max(wait_s, 0.0), max(-wait_s, 0.0)

    def image(self) -> bytes:
        """A backup."""
        return self.db.serialize()

    def restore(self, image: bytes) -> None:
        """Put a backup in the database's place. Nothing may have it open."""
        self.db.close()
        self.db = connect(image, self._guards)

    def fill(self, pages_left: int) -> None:
        """Leave room for so few pages more."""
        pages = self.db.execute("PRAGMA page_count").fetchone()[0]
        self.db.execute(f"PRAGMA max_page_count={pages + pages_left}").fetchall()

    def empty(self) -> None:
        """There is room again."""
        self.db.execute(f"PRAGMA max_page_count={_PAGES_MAX}").fetchall()


class DiskConnection:
    """What the runtime's `run_job` asks of an aiosqlite connection.

    Args:
        disk: of the machine.
        process: whose it is; a dying one reaches nothing any more.
        die: what happens when the machine's crash is due; None for a connection that only reads.
    """

    def __init__(
        self, disk: Disk, process: Process, die: Callable[[str], None] | None = None
    ) -> None:
        self._running = True
        self._connection = disk.db
        self._disk = disk
        self._process = process
        self._die = die

    def _execute(self, job: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Queue a job; cancelling the caller does not take it back."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        begin_s, tell_s = self._disk.waits_s()
        if begin_s:
            loop.call_later(begin_s, self._run, answer, job, tell_s)
        else:
            loop.call_soon(self._run, answer, job, tell_s)
        return answer

    async def close(self) -> None:
        """See aiosqlite. The database stays: it is the disk's."""
        self._running = False

    def _run(self, answer: "asyncio.Future[Any]", job: Callable[[], Any], tell_s: float) -> None:
        if self._process.dying:
            return
        disk, is_crash = self._disk, False
        if self._die is not None:
            disk.jobs += 1
            if disk.crash_in is not None:
                disk.crash_in -= 1
                is_crash = disk.crash_in <= 0
        if is_crash and not disk.crash_after_commit:
            self._crash("before a commit")
            return
        try:
            result, error = job(), None
        except Exception as raised:
            result, error = None, raised
        if is_crash:
            self._crash("after a commit, before its answer")
            return
        if tell_s:
            asyncio.get_running_loop().call_later(tell_s, self._tell, answer, result, error)
        else:
            self._tell(answer, result, error)

    def _crash(self, when: str) -> None:
        self._disk.crash_in = None
        assert self._die is not None, "only a writer counts down"
        self._die(when)

    def _tell(
        self, answer: "asyncio.Future[Any]", result: object, error: BaseException | None
    ) -> None:
        if answer.done() or self._process.dying:
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
