"""Databases that nobody serves are changed whole or not at all."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from runtime.connection import connect_writer
from runtime.errors import StoreUnavailable
from runtime.migrations import Schema
from runtime.unserved import change, change_copy

FIRST = "CREATE TABLE note (words TEXT NOT NULL) STRICT"
BOTH = Schema(
    f"{FIRST}; CREATE TABLE more (a ANY) STRICT", (FIRST, "CREATE TABLE more (a ANY) STRICT")
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of the first version."""
    path = tmp_path / "some.db"
    with contextlib.closing(connect_writer(path)) as db:
        db.execute(FIRST)
        db.execute("PRAGMA user_version=1")
    return path


def words(path: Path) -> list[str]:
    """What is in it."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [each for (each,) in db.execute("SELECT words FROM note ORDER BY rowid")]


def note(db: sqlite3.Connection) -> str:
    db.execute("INSERT INTO note (words) VALUES ('kept')")
    return "done"


def fail(db: sqlite3.Connection) -> None:
    note(db)
    raise KeyError("a bug")


def test_an_older_database_is_brought_up_and_changed(database: Path) -> None:
    assert change(database, BOTH, note) == "done"
    assert words(database) == ["kept"]
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*) FROM more").fetchone() == (0,)


def test_a_copy_stays_one_file(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA journal_mode=DELETE").fetchall()
    assert change_copy(database, note) == "done"
    assert words(database) == ["kept"]
    assert [each.name for each in database.parent.iterdir()] == ["some.db"]


def test_what_fails_leaves_nothing(database: Path) -> None:
    with pytest.raises(KeyError):
        change(database, BOTH, fail)
    with pytest.raises(KeyError):
        change_copy(database, fail)
    assert words(database) == []


def test_what_the_world_did_is_named(tmp_path: Path) -> None:
    (tmp_path / "some.db").write_bytes(b"no database at all" * 300)
    with pytest.raises(StoreUnavailable):
        change(tmp_path / "some.db", BOTH, note)
    with pytest.raises(StoreUnavailable):
        change_copy(tmp_path / "some.db", note)
