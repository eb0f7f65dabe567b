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
from hub.store.sqlite.feed import salt_of
from hub.store.sqlite.store import SCHEMA
from hub.witness import Witness
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


def verify(database: Path, *, show_progress: bool, witness: Witness | None = None) -> Report:
    """Check the file, then recompute; blocks. Progress goes to stderr.

    `witness` is what was known to be committed before this began to read.
    """
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
            return read_snapshot(db, database, lambda each: _report(each, step, witness))
        except StoreError as error:
            return Report(Sizes(0, 0), (str(error),))
        except sqlite3.Error as error:
            # A bit of the schema's own text, and a column has another name.
            return Report(Sizes(0, 0), (f"the database cannot be read: {error}",))


def _report(
    db: sqlite3.Connection, step: Callable[[int, int], None], witness: Witness | None
) -> Report:
    found = schema_problems(db, SCHEMA)
    try:
        found += _not_held(db, witness)
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


def _not_held(db: sqlite3.Connection, witness: Witness | None) -> list[str]:
    head = None if witness is None else witness.head
    if head is None or salt_of(db, head.hub_seq) == head.salt:
        return []
    why = (
        f"hub_seq {head.hub_seq}: was committed by this hub and is not in the database: its end was cut off, or an "
        "older copy was put in its place"
    )
    return [why]
