"""Files for imports, the command run on them, and what a node then holds."""

import contextlib
import io
import json
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.__main__ import main
from node.commands.depicting import document_json
from node.replica import documents
from node.replica.documents import DocumentQuery
from protocol.declarations import COLLECTIONS
from tests.node.enrolled import Shop
from tests.node.processes import call

SALES_HEADER = "sku,delta,reference"


@dataclass(frozen=True, slots=True)
class Done:
    """An import that came to its end."""

    code: int
    found: list[dict[str, Any]]
    summary: dict[str, Any]
    words: str

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Rows recorded, already there, refused and bad."""
        names = ("recorded", "already_there", "refused", "bad")
        recorded, there, refused, bad = (self.summary[name] for name in names)
        return recorded, there, refused, bad


def write_sales(file: Path, count: int, *, sku_count: int = 7) -> Path:
    """Write `count` sales of one piece each."""
    lines = (f"A{n % sku_count},-1,receipt {n}\n" for n in range(count))
    file.write_text(f"{SALES_HEADER}\n" + "".join(lines))
    return file


def import_(shop: Shop, file: Path, *options: str, kind: str | None = "sale") -> Done:
    """Import movements in this process, and read what it says as JSON lines."""
    named = () if kind is None else ("--kind", kind)
    data = str(shop.folder.path)
    done = call(
        *("import", "movements", str(file), "--data", data, "--location", "S01", "--json"),
        *named,
        *options,
    )
    return done_of(done)


def import_sheet(shop: Shop, collection: str, file: Path, *options: str) -> Done:
    """Import documents in this process, and read what it says as JSON lines."""
    data = str(shop.folder.path)
    return done_of(call("import", collection, str(file), "--data", data, "--json", *options))


def done_of(done: subprocess.CompletedProcess[str]) -> Done:
    """What an import with --json said."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done
    assert lines[-1].pop("type") == "summary"
    return Done(done.returncode, lines[:-1], lines[-1], done.stderr)


def documents_of(shop: Shop, collection: str) -> dict[str, dict[str, Any]]:
    """The documents that the node shows, by id."""
    declared = COLLECTIONS[collection]
    with contextlib.closing(sqlite3.connect(shop.database)) as db:
        db.row_factory = sqlite3.Row
        page = documents.page(db, DocumentQuery(declared, limit=100_000))
        assert page.following is None
        return {held.id: document_json(declared, held, for_office=True) for held in page.items}


def export(shop: Shop, *arguments: str) -> str:
    """Run an export to stdout in this process; the text as it was written, line ends too."""
    written = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(written), pytest.raises(SystemExit, match=r"^0$"):
        main(["export", *arguments, "--data", str(shop.folder.path)])
    return written.buffer.getvalue().decode()  # type: ignore[attr-defined]


def on_hand(shop: Shop) -> dict[str, int]:
    """SKU → pieces at S01, of those that were ever counted."""
    with contextlib.closing(sqlite3.connect(shop.database)) as db:
        return dict(
            db.execute("SELECT sku, sum(value) FROM counter WHERE account = 0 GROUP BY sku")
        )


def logged(shop: Shop) -> int:
    """Operations in the log."""
    with contextlib.closing(sqlite3.connect(shop.database)) as db:
        (count,) = db.execute("SELECT count(*) FROM log").fetchone()
        return int(count)


def write(file: Path, *lines: str, encoding: str = "utf-8") -> Path:
    """Write the lines, each ended by LF."""
    file.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return file


def lines_of(done: Done) -> Sequence[tuple[int, str]]:
    """(line, column) of everything that was found."""
    return [(found["line"], found.get("column", "")) for found in done.found]
