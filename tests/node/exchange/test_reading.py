"""Reading: every record with its line, whatever the file holds, and never a byte that was not checked."""

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.exchange.reading import (
    BLOCK_BYTES,
    COLUMNS_MAX,
    RECORD_BYTES_MAX,
    FileChanged,
    Garbled,
    NotReadable,
    Record,
    SourceFile,
)

CELLS = st.text(alphabet="aB1,;\t\"'\n\r \u00e9\u4e2d", max_size=8)


def records(path: Path, content: bytes, **options: str) -> list[Record | Garbled]:
    """Write the file and read it."""
    path.write_bytes(content)
    source = SourceFile.open(path)
    wanted = {"delimiter": None, "encoding": "utf-8", **options}
    found = list(source.read().records(**wanted))  # type: ignore[arg-type]
    source.close()
    return found


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_what_a_writer_wrote_is_read_with_its_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    text, expected = io.StringIO(newline=""), []
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    for row in rows:
        line = text.getvalue().count("\n") + 1
        writer.writerow(row)
        if any(row):
            expected.append(Record(line, row))
    path = tmp_path_factory.mktemp("csv") / "f.csv"
    assert records(path, text.getvalue().encode(), delimiter=",") == expected


@given(st.binary(max_size=400))
def test_any_bytes_are_read_to_an_end(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("csv") / "f.csv"
    for marks, why in (((b"\xff\xfe", b"\xfe\xff"), "UTF-16"), (b"\x1f\x8b", "damaged gzip")):
        if content.startswith(marks):
            with pytest.raises(NotReadable, match=why):
                records(path, content)
            return
    found = records(path, content)
    lines = [each.line for each in found]
    assert lines == sorted(lines)
    assert all(1 <= line <= content.count(b"\n") + 1 for line in lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_the_header_shows_what_separates_cells(
    tmp_path: Path, delimiter: str, start: bytes
) -> None:
    content = start + delimiter.join(['"a,b;c\td"', "e", "f"]).encode() + b"\r\n"
    assert records(tmp_path / "f", content) == [Record(1, ["a,b;c\td", "e", "f"])]


def test_a_quoted_newline_does_not_shift_the_numbers_of_lines(tmp_path: Path) -> None:
    found = records(tmp_path / "f", b'a,b\r\n"1\r\n2\r\n",x\r\n\r\n3,y\r\n')
    assert found == [Record(1, ["a", "b"]), Record(2, ["1\r\n2\r\n", "x"]), Record(6, ["3", "y"])]


@pytest.mark.parametrize(
    ("content", "line", "ends", "words"),
    [
        (b'a,b\n"x"y,1\n2,3\n', 2, False, "quote"),
        (b'a,b\n"x,1\n2,3\n', 2, True, "does not end"),
        (b"a,b\n1\r2,3\n4,5\n", 2, False, "carriage return"),
        (b"a,b\n" + b"x" * 200_000 + b",1\n2,3\n", 2, False, "characters"),
        (b"a,b\n" + b"x" * (RECORD_BYTES_MAX + 1), 2, True, "bytes"),
        (b"a,b\n" + b"x," * COLUMNS_MAX + b"\n2,3\n", 2, False, "cells"),
        (b"a," * 1_000_000 + b"\n", 1, True, "bytes"),
        (b'a,b\n1,"' + b"2\n" * 100_000, 2, True, "does not end"),
        (b"a,b\n1," + b'"2\n",' * 300_000, 2, True, "bytes"),
    ],
)
def test_a_garbled_record_is_named_by_its_line(
    tmp_path: Path, content: bytes, line: int, ends: bool, words: str
) -> None:
    found = records(tmp_path / "f", content)
    (garbled,) = [each for each in found if isinstance(each, Garbled)]
    assert (garbled.line, garbled.ends) == (line, ends)
    assert words in garbled.problem
    assert (found[-1] is garbled) == ends


def test_only_an_ordinary_file_is_read(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (tmp_path, pipe, link, Path("/dev/zero")):
        with pytest.raises(NotReadable, match="not an ordinary file"):
            SourceFile.open(path)
    with pytest.raises(FileNotFoundError):
        SourceFile.open(tmp_path / "missing")


@pytest.mark.parametrize("change", ["longer", "shorter", "other", "replaced"])
def test_no_changed_byte_is_ever_handed_on(tmp_path: Path, change: str) -> None:
    path = tmp_path / "f"
    rows = BLOCK_BYTES // 4 + 1000
    path.write_bytes(b"a,b\n" + b"1,2\n" * rows)
    source = SourceFile.open(path)
    first = source.read()
    assert sum(1 for _ in first.records(delimiter=",", encoding="utf-8")) == rows + 1
    seal = first.seal()
    match change:
        case "longer":
            with path.open("ab") as file:
                file.write(b"3,4\n")
        case "shorter":
            with path.open("r+b") as file:
                file.truncate(4 * rows)
        case "other":
            with path.open("r+b") as file:
                file.seek(BLOCK_BYTES + 8)
                file.write(b"3,4\n")
        case "replaced":
            path.unlink()
            path.write_bytes(b"a,b\n9,9\n")
    second, seen = source.read(seal), []
    try:
        for found in second.records(delimiter=",", encoding="utf-8"):
            seen.append(found)  # noqa: PERF402 - kept when the next one fails
        second.seal()
        changed = False
    except FileChanged:
        changed = True
    source.close()
    assert changed == (change != "replaced")  # the open file is still the old one
    assert {tuple(each.cells) for each in seen if isinstance(each, Record)} <= {
        ("a", "b"),
        ("1", "2"),
    }
