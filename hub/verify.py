"""`everstock-hub verify`: is the file sound, and does everything in it follow from the ledger?

Invariant: reads only, beside a running daemon too; what it says is of one moment.
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from hub.store.sqlite import audit
from hub.store.sqlite.audit import Sizes
from protocol.errors import ProtocolError
from runtime.backup import integrity_problems
from runtime.connection import connect_reader
from runtime.errors import StoreError
from runtime.readers import read_snapshot

PROBLEMS_MAX: Final = 1_000
STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked and what is wrong, the first bad place first."""

    sizes: Sizes
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {"ok": not self.problems, "problems": list(self.problems)} | self.sizes._asdict()


def verify(database: Path, *, show_progress: bool) -> Report:
    """Check the file, then recompute; blocks. Progress goes to stderr."""
    damage = integrity_problems(database)
    if damage:
        return Report(Sizes(0, 0), tuple(f"the database file: {each}" for each in damage))
    with (
        contextlib.closing(connect_reader(database)) as db,
        Progress(console=Console(stderr=True), disable=not show_progress, transient=True) as bar,
    ):
        task = bar.add_task("operations", total=None)

        def step(done: int, total: int) -> None:
            if done % STEP == 0 or done == total:
                bar.update(task, completed=done, total=total)

        def check(connection: sqlite3.Connection) -> Report:
            found = []
            try:
                for problem in audit.problems(connection, step):
                    found.append(problem)
                    if len(found) == PROBLEMS_MAX:
                        break
            except ProtocolError as error:
                found.append(f"a stored value cannot be read: {error.detail}")
            return Report(audit.read_sizes(connection), tuple(found))

        try:
            return read_snapshot(db, database, check)
        except StoreError as error:
            return Report(Sizes(0, 0), (str(error),))
