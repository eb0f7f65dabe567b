"""SQL files of named blocks."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime.queries import by_place, load_queries


def load(folder: Path, text: str) -> dict[str, str]:
    (folder / "log.sql").write_text(text)
    return dict(load_queries(str(folder / "log.py"), "log.sql"))


def test_each_block_is_found_by_its_name(tmp_path: Path) -> None:
    text = "-- The log.\n\n-- name: append\n-- why\nINSERT 1;\n\n-- name: head\nSELECT 2;\n"
    assert load(tmp_path, text) == {"append": "-- why\nINSERT 1;", "head": "SELECT 2;"}
    assert load_queries(str(tmp_path / "log.py"), "log") == load(tmp_path, text)


def test_queries_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "log.sql").write_text("-- name: a\nSELECT 1")
    with pytest.raises(TypeError):
        load_queries(str(tmp_path / "log.py"), "log.sql")["a"] = "DROP TABLE log"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "'a' is repeated"),
        ("-- name: a\n-- only a remark\n-- name: b\nSELECT 1", "'a' has no SQL"),
        ("SELECT 1;\n-- name: a\nSELECT 1", "SQL before the first"),
        ("-- name: A\nSELECT 1", "not a lower-case word"),
        ("-- name: a-b\nSELECT 1", "not a lower-case word"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load(tmp_path, text)


def test_a_statement_bound_by_place_takes_its_parameters_in_their_order() -> None:
    sql = "-- :why not\nINSERT INTO line (sku, lot) VALUES (:sku, :lot) -- as :text"
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE line (sku TEXT, lot TEXT)")
        db.execute(by_place(sql, ("sku", "lot")), ("apple", "L1"))
        assert db.execute("SELECT sku, lot FROM line").fetchall() == [("apple", "L1")]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT :sku, :lot", ("lot", "sku")),
        ("SELECT :sku, :lot", ("sku",)),
        ("SELECT :sku, :sku", ("sku",)),
        ("SELECT 1", ("sku",)),
    ],
)
def test_values_that_a_statement_would_take_for_others_are_refused(
    sql: str, names: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="a statement takes"):
        by_place(sql, names)
