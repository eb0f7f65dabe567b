"""How a database file comes to the schema that the program expects.

Rule: `PRAGMA user_version` is the number of steps taken; a step and its number are one transaction;
steps go forward only. `schema.sql` is the current truth, and a test in each package that owns one
compares it with all steps taken in order.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import SchemaTooNew
from runtime.queries import load_queries

_SQL = load_queries(__file__, "migrations.sql")
_STEP_NAME = re.compile(r"(?P<number>[0-9]{4})_[a-z0-9_]+\.sql")


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema as it is now, and every step that led to it, oldest first."""

    current: str
    steps: tuple[str, ...]


def load_schema(package_folder: Path) -> Schema:
    """Read `schema.sql` and `migrations/0001_*.sql` and on; call it while importing.

    A package without a `migrations` folder is at its first version: its schema is step one.

    Raises: ValueError if the steps are not numbered 0001, 0002, … without a gap.
    """
    current = (package_folder / "schema.sql").read_text("utf-8")
    files = sorted((package_folder / "migrations").glob("*.sql"))
    for number, file in enumerate(files, start=1):
        name = _STEP_NAME.fullmatch(file.name)
        if name is None or int(name["number"]) != number:
            raise ValueError(f"{file}: step {number} must be named {number:04d}_what_it_does.sql")
    return Schema(current, tuple(file.read_text("utf-8") for file in files) or (current,))


def migrate(db: sqlite3.Connection, schema: Schema) -> int:
    """Bring the database to the schema and return its version; blocks.

    `db` has isolation_level None and no open transaction. Interrupted, the database is at the
    version of the last whole step. An empty database gets `schema.current` in one step.

    Raises: SchemaTooNew if a newer program has written the database.
    """
    version = version_of(db)
    if version > len(schema.steps):
        raise SchemaTooNew(
            f"the database is at version {version} and this program knows {len(schema.steps)}: "
            "a newer program has written it"
        )
    if version == 0 and not describe(db):
        _take_step(db, schema.current, len(schema.steps))
        return len(schema.steps)
    for number, step in enumerate(schema.steps[version:], start=version + 1):
        _take_step(db, step, number)
    return len(schema.steps)


def version_of(db: sqlite3.Connection) -> int:
    """How many steps the database has taken; 0 for an empty one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def describe(db: sqlite3.Connection) -> list[str]:
    """One line for each table, column, index and trigger, sorted; [] for an empty database.

    Two databases with equal lines have the same schema, however they came to it: the text of the
    statements is compared for views and triggers only, since ALTER TABLE rewrites the others.
    """
    found = db.execute(_SQL["objects"]).fetchall()
    lines: list[str] = []
    for kind, name, table, sql in found:
        if kind == "table":
            lines += _describe_table(db, name)
        elif kind == "index":
            lines.append(f"index {name} on {table}: {_words(sql)}")
        else:
            lines.append(f"{kind} {name} on {table}: {_words(sql)}")
    return sorted(lines)


def schema_problems(db: sqlite3.Connection, schema: Schema) -> list[str]:
    """What a database at the present version lacks of the schema, each in a sentence; what it has beside is no problem.

    A flipped bit in the schema's own text gives a table or a column another name, and SQLite finds nothing wrong with it.
    """
    if version_of(db) != len(schema.steps):
        return []
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh, schema)
        expected = describe(fresh)
    found = set(describe(db))
    return [f"the schema lacks: {line}" for line in expected if line not in found]


def _describe_table(db: sqlite3.Connection, table: str) -> Iterator[str]:
    for part in ("table_kind", "table_columns", "table_indexes", "table_references"):
        for row in db.execute(_SQL[part], {"table": table}):
            yield f"{part} {table}: {tuple(row)}"


def _words(sql: str) -> str:
    return " ".join(sql.split())


def _take_step(db: sqlite3.Connection, step: str, version: int) -> None:
    # A step may rebuild a table, and dropping the old one would delete what refers to it; SQLite's
    # own procedure (https://sqlite.org/lang_altertable.html, section 7) checks references at the
    # end instead. The setting cannot change inside a transaction.
    db.execute("PRAGMA foreign_keys=OFF")
    try:
        db.execute("BEGIN IMMEDIATE")
        # executescript would commit first, so that a crash could leave half a step behind.
        for statement in _statements(step):
            db.execute(statement)
        if broken := db.execute("PRAGMA foreign_key_check").fetchone():
            raise ValueError(f"step {version} leaves a dangling reference in table {broken[0]}")
        db.execute(f"PRAGMA user_version={version:d}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    finally:
        db.execute("PRAGMA foreign_keys=ON")


def _statements(script: str) -> Iterator[str]:
    # A semicolon may stand inside a trigger, a string or a comment; SQLite knows which.
    statement = ""
    for piece in script.split(";"):
        statement += piece
        if sqlite3.complete_statement(statement + ";"):
            yield statement
            statement = ""
        else:
            statement += ";"
    if statement.strip("; \t\r\n"):
        yield statement
