"""Stock and movements as CSV (RFC 4180, UTF-8, a header, CR LF, every text in quotes, every number without).

Invariants: stock is of one moment; movements are those that were there when the export began, each once. A text that
a spreadsheet would run is neutralised, a number of ours never needs it. A file under its name is whole, and never
replaces another. No long transaction is held for a slow reader: it would keep a selling daemon's WAL from shrinking.
"""

import contextlib
import io
import json
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from node import upkeep
from node.commands.answering import movement_json
from node.exchange.tables import Table
from node.replica import stock
from node.replica.movements import Recorded
from node.replica.stock import StockQuery
from node.showing import stock_json
from protocol.ids import ReplicaId, Seq
from protocol.limits import LIST_LIMIT_MAX
from protocol.operation import decode
from runtime.folder import Folder, sync_folder
from runtime.queries import load_queries
from runtime.world import World

STOCK_COLUMNS: Final = (
    *("location", "sku", "name", "on_hand", "reserved", "granted", "in_transit"),
    *("held", "available", "incoming", "minimum"),
)
MOVEMENT_COLUMNS: Final = (
    *("movement", "recorded_at", "occurred_at", "kind", "location", "reference", "sku", "lot"),
    *("delta", "counted", "supplier", "unit_cost", "currency", "expiry", "reason", "note"),
    *("details", "actor", "witness", "reverses"),
)
_SQL: Final = load_queries(__file__, "exporting.sql")
EXPORT_MEMORY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a stock export on its way to stdout; what is more waits on the disk."""


@dataclass(frozen=True, slots=True)
class MovementsWanted:
    """What to export; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    location: str | None = None
    sku: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def export_stock(folder: Folder, query: StockQuery, output: Path | None) -> None:
    """Write every row that fits, by location and SKU, all of one moment. A file is durable on return.

    Raises: FileExistsError, OSError; StoreUnavailable.
    """
    with (
        new_file(output) as target,
        tempfile.SpooledTemporaryFile(EXPORT_MEMORY_BYTES_MAX) as spool,
    ):
        with text_of(spool) as rows:
            writer = Table(rows, STOCK_COLUMNS)
            upkeep.read(folder, lambda db: _write_stock(db, query, World().now_ms(), writer))
        spool.seek(0)
        shutil.copyfileobj(spool, target)


def export_movements(folder: Folder, wanted: MovementsWanted, output: Path | None) -> None:
    """Write every movement that fits, oldest arrival first, a row for each line. A file is durable on return.

    With `sku`, only the lines of that SKU.

    Raises: FileExistsError, OSError; StoreUnavailable.
    """
    with new_file(output) as target, text_of(target) as rows:
        writer = Table(rows, MOVEMENT_COLUMNS)
        for page in _pages(folder, wanted):
            for found in page:
                writer.writerows(_lines(found, wanted.sku))


def _write_stock(db: sqlite3.Connection, query: StockQuery, now_ms: int, writer: Table) -> None:
    page = replace(query, limit=LIST_LIMIT_MAX)
    while True:
        rows, cursor = stock.page(db, page, now_ms)
        writer.writerows(stock_json(row) for row in rows)
        if cursor is None:
            return
        page = replace(page, cursor=cursor)


def _pages(folder: Folder, wanted: MovementsWanted) -> Iterator[list[Recorded]]:
    last = upkeep.read(folder, lambda db: db.execute(_SQL["newest_position"]).fetchone()[0])
    query = _SQL["oldest" if wanted.sku is None else "oldest_of_sku"]
    asked: dict[str, Any] = {
        "after": 0,
        "last": last,
        "location": wanted.location,
        "sku": wanted.sku,
        "since": wanted.since_ms,
        "until": wanted.until_ms,
        "limit": LIST_LIMIT_MAX,
    }
    while page := upkeep.read(folder, lambda db: [_recorded(r) for r in db.execute(query, asked)]):
        yield page
        asked["after"] = page[-1].position


def _recorded(row: sqlite3.Row) -> Recorded:
    return Recorded(
        row["position"], ReplicaId(row["replica"]), Seq(row["seq"]), decode(row["body"])
    )


def _lines(found: Recorded, sku: str | None) -> Iterator[Mapping[str, object]]:
    movement: dict[str, Any] = movement_json(found)
    details = movement["details"]
    head = {
        **movement,
        "movement": movement["id"],
        "details": json.dumps(details, ensure_ascii=False) if details else None,
    }
    for line in movement["lines"]:
        cost = line.get("unit_cost") or {}
        if sku is None or line["sku"] == sku:
            flat = {"unit_cost": cost.get("amount"), "currency": cost.get("currency")}
            yield {**head, **line, **flat}


@contextlib.contextmanager
def text_of(target: IO[bytes]) -> Iterator[IO[str]]:
    """Text on a binary file, which stays open."""
    text = io.TextIOWrapper(target, encoding="utf-8", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()


@contextlib.contextmanager
def new_file(output: Path | None) -> Iterator[IO[bytes]]:
    """Stdout, or a new file that gets its name once it is whole and durable."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if os.path.lexists(output):
        raise FileExistsError(f"{output} exists")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"the folder {output.parent} is missing")
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    opened = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with open(opened, "wb") as file:
            yield file
            file.flush()
            os.fsync(opened)
        # Unlike a renaming, a second name is refused when somebody took it meanwhile.
        os.link(partial, output)
        sync_folder(output.parent)
    finally:
        partial.unlink(missing_ok=True)
