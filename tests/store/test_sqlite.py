"""The SQLite store passes the suite, and keeps what only it can: the file."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from hub.store.sqlite import store as sqlite_store
from hub.store.sqlite.store import SCHEMA, SqliteHubStore
from runtime.connection import connect_writer
from runtime.migrations import describe, migrate
from tests.store.conformance.committing import TestCommitting, TestQuarantine  # noqa: F401
from tests.store.conformance.fleet import TestEnrolling, TestOpening  # noqa: F401
from tests.store.conformance.leaving import TestBackups, TestLeaving  # noqa: F401
from tests.store.conformance.needs import NewStore, PlantTotal
from tests.store.conformance.questions import TestHistory, TestQuestions  # noqa: F401
from tests.store.conformance.reading import TestDocuments, TestReading  # noqa: F401
from tests.store.conformance.repeats import TestRepeats  # noqa: F401
from tests.store.conformance.sealed_keys import TestSealedKeys  # noqa: F401
from tests.store.shop import CHAIN, EPOCH, Shop

FIRST = Path(sqlite_store.__file__).parent / "migrations" / "0001_first.sql"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteHubStore]:
    """A founded, empty store."""
    opened = await SqliteHubStore.open(tmp_path / "hub.db")
    await opened.found(CHAIN, EPOCH)
    yield opened
    await opened.close()


@pytest.fixture
def plant_total(store: SqliteHubStore, tmp_path: Path) -> PlantTotal:
    """Write a total past the store, as if one log had led to it."""

    async def plant(sku: str, total: int) -> None:
        db = sqlite3.connect(tmp_path / "hub.db")
        with closing(db), db:
            counter = db.execute("SELECT id FROM counter WHERE sku = ?", (sku,)).fetchone()
            db.execute("UPDATE counter SET total = ? WHERE id = ?", (total, *counter))
            db.execute("UPDATE entry SET plus = ? WHERE counter = ?", (total, *counter))

    return plant


@pytest.fixture
def new_store(tmp_path: Path) -> NewStore:
    """Make one more store at each call."""
    numbers = count()

    async def make() -> SqliteHubStore:
        opened = await SqliteHubStore.open(tmp_path / f"hub {next(numbers)}.db")
        await opened.found(CHAIN, EPOCH)
        return opened

    return make


async def test_what_was_committed_is_there_after_opening_the_file_again(
    store: SqliteHubStore, tmp_path: Path
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    shop.sells("apple", 2)
    await shop.pushes(store)
    before = await store.history()
    await store.close()
    again = await SqliteHubStore.open(tmp_path / "hub.db")
    try:
        assert await again.history() == before
        assert (await again.standing(shop.replica, [])).acked == 1
    finally:
        await again.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET accepted_at = 0", "DELETE FROM ledger WHERE position = 1"]
)
async def test_the_ledger_can_only_grow(
    store: SqliteHubStore, tmp_path: Path, statement: str
) -> None:
    shop = Shop("S01")
    await shop.opens(store)
    shop.sells("apple", 2)
    await shop.pushes(store)
    await store.close()
    db = sqlite3.connect(tmp_path / "hub.db")
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    finally:
        db.close()


def test_every_step_leads_to_the_schema_as_it_is_written_down(tmp_path: Path) -> None:
    fresh, stepped = connect_writer(tmp_path / "fresh.db"), connect_writer(tmp_path / "stepped.db")
    try:
        migrate(fresh, SCHEMA)
        for step in SCHEMA.steps:
            stepped.executescript(step)
        assert describe(stepped) == describe(fresh)
        assert describe(fresh)
    finally:
        fresh.close()
        stepped.close()


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    """A database as the first version of the hub made it."""
    path = tmp_path / "first.db"
    with closing(connect_writer(path)) as db:
        db.executescript(FIRST.read_text("utf-8"))
        db.execute("PRAGMA user_version=1")
        db.execute("INSERT INTO meta (key, value) VALUES ('chain', ?)", (CHAIN,))
        db.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?)", (EPOCH,))
    return path


async def test_a_hub_of_the_first_version_is_brought_up_and_keeps_what_it_holds(
    first_version: Path,
) -> None:
    store = await SqliteHubStore.open(first_version)
    try:
        assert (await store.history()).epoch == EPOCH
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 1)
        assert (await shop.pushes(store)).acked == 1
        assert await store.stable() == {}
    finally:
        await store.close()
