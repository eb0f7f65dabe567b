"""What SQLite would walk over from end to end for each statement kept beside a module.

A statement that runs for each operation, row or line and scans a table makes its caller quadratic. Nothing else shows it
before the tables are large, so every scan is on a list, with the reason why it may be one.
"""

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from runtime.queries import load_queries

_PARAMETER = re.compile(r":([a-z_]+)")
_COMMENT = re.compile(r"--.*")
_SCAN = re.compile(r"SCAN (?P<table>\w+)")
_STATEMENT_OF_ROWS = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


def statements(folder: Path) -> dict[str, str]:
    """Every statement of the `.sql` files of a folder, as `file.name`."""
    return {
        f"{file.stem}.{name}": sql
        for file in sorted(folder.glob("*.sql"))
        if file.stem != "schema"
        for name, sql in load_queries(str(file), file.name).items()
    }


def scans(db: sqlite3.Connection, asked: Mapping[str, str]) -> set[str]:
    """Each `file.name table` that is walked over from end to end.

    Tables alone count: a list that the caller gives, or the rows of a subquery, is as long as what was asked for.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    return {f"{name} {table}" for name, sql in asked.items() for table in _walked(db, sql) & tables}


def _walked(db: sqlite3.Connection, sql: str) -> set[str]:
    bare = _COMMENT.sub("", sql).strip()
    if not _STATEMENT_OF_ROWS.match(bare):
        return set()
    positional = bare.count("?")
    values: object = (None,) * positional if positional else dict.fromkeys(_PARAMETER.findall(bare))
    plan = db.execute(f"EXPLAIN QUERY PLAN {bare}", values)  # type: ignore[arg-type]
    return {match["table"] for row in plan if (match := _SCAN.match(row[3]))}
