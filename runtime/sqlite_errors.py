"""Which of SQLite's errors are the world's, and what they mean for the store.

Rule: the decision looks at SQLite's result code, never at a message text. What is not listed here
is a mistake in a transaction and stays the exception it was.
"""

import contextlib
import os
import resource
import sqlite3
from pathlib import Path

from runtime.errors import StoreError, StoreFull, StoreUnavailable

# Less free space than this and a failed write was about space: one WAL page is 4 KiB.
FREE_BYTES_MIN = 64 * 1024

_WORLD = {
    sqlite3.SQLITE_BUSY: "another program holds the database",
    sqlite3.SQLITE_LOCKED: "another connection holds the database",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_NOLFS: "the file system cannot hold a file of this size",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_PERM: "the database may not be accessed",
    sqlite3.SQLITE_PROTOCOL: "the database's locks do not work on this file system",
    sqlite3.SQLITE_READONLY: "the database is read-only",
}

# After a failed fsync the kernel may have dropped the pages and marked them clean, so the next
# fsync proves nothing (Rebello et al., "Can applications recover from fsync failures?", 2020).
# What is damaged does not get better by writing to it. Both need a restart, not a retry.
_ENDS_WRITING = {
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}

# SQLite reports ENOSPC as FULL, but EFBIG and EDQUOT as one of these, and does not pass errno on.
_MAY_BE_SPACE = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}


def store_error(error: BaseException, path: Path) -> StoreError | None:
    """Say what an exception means for the store at `path`; None if it is no fault of the world.

    The answer is a new exception with `error` as its cause. Blocks: it may ask the file system for
    the space that is left.
    """
    answer: StoreError
    if _is_undecodable(error):
        answer = StoreUnavailable("the database is damaged: a text in it is not UTF-8")
        answer.__cause__ = error
        return answer
    code = _code(error)
    if code is None or code & 0xFF not in {*_WORLD, sqlite3.SQLITE_FULL}:
        return None
    if code & 0xFF == sqlite3.SQLITE_FULL or (code in _MAY_BE_SPACE and space_is_gone(path)):
        answer = StoreFull(f"there is no room left on the disk that {path.parent} is on")
    else:
        answer = StoreUnavailable(_WORLD[code & 0xFF])
    answer.__cause__ = error
    return answer


def ends_writing(error: BaseException) -> bool:
    """Whether nothing may be written after this error until the program has been restarted."""
    code = _code(error)
    return code is not None and (code in _ENDS_WRITING or code & 0xFF in _ENDS_WRITING)


def is_misuse_of_reader(error: BaseException) -> bool:
    """Whether a query tried to write: on a reader, read-only is our own setting."""
    return _code(error) == sqlite3.SQLITE_READONLY


def _code(error: BaseException) -> int | None:
    # Errors that the Python module raises by itself carry no code; ours carry SQLite's as cause.
    cause = error.__cause__ if isinstance(error, StoreError) else error
    return getattr(cause, "sqlite_errorcode", None) if isinstance(cause, sqlite3.Error) else None


def _is_undecodable(error: BaseException) -> bool:
    # Of a damaged text the module complains itself, without a code; of a damaged name that is part
    # of SQLite's own message it raises the decoder's error.
    is_uncoded = type(error) is sqlite3.OperationalError and _code(error) is None
    return is_uncoded or isinstance(error, UnicodeDecodeError)


def space_is_gone(path: Path) -> bool:
    """Whether there is hardly room to write to the store at `path`; blocks."""
    space = os.statvfs(path.parent)
    if space.f_bavail * space.f_frsize < FREE_BYTES_MIN:
        return True
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return False
    return any(_size(Path(f"{path}{suffix}")) + FREE_BYTES_MIN > limit for suffix in ("", "-wal"))


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
