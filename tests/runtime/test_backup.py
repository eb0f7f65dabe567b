"""Backups: of a live database, checked, private, and never half there."""

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from runtime.backup import PORTION_PAGES, backup, integrity_problems
from runtime.connection import connect_reader, connect_writer
from runtime.errors import StoreError
from runtime.migrations import Schema
from runtime.readers import read_snapshot
from runtime.store import Store, StoreUnavailable
from tests.runtime.conftest import insert, trials


def contents(path: Path) -> list[tuple[int, int]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        query = "SELECT trial, count(*) FROM entry GROUP BY trial ORDER BY trial"
        return [tuple(row) for row in db.execute(query)]


async def test_a_backup_of_a_database_being_written_is_one_moment_of_it(
    store: Store, tmp_path: Path
) -> None:
    """Each write is ten rows, in order: a backup holds whole writes, and all up to one of them."""
    stop = asyncio.Event()

    async def writes() -> int:
        trial = 0
        while not stop.is_set():
            await store.write(insert(trial, lines=10))
            trial += 1
        return trial

    writing = asyncio.create_task(writes())
    sizes = []
    for number in range(5):
        answered = len(await store.read(trials))
        target = tmp_path / f"{number}.backup"
        await asyncio.to_thread(backup, store.path, target)
        found = contents(target)
        assert found == [(trial, 10) for trial in range(len(found))]
        assert len(found) >= answered
        assert await asyncio.to_thread(integrity_problems, target) == []
        sizes.append(len(found))
    stop.set()
    assert await writing >= sizes[-1] > sizes[0]


async def test_a_backup_of_a_large_database_ends_though_writing_does_not(
    store: Store, tmp_path: Path
) -> None:
    await store.write(lambda db: db.execute("CREATE TABLE bulk (a BLOB)").rowcount)
    fill = "INSERT INTO bulk (a) SELECT randomblob(4000) FROM generate_series"
    rows = "WITH RECURSIVE generate_series(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM "
    rows += "generate_series WHERE x < 5000) "
    await store.write(lambda db: db.execute(rows + fill).rowcount)
    copying = asyncio.create_task(asyncio.to_thread(backup, store.path, tmp_path / "large.backup"))
    trial = 0
    while not copying.done():
        await store.write(insert(trial))
        trial += 1
        assert trial < 20_000, "the backup keeps beginning again"
    await copying
    assert trial > 0


async def test_a_large_backup_says_how_far_it_is(store: Store, tmp_path: Path) -> None:
    await store.write(lambda db: db.execute("CREATE TABLE bulk (a BLOB)").rowcount)
    await store.write(
        lambda db: db.execute("INSERT INTO bulk VALUES (zeroblob(30000000))").rowcount
    )
    told: list[tuple[int, int]] = []
    copy = tmp_path / "large.backup"
    await asyncio.to_thread(
        backup, store.path, copy, progress=lambda done, total: told.append((done, total))
    )
    assert len(told) > 1
    assert told == sorted(told)
    done, total = told[-1]
    assert done == total > PORTION_PAGES


async def test_a_backup_is_one_private_file(store: Store, tmp_path: Path) -> None:
    await store.write(insert(1))
    folder = tmp_path / "backups"
    folder.mkdir()
    await asyncio.to_thread(backup, store.path, folder / "a.backup")
    assert [file.name for file in folder.iterdir()] == ["a.backup"]
    assert (folder / "a.backup").stat().st_mode & 0o777 == 0o600


async def test_a_backup_opens_as_a_store(store: Store, tmp_path: Path, schema: Schema) -> None:
    await store.write(insert(5))
    await asyncio.to_thread(backup, store.path, tmp_path / "copy.db")
    copy = await Store.open(tmp_path / "copy.db", schema)
    assert await copy.read(trials) == [5]
    await copy.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A closed database of some pages."""
    path = tmp_path / "source.db"
    with contextlib.closing(connect_writer(path)) as db:
        db.execute("CREATE TABLE entry (trial INTEGER, line INTEGER, PRIMARY KEY (trial, line))")
        rows = ((trial, line) for trial in range(500) for line in range(10))
        db.execute("BEGIN")
        db.executemany("INSERT INTO entry VALUES (?, ?)", rows)
        db.execute("COMMIT")
    return path


def test_a_backup_needs_no_daemon(source: Path, tmp_path: Path) -> None:
    backup(source, tmp_path / "b")
    assert len(contents(tmp_path / "b")) == 500


@pytest.mark.parametrize("kind", ["file", "link"])
def test_an_existing_target_is_refused_and_kept(source: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "b"
    if kind == "file":
        target.write_text("precious")
    else:
        target.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        backup(source, target)
    assert target.is_symlink() if kind == "link" else target.read_text() == "precious"


def test_a_missing_source_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        backup(tmp_path / "none.db", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_source_makes_no_backup(source: Path, tmp_path: Path) -> None:
    content = bytearray(source.read_bytes())
    content[4096 * 4 : 4096 * 8] = os.urandom(4096 * 4)
    source.write_bytes(content)
    assert integrity_problems(source) != []
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(StoreUnavailable, match="damaged"):
        backup(source, folder / "b")
    assert list(folder.iterdir()) == []


def test_a_sound_database_has_no_problems(source: Path) -> None:
    assert integrity_problems(source) == []


def test_problems_are_listed_at_most_a_hundred(source: Path) -> None:
    """Index entries that point at nothing are one problem each."""
    with contextlib.closing(sqlite3.connect(source)) as db:
        db.execute("PRAGMA writable_schema=ON")
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entry'").fetchone()[0]
        db.execute("CREATE TABLE empty (trial INTEGER, line INTEGER)")
        db.execute(
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE "
            "name = 'empty') WHERE name = 'entry' AND rootpage = ?",
            (root,),
        )
        db.commit()
    assert 1 < len(integrity_problems(source)) <= 100


def test_what_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear customer, " * 1_000)
    assert integrity_problems(tmp_path / "letter") == ["file is not a database"]
    with pytest.raises(FileNotFoundError):
        integrity_problems(tmp_path / "none")


@pytest.mark.parametrize("offset", range(0, 97, 8))
def test_damage_of_any_kind_is_told_and_never_a_crash(
    source: Path, tmp_path: Path, offset: int
) -> None:
    """Every 97th byte flipped: names, records and page headers, and messages that are not UTF-8."""
    content = bytearray(source.read_bytes())
    for place in range(100 + offset, len(content), 97):
        content[place] ^= 0xFF
    source.write_bytes(content)
    problems = integrity_problems(source)
    assert problems
    assert all(isinstance(problem, str) and problem for problem in problems)
    with pytest.raises(StoreError):
        backup(source, tmp_path / "b")


def test_a_text_that_is_not_utf_8_is_damage_of_the_store(source: Path) -> None:
    with contextlib.closing(connect_writer(source)) as db:
        db.execute("CREATE TABLE said (words TEXT)")
        db.execute("INSERT INTO said VALUES (CAST(x'ff41' AS TEXT))")
    with contextlib.closing(connect_reader(source)) as db, pytest.raises(StoreUnavailable):
        read_snapshot(db, source, lambda db: db.execute("SELECT words FROM said").fetchall())
