"""One group of transactions on the connection's thread.

Invariant: after `run_group` either every job of the group that carries a result is durable, or
nothing of any of them is in the database. A job that fails takes only its own part with it.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.sqlite_errors import store_error


@dataclass(slots=True, eq=False)
class Job:
    """One caller's transaction on its way through the writer, and then what came of it."""

    transaction: Callable[[sqlite3.Connection], Any]
    committed: Callable[[Any], None] | None
    background: bool
    answer: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class GroupLostError(Exception):
    """The whole transaction is gone, not just one savepoint; the cause says why."""


def run_group(
    db: sqlite3.Connection,
    path: Path,
    jobs: Sequence[Job],
    foreground_waits: Callable[[], bool],
) -> int:
    """Run jobs in one transaction, a savepoint each if there are several; on the connection's thread.

    On return the first n jobs, n being the answer, carry a result or an error and are durable; the
    others, all of the background, made room for the foreground.

    Raises: GroupLostError from what ended the group; nothing of it is in the database then.
    """
    try:
        if db.in_transaction:  # an earlier ROLLBACK failed with the disk
            db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        if len(jobs) == 1:
            ran = _run_alone(db, path, jobs[0])
        else:
            ran = _run_jobs(db, path, jobs, foreground_waits)
            db.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        cause = error.__cause__ if isinstance(error, GroupLostError) and error.__cause__ else error
        raise GroupLostError from (store_error(cause, path) or cause)
    return ran


def _run_alone(db: sqlite3.Connection, path: Path, job: Job) -> int:
    """With nobody beside it a job is the transaction: a savepoint would copy every page that it changes, for nothing."""
    try:
        job.result = job.transaction(db)
    except BaseException as error:
        if not db.in_transaction:
            raise GroupLostError from error
        db.execute("ROLLBACK")
        job.error = store_error(error, path) or error
        return 1
    _check_open(db)
    db.execute("COMMIT")
    return 1


def _run_jobs(
    db: sqlite3.Connection,
    path: Path,
    jobs: Sequence[Job],
    foreground_waits: Callable[[], bool],
) -> int:
    background_ran = False
    for ran, job in enumerate(jobs):
        if job.background:
            if background_ran and foreground_waits():
                return ran
            background_ran = True
        _run_one(db, path, job)
    return len(jobs)


def _run_one(db: sqlite3.Connection, path: Path, job: Job) -> None:
    db.execute("SAVEPOINT job")
    try:
        job.result = job.transaction(db)
    except BaseException as error:
        # A full disk or an I/O error can make SQLite roll back everything since BEGIN.
        if not db.in_transaction:
            raise GroupLostError from error
        db.execute("ROLLBACK TO job")
        job.error = store_error(error, path) or error
    _check_open(db)
    db.execute("RELEASE job")


def _check_open(db: sqlite3.Connection) -> None:
    if not db.in_transaction:
        raise GroupLostError from RuntimeError("a transaction ended the one it runs in")
