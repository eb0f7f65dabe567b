"""A small database that several tests use."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from runtime.migrations import Schema
from runtime.store import Store
from tests.runtime.daemon_process import Daemon
from tests.runtime.held_writer import HeldWriter

SCHEMA = """
CREATE TABLE entry (
    trial INTEGER NOT NULL,
    line  INTEGER NOT NULL,
    PRIMARY KEY (trial, line)
) STRICT;
CREATE TABLE child (
    parent INTEGER NOT NULL REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
"""


@pytest.fixture
def schema() -> Schema:
    return Schema(SCHEMA, (SCHEMA,))


@pytest.fixture
def groups() -> list[int]:
    """Sizes of the groups that `store` has committed."""
    return []


@pytest.fixture
async def store(tmp_path: Path, schema: Schema, groups: list[int]) -> AsyncIterator[Store]:
    opened = await Store.open(
        tmp_path / "store.db", schema, observe=lambda size, _seconds: groups.append(size)
    )
    yield opened
    await opened.close()


@pytest.fixture
async def held(store: Store) -> AsyncIterator[HeldWriter]:
    """The writer of `store`, busy until `release()`."""
    writer = HeldWriter(store)
    await writer.hold()
    yield writer
    await writer.release()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A running sample daemon."""
    started = Daemon(tmp_path / "data")
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate(timeout=10)


def insert(trial: int, lines: int = 1) -> Callable[[sqlite3.Connection], int]:
    """Make a transaction of `lines` statements; it answers `trial`."""

    def transaction(db: sqlite3.Connection) -> int:
        for line in range(lines):
            db.execute(
                "INSERT INTO entry (trial, line) VALUES (:trial, :line)",
                {"trial": trial, "line": line},
            )
        return trial

    return transaction


def trials(db: sqlite3.Connection) -> list[int]:
    """Query: the trials that are recorded, in the order of their numbers."""
    return [row["trial"] for row in db.execute("SELECT DISTINCT trial FROM entry ORDER BY trial")]
