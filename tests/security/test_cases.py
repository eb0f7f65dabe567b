"""The table of the security cases in `README.md`: each case once, whatever is named exists, and nothing is left out of it."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.test_complaints import names_in

TESTS: Final = Path(__file__).parents[1]
CASES: Final = 68
_ROW: Final = re.compile(
    r"^\| S(?P<number>[0-9]+) \|(?P<case>[^|]+)\|(?P<tests>[^|]*)\|(?P<waits>[^|]*)\|$"
)
_NAMED: Final = re.compile(r"`(?P<file>[a-z0-9_/]+\.py)(?:::(?P<name>test_[a-z0-9_]+))?`")
_AFTER_CASE: Final = re.compile(r"^test_s(?P<number>[0-9]+)_")


class Row(NamedTuple):
    """What a case has."""

    files: frozenset[str]
    """Those that are named as a whole."""
    tests: frozenset[tuple[str, str]]
    waits: str


def rows() -> dict[int, Row]:
    """Every row, by the number of its case."""
    lines = (TESTS / "security" / "README.md").read_text().splitlines()
    found = [match for line in lines if (match := _ROW.match(line))]
    numbers = [int(match["number"]) for match in found]
    assert numbers == list(range(1, CASES + 1)), "each once, in order"
    return {int(match["number"]): _row(match) for match in found}


def _row(match: re.Match[str]) -> Row:
    named = [(one["file"], one["name"]) for one in _NAMED.finditer(match["tests"])]
    assert "`" not in _NAMED.sub("", match["tests"]), f"S{match['number']} names what is no test"
    files = frozenset(file for file, name in named if name is None)
    tests = frozenset((file, name) for file, name in named if name is not None)
    return Row(files, tests, match["waits"].strip())


ROWS: Final = rows()


@pytest.mark.parametrize("number", ROWS)
def test_what_a_row_names_is_there(number: int) -> None:
    row = ROWS[number]
    assert row.files or row.tests or row.waits, "held by nothing, and waiting for nothing"
    for file, name in row.tests:
        assert name in names_in(file), f"{file} has no {name}"
    for file in row.files:
        named = (Path(file).name, *names_in(file))
        assert [name for name in named if name.startswith(f"test_s{number}_")], file


def test_every_test_or_file_that_is_named_after_a_case_is_in_its_row() -> None:
    missing = [
        f"S{match['number']}: {file}::{name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for file in (path.relative_to(TESTS).as_posix(),)
        for name in (path.name, *sorted(names_in(file)))
        if (match := _AFTER_CASE.match(name)) and not _is_listed(int(match["number"]), file, name)
    ]
    assert missing == []


def _is_listed(number: int, file: str, name: str) -> bool:
    row = ROWS.get(number)
    return row is not None and (file in row.files or (file, name) in row.tests)


def test_every_file_here_holds_a_case() -> None:
    files = {f"security/{path.name}" for path in (TESTS / "security").glob("test_*.py")}
    listed = {file for row in ROWS.values() for file in row.files}
    listed |= {file for row in ROWS.values() for file, _ in row.tests}
    assert files - listed == {"security/test_cases.py"}
