"""Which of SQLite's errors are the world's."""

import errno
import resource
import sqlite3
from pathlib import Path

import pytest

from runtime.errors import StoreError, StoreFull, StoreUnavailable
from runtime.sqlite_errors import ends_writing, store_error


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite raises it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_READ, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable),
        (sqlite3.SQLITE_READONLY, StoreUnavailable),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreUnavailable),
        (sqlite3.SQLITE_NOTADB, StoreUnavailable),
        (sqlite3.SQLITE_BUSY, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, None),
        (sqlite3.SQLITE_ERROR, None),
        (sqlite3.SQLITE_MISUSE, None),
        (sqlite3.SQLITE_TOOBIG, None),
    ],
)
def test_sqlites_code_says_whose_fault_it_is(
    code: int, kind: type[StoreError] | None, tmp_path: Path
) -> None:
    error = sqlite_error(code)
    explained = store_error(error, tmp_path / "a.db")
    assert (type(explained) if explained else None) is kind
    assert explained is None or explained.__cause__ is error


def test_a_failed_write_beyond_the_size_limit_is_about_space(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Path(f"{path}-wal").write_bytes(b"x" * 100_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        explained = store_error(sqlite_error(sqlite3.SQLITE_IOERR_WRITE), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(explained, StoreFull)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), OSError(errno.ENOSPC, "x"), sqlite3.ProgrammingError("closed")]
)
def test_what_is_not_from_sqlite_stays_what_it_is(error: Exception, tmp_path: Path) -> None:
    assert store_error(error, tmp_path / "a.db") is None
    assert not ends_writing(error)


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_CORRUPT_VTAB, True),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_BUSY, False),
    ],
)
def test_only_what_a_retry_cannot_mend_ends_writing(code: int, ends: bool, tmp_path: Path) -> None:
    assert ends_writing(sqlite_error(code)) is ends
    explained = store_error(sqlite_error(code), tmp_path / "a.db")
    assert explained is not None
    assert ends_writing(explained) is ends
