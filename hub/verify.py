"""`everstock-hub verify`: is the file sound, and does everything in it follow from the ledger?

Invariant: reads only, beside a running daemon too; what it says is of one moment.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from hub.store.sqlite import audit
from hub.store.sqlite.audit import Sizes
from hub.store.sqlite.store import SCHEMA
from protocol.errors import ProtocolError
from runtime.backup import integrity_problems
from runtime.connection import connect_reader
from runtime.errors import StoreError
from runtime.migrations import schema_problems
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

        try:
            return read_snapshot(db, database, lambda each: _report(each, step))
        except StoreError as error:
            return Report(Sizes(0, 0), (str(error),))
        except sqlite3.Error as error:
            # A bit of the schema's own text, and a column has another name.
            return Report(Sizes(0, 0), (f"the database cannot be read: {error}",))


def _report(db: sqlite3.Connection, step: Callable[[int, int], None]) -> Report:
    found = schema_problems(db, SCHEMA)
    try:
        for problem in audit.problems(db, step):
            found.append(problem)
            if len(found) == PROBLEMS_MAX:
                break
    except ProtocolError as error:
        found.append(f"a stored value cannot be read: {error.detail}")
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        # The audit may rely on what the hub itself has stored; here that is what is in doubt.
        found.append(f"a stored value cannot be read: {str(error) or type(error).__name__}")
    return Report(audit.read_sizes(db), tuple(found))
