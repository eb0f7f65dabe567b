"""The SQL of a sale, caught from the code that records it, and run again in two ways on copies of one database.

So both ways run exactly what the product runs, with the same values, each sale once, each with its own commit.
"""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import aiosqlite

from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.replica import identity
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from runtime.connection import open_writer, run_job
from tests.node.enrolled import enrolled_folder

_LOCATION: Final = Location("S01")
_NOW_MS: Final = 1_700_000_000_000
_SKUS: Final = 200
_TILL: Final = Caller("till-1", Authority.TILL)


class Statement(NamedTuple):
    """One call of a connection."""

    is_many: bool
    sql: str
    values: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """Median of a sale each way."""

    one_job_ms: float
    by_statement_ms: float


class _Catching(sqlite3.Connection):
    """Notes what it is asked before it does it."""

    caught: list[Statement]

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        self.caught.append(Statement(False, sql, values))
        return super().execute(sql, values)

    def executemany(self, sql: str, values: Any, /) -> sqlite3.Cursor:
        kept = list(values)
        self.caught.append(Statement(True, sql, kept))
        return super().executemany(sql, kept)


def catch(folder: Path, *, count: int) -> list[list[Statement]]:
    """Record sales in a copy of a new node's database; the statements of each. Blocks."""
    shop = enrolled_folder(folder / "shop")
    empty = _empty(folder)
    shutil.copy(shop.database, empty)
    with contextlib.closing(
        sqlite3.connect(shop.database, isolation_level=None, factory=_Catching)
    ) as db:
        db.caught = []
        db.row_factory = sqlite3.Row
        who, position = identity.read_identity(db), identity.read_position(db)
        here = Here(who.chain, position.replica, who.certificate, 0, _NOW_MS)
        sales = []
        for number in range(count):
            sku = Sku(f"SKU{number % _SKUS:05}")
            sale = Movement(MoveKind.SALE, _LOCATION, (Line(sku, Lot(""), -1),))
            db.caught = []
            movements.record(db, here, _TILL, sale, f"key-{number}")
            sales.append(db.caught)
    return sales


async def replay_both(folder: Path, sales: Sequence[Sequence[Statement]]) -> Replayed:
    """Run them one way, then the other."""
    took_ms = []
    for is_one_job in (True, False):
        database = folder / "replayed.sqlite"
        shutil.copy(_empty(folder), database)
        connection = await open_writer(database)
        try:
            took_s = []
            for sale in sales:
                began_s = time.perf_counter()
                if is_one_job:
                    await run_job(connection, _transaction, sale)
                else:
                    await _by_statement(connection, sale)
                took_s.append(time.perf_counter() - began_s)
        finally:
            await connection.close()
        took_ms.append(median(took_s) * 1_000)
    return Replayed(*took_ms)


def _transaction(db: sqlite3.Connection, sale: Sequence[Statement]) -> None:
    db.execute("BEGIN IMMEDIATE")
    for statement in sale:
        if statement.is_many:
            db.executemany(statement.sql, statement.values)
        else:
            db.execute(statement.sql, statement.values).fetchall()
    db.execute("COMMIT")


async def _by_statement(connection: aiosqlite.Connection, sale: Sequence[Statement]) -> None:
    await connection.execute("BEGIN IMMEDIATE")
    for statement in sale:
        if statement.is_many:
            await connection.executemany(statement.sql, statement.values)
        else:
            await connection.execute_fetchall(statement.sql, statement.values)
    await connection.execute("COMMIT")


def _empty(folder: Path) -> Path:
    return folder / "empty.sqlite"
