"""Schemas: fresh, step by step, interrupted, too new."""

import contextlib
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.backup import integrity_problems
from runtime.connection import connect_writer
from runtime.migrations import Schema, describe, load_schema, migrate, schema_problems
from runtime.store import SchemaTooNew

FIRST = """
-- A comment; with a semicolon.
CREATE TABLE sku (code TEXT PRIMARY KEY, note TEXT DEFAULT 'a;b') STRICT;
CREATE TRIGGER no_delete BEFORE DELETE ON sku BEGIN
    SELECT RAISE(ABORT, 'never; ever'); -- two statements;
    SELECT 1;
END;
"""
SECOND = (
    "ALTER TABLE sku ADD COLUMN unit TEXT NOT NULL DEFAULT 'each'; CREATE INDEX by_unit ON "
    "sku (unit)"
)
CURRENT = """
CREATE TABLE sku (
    code TEXT PRIMARY KEY,
    note TEXT DEFAULT 'a;b',
    unit TEXT NOT NULL DEFAULT 'each'
) STRICT;
CREATE INDEX by_unit ON sku (unit);
CREATE TRIGGER no_delete BEFORE DELETE ON sku BEGIN
    SELECT RAISE(ABORT, 'never; ever'); -- two statements;
    SELECT 1;
END;
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(connect_writer(path)) as opened:
        yield opened


def version(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def test_a_fresh_database_equals_one_that_took_all_steps(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    assert migrate(db, Schema(CURRENT, (FIRST, SECOND))) == 2
    with contextlib.closing(connect_writer(tmp_path / "old.db")) as old:
        migrate(old, Schema(FIRST, (FIRST,)))
        assert describe(old) != describe(db)
        assert migrate(old, Schema(CURRENT, (FIRST, SECOND))) == 2
        assert describe(old) == describe(db)
        assert version(old) == version(db) == 2


@pytest.mark.parametrize(
    "other",
    [
        CURRENT.replace("STRICT", ""),
        CURRENT.replace("'each'", "'g'"),
        CURRENT.replace("NOT NULL", ""),
        CURRENT.replace("ON sku (unit)", "ON sku (note)"),
        CURRENT.replace("CREATE INDEX", "CREATE UNIQUE INDEX"),
        CURRENT.replace("never", "ever"),
        CURRENT.replace("TEXT PRIMARY KEY", "TEXT"),
        CURRENT + "CREATE VIEW v AS SELECT 1;",
    ],
)
def test_a_description_tells_any_two_schemas_apart(
    db: sqlite3.Connection, other: str, tmp_path: Path
) -> None:
    migrate(db, Schema(CURRENT, (CURRENT,)))
    with contextlib.closing(connect_writer(tmp_path / "other.db")) as second:
        migrate(second, Schema(other, (other,)))
        assert describe(db) != describe(second)


def test_migrating_again_changes_nothing(db: sqlite3.Connection) -> None:
    schema = Schema(CURRENT, (FIRST, SECOND))
    migrate(db, schema)
    before = db.total_changes, describe(db)
    assert migrate(db, schema) == 2
    assert (db.total_changes, describe(db)) == before


def test_a_step_keeps_the_rows_there_are(db: sqlite3.Connection) -> None:
    migrate(db, Schema(FIRST, (FIRST,)))
    db.execute("INSERT INTO sku (code) VALUES ('007')")
    migrate(db, Schema(CURRENT, (FIRST, SECOND)))
    assert [tuple(row) for row in db.execute("SELECT code, unit FROM sku")] == [("007", "each")]


def test_a_step_that_fails_leaves_the_version_before_it(db: sqlite3.Connection) -> None:
    migrate(db, Schema(FIRST, (FIRST,)))
    before = describe(db)
    broken = SECOND + "; CREATE TABLE sku (code TEXT)"
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(db, Schema(CURRENT, (FIRST, broken)))
    assert (version(db), describe(db)) == (1, before)
    assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    assert migrate(db, Schema(CURRENT, (FIRST, SECOND))) == 2


def test_a_process_killed_inside_a_step_leaves_the_version_before_it(path: Path) -> None:
    """The second of three steps ends the process between two of its statements."""
    program = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from runtime.connection import connect_writer
        from runtime.migrations import Schema, migrate
        db = connect_writer(Path(sys.argv[1]))
        db.create_function("die", 0, lambda: os._exit(9))
        steps = ("CREATE TABLE a (x);", "CREATE TABLE b (x); SELECT die(); CREATE TABLE c (x);")
        migrate(db, Schema(steps[0], steps[:1]))
        migrate(db, Schema("", steps))
        """
    )
    died = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False)
    assert died.returncode == 9
    with contextlib.closing(connect_writer(path)) as db:
        assert version(db) == 1
        assert [line for line in describe(db) if not line.startswith("table_columns")] == [
            "table_kind a: ('table', 0, 0)"
        ]


