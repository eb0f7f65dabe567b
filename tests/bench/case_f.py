"""Case F: how fast the hub takes in what ten shops push in batches of 500, at its store and over the wire.

The floor writes as many rows of the same sizes with four bare `executemany` a batch, and decides nothing. PostgreSQL
is not measured: there is no such store yet.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from deploy.process import Daemon
from hub.store.interface import Committed, Push
from hub.store.sqlite.store import SqliteHubStore
from tests.bench import pushers
from tests.bench.figures import Figure, Outcome
from tests.bench.pushers import Pushed
from tests.bench.scale import scaled
from tests.bench.shops import BATCH, SHOPS, SKUS, as_pushes, found_hub, make_shops
from tests.store.shop import CHAIN, EPOCH, name_bytes

CASE: Final = "F"
TITLE: Final = "hub merge; 10 pushing shops, batches of 500"
_BATCHES: Final = 20


async def run(folder: Path) -> Outcome:
    """One run of the floor, of the store, and of a hub with ten sessions."""
    batches = scaled(_BATCHES)
    floor = await asyncio.to_thread(_floor_per_s, folder / "floor.db", batches)
    store = await _store_per_s(folder / "store.db", batches)
    wire = await _over_the_wire(folder, batches)
    return Outcome(
        (
            Figure("store", store, "ops/s", 30_000, at_least=True),
            Figure("over the wire", wire.per_s, "ops/s", 30_000, at_least=True),
            Figure("pushed", wire.bytes_per_operation, "bytes/op"),
            Figure("feed received by the ten", wire.received_mb, "MB"),
        ),
        (Figure("store", floor, "ops/s"), Figure("over the wire", floor, "ops/s")),
    )


async def _store_per_s(database: Path, batches: int) -> float:
    store = await SqliteHubStore.open(database)
    await store.found(CHAIN, EPOCH)
    shops = make_shops(batches=batches)
    for shop in shops:
        await shop.opens(store)
    pushes = [as_pushes(shop) for shop in shops]

    async def push_all(mine: list[Push]) -> None:
        for push in mine:
            outcome = await store.commit(push)
            assert isinstance(outcome, Committed), outcome

    began_s = time.perf_counter()
    await asyncio.gather(*map(push_all, pushes))
    took_s = time.perf_counter() - began_s
    operations = SHOPS * batches * BATCH
    assert (await store.counts(0)).ledger == operations
    await store.close()
    return operations / took_s


async def _over_the_wire(folder: Path, batches: int) -> Pushed:
    data = folder / "hub"
    await found_hub(data, make_shops(batches=0))
    hub = Daemon("hub", data, folder / "hub.log")
    await hub.start()
    try:
        pushed = await pushers.push_all(hub.port, batches)
        await hub.stop()
    finally:
        await hub.kill()
    return pushed


def _floor_per_s(database: Path, batches: int) -> float:
    body = bytes(100)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL").fetchall()
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE log (at INTEGER PRIMARY KEY, body BLOB)")
        db.execute("CREATE TABLE id (id BLOB PRIMARY KEY, at INTEGER) WITHOUT ROWID")
        db.execute("CREATE TABLE total (id INTEGER PRIMARY KEY, sku TEXT, total INTEGER)")
        db.execute(
            "CREATE TABLE entry (id INTEGER, replica INTEGER, total INTEGER,"
            " PRIMARY KEY (id, replica)) WITHOUT ROWID"
        )
        began_s = time.perf_counter()
        for number in range(SHOPS * batches):
            ats = range(number * BATCH, (number + 1) * BATCH)
            rows = [(number % SHOPS * SKUS + at * 7 % SKUS, number % SHOPS, at) for at in ats]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO log VALUES (?, ?)", [(at, body) for at in ats])
            db.executemany("INSERT INTO id VALUES (?, ?)", [(name_bytes(at), at) for at in ats])
            db.executemany("INSERT OR REPLACE INTO total VALUES (?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)
            db.execute("COMMIT")
        return SHOPS * batches * BATCH / (time.perf_counter() - began_s)
