"""How a node's database comes to its schema, also one that an earlier version made."""

import contextlib
from pathlib import Path

from node.replica import SCHEMA, changes, identity
from protocol.ids import Seq
from runtime.connection import connect_writer
from runtime.migrations import describe, migrate

FIRST = Path(identity.__file__).parent / "migrations" / "0001_first.sql"


def test_every_step_leads_to_the_schema_as_it_is_written_down(tmp_path: Path) -> None:
    with (
        contextlib.closing(connect_writer(tmp_path / "fresh.sqlite")) as fresh,
        contextlib.closing(connect_writer(tmp_path / "stepped.sqlite")) as stepped,
    ):
        migrate(fresh, SCHEMA)
        for step in SCHEMA.steps:
            stepped.executescript(step)
        assert describe(stepped) == describe(fresh)


def test_a_database_of_the_first_version_is_brought_up_and_keeps_what_it_holds(
    tmp_path: Path,
) -> None:
    with contextlib.closing(connect_writer(tmp_path / "node.sqlite")) as db:
        db.executescript(FIRST.read_text("utf-8"))
        db.execute("PRAGMA user_version=1")
        db.execute("INSERT INTO replica (only, id) VALUES (1, ?)", (b"r" * 16,))
        assert migrate(db, SCHEMA) == len(SCHEMA.steps) > 1
        assert identity.read_position(db).replica == b"r" * 16
        assert changes.bounds(db) == (0, 0)
        changes.note_operation(db, Seq(1))
        assert changes.bounds(db) == (0, 1)