def test_a_database_of_a_newer_program_is_refused(db: sqlite3.Connection) -> None:
    migrate(db, Schema(CURRENT, (FIRST, SECOND)))
    with pytest.raises(SchemaTooNew, match="version 2 and this program knows 1"):
        migrate(db, Schema(FIRST, (FIRST,)))
    assert version(db) == 2


def test_a_step_may_rebuild_a_table_that_others_refer_to(db: sqlite3.Connection) -> None:
    first = (
        "CREATE TABLE p (id INTEGER PRIMARY KEY); "
        "CREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE);"
    )
    rebuild = (
        "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO new (id) SELECT id "
        "FROM p; DROP TABLE p; ALTER TABLE new RENAME TO p;"
    )
    migrate(db, Schema(first, (first,)))
    db.execute("INSERT INTO p VALUES (1)")
    db.execute("INSERT INTO c VALUES (1)")
    migrate(db, Schema("", (first, rebuild)))
    assert db.execute("SELECT count(*) FROM c JOIN p ON c.p = p.id").fetchone()[0] == 1


def test_a_step_that_breaks_a_reference_is_undone(db: sqlite3.Connection) -> None:
    first = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id));"
    migrate(db, Schema(first, (first,)))
    db.execute("INSERT INTO p VALUES (1)")
    db.execute("INSERT INTO c VALUES (1)")
    with pytest.raises(ValueError, match="dangling reference in table c"):
        migrate(db, Schema("", (first, "DELETE FROM p;")))
    assert version(db) == 1
    assert db.execute("SELECT count(*) FROM p").fetchone()[0] == 1


def test_a_package_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text(CURRENT)
    assert load_schema(tmp_path) == Schema(CURRENT, (CURRENT,))
    steps = tmp_path / "migrations"
    steps.mkdir()
    (steps / "0002_units.sql").write_text(SECOND)
    (steps / "0001_first.sql").write_text(FIRST)
    assert load_schema(tmp_path) == Schema(CURRENT, (FIRST, SECOND))


@pytest.mark.parametrize("name", ["0002_gap.sql", "1_short.sql", "0001.sql", "0001_Big.sql"])
def test_a_misnamed_step_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "schema.sql").write_text(CURRENT)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / name).write_text(FIRST)
    with pytest.raises(ValueError, match="step 1 must be named 0001_"):
        load_schema(tmp_path)


def test_a_schema_whose_own_text_was_damaged_is_named_and_what_is_beside_it_is_no_problem(
    tmp_path: Path,
) -> None:
    shelf = "CREATE TABLE shelf (sku TEXT PRIMARY KEY, pieces INTEGER NOT NULL) STRICT;"
    schema = Schema(shelf, (shelf,))
    with contextlib.closing(connect_writer(tmp_path / "a.db")) as db:
        migrate(db, schema)
        db.execute("CREATE TABLE beside (a)")
        assert schema_problems(db, schema) == []
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'pieces', 'qieces')")
    with contextlib.closing(connect_writer(tmp_path / "a.db")) as db:
        assert integrity_problems(tmp_path / "a.db") == []
        (problem,) = schema_problems(db, schema)
        assert "shelf" in problem
        assert "pieces" in problem
