"""Stores that have been worked on for long: a node's and a hub's, made once and copied for each run.

Made by the product's own code: the node records, the hub commits, and pages are taken in, so that `verify` passes on
them. Only the line between is left out, and who is at its other end. EVERSTOCK_BENCH_CACHE names a folder that keeps
them from one call to the next; they are made anew when a schema changes.
"""

import asyncio
import contextlib
import functools
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from deploy.process import CHECKOUT
from hub.store.sqlite.store import SqliteHubStore
from node.commands.requests import Line, Movement
from node.joining import OPERATOR, OPERATOR_TOKEN_NAME
from node.node import Node
from node.replica import identity, log, rows, scopes
from protocol.effects import Account
from protocol.frames.feed import Page
from protocol.ids import Epoch, HubSeq, Location, Lot, ReplicaId, Salt, Scope, Seq, Sku, stock_scope
from protocol.limits import PAGE_ROWS_MAX
from protocol.movements import MoveKind
from protocol.rows import CounterRow
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.world import World
from tests.bench import scale
from tests.bench.shops import BATCH, SKUS, as_pushes
from tests.node.enrolled import Shop as EnrolledNode
from tests.node.enrolled import enrolled_folder
from tests.store.shop import CHAIN, EPOCH, Shop, counted

OWN: Final = "S01"
OPERATIONS_OF_A_SHOP: Final = 10_000
_CHUNK: Final = 50_000
_SALT: Final = Salt(b"saltsalt")
_CACHE: Final = "EVERSTOCK_BENCH_CACHE"
_SCHEMAS: Final = ("node/replica/schema.sql", "hub/store/sqlite/schema.sql")


def size() -> tuple[int, int]:
    """How many operations and rows: 10 M and 2 M when full, a tenth of it else, little when quick."""
    operations = 10_000_000 if scale.is_full() else scale.scaled(1_000_000)
    return operations, operations // OPERATIONS_OF_A_SHOP * SKUS


async def node_folder(copy: Path) -> EnrolledNode:
    """A copy of the folder of a node with that many operations in its log, all acknowledged, and so many rows."""
    held = _place("node")
    if not held.exists():
        making = held.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        await _make_node(making)
        making.rename(held)
    await asyncio.to_thread(shutil.copytree, held, copy)
    token = copy.joinpath(OPERATOR_TOKEN_NAME).read_text().strip()
    return EnrolledNode(Folder(copy), token)


async def hub_database(copy: Path) -> None:
    """A copy of the database of a hub with that many operations in its ledger, and so many rows."""
    held = _place("hub")
    if not held.exists():
        making = held.with_suffix(".making")
        making.unlink(missing_ok=True)
        await _make_hub(making)
        making.rename(held)
    await asyncio.to_thread(shutil.copyfile, held, copy)


async def _make_node(folder: Path) -> None:
    operations, row_count = size()
    shop = enrolled_folder(folder, name=OWN, writes=(OWN,))
    with contextlib.closing(connect_writer(shop.database)) as db, _transaction(db):
        identity.save_epoch(db, Epoch(bytes(16)), 0, World().now_ms())
        replica = identity.read_position(db).replica
    rng, totals, head = Random(1), Counter[str](), 0
    for first in range(0, operations, _CHUNK):
        numbers = range(first, min(first + _CHUNK, operations))
        await _record(shop, rng, totals, numbers)
        own = [(OWN, sku, total) for sku, total in sorted(totals.items())]
        await asyncio.to_thread(_take_in, shop, own, replica, Seq(numbers.stop), head)
        head += len(own)
    for number in range(row_count // SKUS):
        others = [(f"T{number:04d}", f"SKU{sku:05d}", rng.randrange(500)) for sku in range(SKUS)]
        await asyncio.to_thread(_take_in, shop, others, None, Seq(operations), head)
        head += len(others)


async def _record(shop: EnrolledNode, rng: Random, totals: Counter[str], numbers: range) -> None:
    node = await Node.open(shop.folder, World())
    try:
        for start in range(numbers.start, numbers.stop, 1_000):
            items = []
            for number in range(start, min(start + 1_000, numbers.stop)):
                sku, delta = f"SKU{rng.randrange(SKUS):05d}", -rng.randrange(1, 10)
                totals[sku] += delta
                line = Line(Sku(sku), Lot(""), delta)
                items.append((f"old-{number}", Movement(MoveKind.SALE, Location(OWN), (line,))))
            await node.record_batch(OPERATOR, items)
    finally:
        await node.close()


def _take_in(
    shop: EnrolledNode,
    totals: list[tuple[str, str, int]],
    replica: ReplicaId | None,
    acked: Seq,
    head: int,
) -> None:
    """Rows of one location as the hub would send them after it has acknowledged the log up to `acked`."""
    scope: Scope = stock_scope(Location(totals[0][0]))
    now_ms = World().now_ms()
    with contextlib.closing(connect_writer(shop.database)) as db, _transaction(db):
        scopes.begin(db, [scope])
        log.acknowledge(db, acked, now_ms)
        identity.save_acked(db, acked, Seq(0), now_ms)
        held = scopes.read(db, scope)
        assert held is not None, "just begun"
        base = held.cursor
        for at in range(0, len(totals), PAGE_ROWS_MAX):
            found = tuple(
                CounterRow(
                    Location(location),
                    Sku(sku),
                    Lot(""),
                    int(Account.ON_HAND),
                    HubSeq(head + at + number),
                    total,
                )
                for number, (location, sku, total) in enumerate(
                    totals[at : at + PAGE_ROWS_MAX], start=1
                )
            )
            more = at + PAGE_ROWS_MAX < len(totals)
            inside = {} if replica is None else {replica: acked}
            page = Page(scope, base, found[-1].hub_seq, _SALT, more, inside, found)
            rows.take_in(db, page, found, replica or ReplicaId(bytes(16)), finish=True)
            base = page.to


async def _make_hub(database: Path) -> None:
    operations, _ = size()
    store = await SqliteHubStore.open(database)
    await store.found(CHAIN, EPOCH)
    rng = Random(2)
    for number in range(operations // OPERATIONS_OF_A_SHOP):
        shop = Shop(f"T{number:04d}")
        await shop.opens(store)
        for at in range(OPERATIONS_OF_A_SHOP):
            # Every SKU first, so that there are as many rows as are said.
            sku = at if at < SKUS else rng.randrange(SKUS)
            shop.records(counted(shop.name, f"SKU{sku:05d}", -rng.randrange(1, 10)))
        assert len(shop.log) % BATCH == 0
        for push in as_pushes(shop):
            await store.commit(push)
    await store.close()


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    yield
    db.execute("COMMIT")


def _place(daemon: str) -> Path:
    schema = hashlib.sha256(b"".join((CHECKOUT / each).read_bytes() for each in _SCHEMAS))
    operations, row_count = size()
    parent = Path(os.environ[_CACHE]) if os.environ.get(_CACHE) else Path(_own_folder().name)
    parent.mkdir(parents=True, exist_ok=True)
    return parent / f"{daemon}-{operations}-{row_count}-{schema.hexdigest()[:12]}"


@functools.cache
def _own_folder() -> "tempfile.TemporaryDirectory[str]":
    """For the runs of one call; removed when the interpreter ends."""
    return tempfile.TemporaryDirectory(prefix="everstock-bench-grown-")
