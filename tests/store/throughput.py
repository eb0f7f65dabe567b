"""How fast the store takes batches of 500, beside what its disk and SQLite do at best in the same run.

`python -m tests.store.throughput` prints one line a round. Machines are shared: look at the ratio, and at the processor
time an operation takes. The floor writes the same number of rows of the same sizes with four bare `executemany` a
batch, and decides nothing. With `--profile` one more round shows where the time goes.
"""

import asyncio
import cProfile
import pstats
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from hub.store.interface import Push
from hub.store.sqlite.commit import commit
from hub.store.sqlite.store import SqliteHubStore
from runtime.connection import connect_writer
from tests.store.shop import CHAIN, EPOCH, Shop, counted, name_bytes

SHOPS = 10
BATCHES = 20
BATCH = 500
SKUS = 2_000
ROUNDS = 3
OPERATIONS = SHOPS * BATCHES * BATCH


def main() -> None:
    """Measure and print."""
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            store_s, processor_s = asyncio.run(_store_s(Path(folder)))
            store, floor = OPERATIONS / store_s, OPERATIONS / _floor_s(Path(folder))
        sys.stdout.write(
            f"store {store:,.0f} ops/s ({processor_s / OPERATIONS * 1e6:.1f} us of processor each)"
            f"   floor {floor:,.0f} ops/s   ratio {store / floor:.2f}\n"
        )
    if "--profile" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            _profile(Path(folder))


async def _opened(folder: Path) -> tuple[SqliteHubStore, list[list[Push]]]:
    """A store with ten open sessions, and what each is to push."""
    store = await SqliteHubStore.open(folder / "hub.db")
    await store.found(CHAIN, EPOCH)
    chance = random.Random(1)
    shops = [Shop(f"S{number:02}") for number in range(SHOPS)]
    for shop in shops:
        await shop.opens(store)
        for _ in range(BATCHES * BATCH):
            sku, delta = f"SKU{chance.randrange(SKUS):05}", -chance.randrange(1, 9)
            shop.records(counted(shop.name, sku, delta))
    return store, [[shop.push(BATCH) for _ in range(BATCHES)] for shop in shops]


async def _store_s(folder: Path) -> tuple[float, float]:
    """Time on the clock and on the processor, in seconds."""
    store, pushes = await _opened(folder)

    async def push_all(mine: list[Push]) -> None:
        for push in mine:
            await store.commit(push)

    began_s, began_processor_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(push_all, pushes))
    took_s = time.perf_counter() - began_s, time.process_time() - began_processor_s
    assert (await store.counts(0)).ledger == OPERATIONS
    await store.close()
    return took_s


def _profile(folder: Path) -> None:
    """The same commits on this thread, where a profiler sees them; one transaction for one batch of each shop."""

    async def prepare() -> list[list[Push]]:
        store, pushes = await _opened(folder)
        await store.close()
        return pushes

    pushes = asyncio.run(prepare())
    with closing(connect_writer(folder / "hub.db")) as db, cProfile.Profile() as profile:
        for together in zip(*pushes, strict=True):
            db.execute("BEGIN IMMEDIATE")
            for push in together:
                commit(db, push)
            db.execute("COMMIT")
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def _floor_s(folder: Path) -> float:
    with closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE log (at INTEGER PRIMARY KEY, body BLOB)")
        db.execute("CREATE TABLE id (id BLOB PRIMARY KEY, at INTEGER) WITHOUT ROWID")
        db.execute("CREATE TABLE total (id INTEGER PRIMARY KEY, sku TEXT, total INTEGER)")
        db.execute(
            "CREATE TABLE entry (id INTEGER, replica INTEGER, total INTEGER,"
            " PRIMARY KEY (id, replica)) WITHOUT ROWID"
        )
        body = bytes(100)
        began_s = time.perf_counter()
        for number in range(SHOPS * BATCHES):
            ats = range(number * BATCH, (number + 1) * BATCH)
            rows = [(number % SHOPS * SKUS + at * 7 % SKUS, number % SHOPS, at) for at in ats]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO log VALUES (?, ?)", [(at, body) for at in ats])
            db.executemany("INSERT INTO id VALUES (?, ?)", [(name_bytes(at), at) for at in ats])
            db.executemany("INSERT OR REPLACE INTO total VALUES (?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)
            db.execute("COMMIT")
        return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
