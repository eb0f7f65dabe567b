"""Our commands with a bug that only this module can put in: `python -m tests.crash.planted BUG MODULE ARGUMENTS`.

Rule: whoever proves that nothing is lost must first lose something and be caught. Nothing of the product knows of this.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from node.commands import recording
from node.commands.requests import Answer, Caller, Movement, Refusal
from node.node import Node
from runtime import connection, group, writer
from runtime.group import Job


def _sync_less() -> None:
    """WAL with synchronous=NORMAL, as many tutorials have it: a commit is not on the disk."""
    connection._WRITER = tuple(  # type: ignore[misc]
        setting._replace(assign="PRAGMA synchronous=NORMAL", value=1)
        if setting.inquire == "PRAGMA synchronous"
        else setting
        for setting in connection._WRITER
    )


def _answer_before_commit() -> None:
    """Answers leave when a group has been worked off, and its COMMIT comes with the next one."""

    def run_group(
        db: sqlite3.Connection,
        path: Path,
        jobs: Sequence[Job],
        foreground_waits: Callable[[], bool],
    ) -> int:
        if db.in_transaction:
            db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        return group._run_jobs(db, path, jobs, foreground_waits)

    writer.run_group = run_group


def _never_sync_files() -> None:
    """Keys and tokens are renamed to their names, and their content is on the disk some day."""
    os.fsync = lambda _: None


def _split_batches() -> None:
    """Each movement of a batch is a transaction of its own."""

    async def record_batch(
        self: Node, caller: Caller, items: Sequence[tuple[str, Movement] | Refusal]
    ) -> list[Answer | Refusal]:
        return [
            item if isinstance(item, Refusal) else await self.record(caller, item[1], item[0])
            for item in items
        ]

    Node.record_batch = record_batch  # type: ignore[method-assign]


def _split_acts() -> None:
    """Each step of an act on a document is a transaction of its own."""
    append = recording._append

    def append_alone(db: sqlite3.Connection, *others: Any) -> None:
        append(db, *others)
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.execute("SAVEPOINT job")

    recording._append = append_alone  # type: ignore[assignment]


BUGS: Final[dict[str, Callable[[], None]]] = {
    "sync-less": _sync_less,
    "answer-before-commit": _answer_before_commit,
    "never-sync-files": _never_sync_files,
    "split-batches": _split_batches,
    "split-acts": _split_acts,
}


def program(bug: str, module: str) -> tuple[str, ...]:
    """What to run instead of `-m MODULE`."""
    return ("-m", "tests.crash.planted", bug, module)


def main() -> None:
    """Put the bug in, and be the command."""
    _, bug, module, *arguments = sys.argv
    BUGS[bug]()
    sys.argv = [module, *arguments]
    if module == "node":
        from node.__main__ import main as run  # noqa: PLC0415 - only after the bug is in
    else:
        from hub.__main__ import main as run  # noqa: PLC0415
    run()


if __name__ == "__main__":
    main()
