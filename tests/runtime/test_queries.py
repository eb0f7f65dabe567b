"""SQL files of named blocks."""

from pathlib import Path

import pytest

from runtime.queries import load_queries


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
