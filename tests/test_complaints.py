"""The table of complaints in `tests/README.md`: every number once, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
NUMBERS: Final = 29
_ROW: Final = re.compile(r"^\| (?P<number>[0-9]+) \| (?P<complaint>[^|]+) \| (?P<tests>[^|]+) \|$")
_TEST: Final = re.compile(r"`(?P<file>[a-z0-9_/]+\.py)::(?P<name>test_[a-z0-9_]+)`")
_NAMED: Final = re.compile(r"test_complaint_(?P<number>[0-9]+)_")


def rows() -> dict[int, list[tuple[str, str]]]:
    """The file and the name of each test, by the number of the complaint."""
    text = (TESTS / "README.md").read_text()
    section = text.partition("### Complaints about other shops")[2].partition("\n## ")[0]
    found = [match for line in section.splitlines() if (match := _ROW.match(line))]
    numbers = [int(match["number"]) for match in found]
    assert numbers == list(range(1, NUMBERS + 1)), "each once, in order"
    return {
        int(match["number"]): [(one["file"], one["name"]) for one in _TEST.finditer(match["tests"])]
        for match in found
    }


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests in a file."""
    defined = ast.walk(ast.parse((TESTS / file).read_text()))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in defined if isinstance(one, kinds))


@pytest.mark.parametrize("number", range(1, NUMBERS + 1))
def test_every_complaint_is_held_by_tests_that_are_there(number: int) -> None:
    named = rows()[number]
    assert named, "whatever waits beside, something of it holds already"
    for file, name in named:
        assert name in names_in(file), f"{file} has no {name}"


def test_every_test_that_is_named_after_a_complaint_is_in_its_row() -> None:
    listed = rows()
    for path in sorted(TESTS.rglob("test_*.py")):
        file = path.relative_to(TESTS).as_posix()
        for name in sorted(names_in(file)):
            if match := _NAMED.match(name):
                assert (file, name) in listed[int(match["number"])]
