"""Copies of a database that can be trusted, taken while it is being written.

Invariant: a file under the target's name is a whole, checked and durable copy of one moment; an
interrupted backup leaves nothing under that name.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

from runtime.connection import connect_reader
from runtime.errors import StoreError, StoreUnavailable
from runtime.folder import sync_folder
from runtime.sqlite_errors import store_error

PROBLEMS_MAX = 100
PORTION_PAGES = 4096
"""16 MiB of pages: often enough to show that it goes on."""

Progress = Callable[[int, int], None]
"""Called now and then with the pages that are done and all there are."""


def _tell_nobody(_done: int, _total: int) -> None:
    pass


def backup(source: Path, target: Path, *, progress: Progress = _tell_nobody) -> None:
    """Copy the database `source` to the new file `target` (mode 0600); blocks.

    Safe beside a running daemon: the copy is one snapshot, writers are not held up. The copy is one
    file, without a WAL. Durable on return.

    Raises: FileExistsError, FileNotFoundError; StoreFull; StoreUnavailable if the source or the
    copy is damaged or the disk fails; OSError for a target that cannot be made.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists")
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} is missing")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        try:
            _copy(source, partial, progress)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if explained := store_error(error, partial):
                raise explained from error
            raise
        _sync_file(partial)
        partial.rename(target)
        sync_folder(target.parent)
    finally:
        for left in (partial, *(Path(f"{partial}-{part}") for part in ("journal", "wal", "shm"))):
            with contextlib.suppress(OSError):
                left.unlink()


def integrity_problems(path: Path) -> list[str]:
    """What SQLite finds wrong with the file, at most 100 sentences; [] when it is sound; blocks.

    Raises: FileNotFoundError. A file that cannot be read is a problem in the list.
    """
    return _problems(path, "integrity_check")


def quick_problems(path: Path) -> list[str]:
    """The same without comparing indexes with their tables, which takes most of the time.

    Raises: FileNotFoundError.
    """
    return _problems(path, "quick_check")


def _problems(path: Path, check: str) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    try:
        with contextlib.closing(connect_reader(path)) as db:
            return _check(db, check)
    except (sqlite3.Error, StoreError, UnicodeDecodeError) as error:
        undecodable = isinstance(error, UnicodeDecodeError)
        return [str(store_error(error, path) if undecodable else error)]


def _copy(source: Path, partial: Path, progress: Progress) -> None:
    with (
        contextlib.closing(connect_reader(source)) as original,
        contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy,
    ):
        # One read transaction around all portions: otherwise the backup would begin again after
        # every commit of the daemon, and might never end.
        original.execute("BEGIN")
        original.execute("PRAGMA schema_version").fetchall()
        original.backup(
            copy,
            pages=PORTION_PAGES,
            progress=lambda _status, left, total: progress(total - left, total),
        )
        # In WAL mode, opening the copy from a read-only medium would fail.
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        if problems := _check(copy):
            raise StoreUnavailable(f"the copy is damaged: {problems[0]}")


def _check(db: sqlite3.Connection, check: str = "integrity_check") -> list[str]:
    # What it finds wrong it names, and a damaged name is any bytes at all.
    db.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    rows = db.execute(f"PRAGMA {check}({PROBLEMS_MAX:d})").fetchall()
    return [] if [tuple(row) for row in rows] == [("ok",)] else [str(row[0]) for row in rows]


def _sync_file(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
