"""Databases that no daemon serves: copies, and those that are being restored.

Rule: the caller holds the folder's lock, or made the file itself. One transaction, durable on return; nothing of it is
there when it fails.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from runtime.connection import connect_writer
from runtime.migrations import Schema, migrate
from runtime.sqlite_errors import store_error

T = TypeVar("T")


def change(path: Path, schema: Schema, work: Callable[[sqlite3.Connection], T]) -> T:
    """Bring the database to `schema` and run `work(db)` in one transaction; blocks.

    Raises: StoreError for what the world did; what `work` raises.
    """
    with _explained(path), contextlib.closing(connect_writer(path)) as db:
        migrate(db, schema)
        db.execute("BEGIN IMMEDIATE")
        result = work(db)
        db.execute("COMMIT")
    return result


def change_copy(
    path: Path, work: Callable[[sqlite3.Connection], T], *, schema: Schema | None = None
) -> T:
    """Run `work(db)` in one transaction on a copy, which stays one file, without a WAL; blocks.

    It is brought to `schema` before, if that is given.

    Raises: StoreError for what the world did; what `work` raises.
    """
    with (
        _explained(path),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db,
    ):
        db.execute("PRAGMA synchronous=FULL").fetchall()
        if schema is not None:
            migrate(db, schema)
        db.execute("BEGIN IMMEDIATE")
        result = work(db)
        db.execute("COMMIT")
    return result


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if told := store_error(error, path):
            raise told from error
        raise
