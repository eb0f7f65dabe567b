"""Case I: what work costs as it grows: a sale at a node, and the hub's merge, on an empty and on a grown store.

Grown is a ledger of 10 M operations and 2 M rows with `--full`, a tenth of that else; the figures say which. The empty
store is measured in the same run and stands as the floor. Case B is not repeated here: what it adds to A1 and F is one
page of few rows at each end.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

from deploy.process import Daemon
from hub.store.interface import Committed, Push
from hub.store.sqlite.store import SqliteHubStore
from tests.bench import grown, load
from tests.bench.figures import Figure, Outcome
from tests.bench.load import Load
from tests.bench.scale import is_quick, scaled
from tests.bench.shops import BATCH, as_pushes, make_shops
from tests.node.enrolled import Shop as EnrolledNode
from tests.node.enrolled import enrolled_folder
from tests.store.shop import CHAIN, EPOCH

CASE: Final = "I"
TITLE: Final = "A1 and F on a grown store, within 1.5 times of an empty one"

_WITHIN: Final = 1.5
_MEASURED_S: Final = 5.0
_QUICK_S: Final = 0.2
_BATCHES: Final = 20


async def run(folder: Path) -> Outcome:
    """One run; the first of a call makes the grown stores, which is not timed."""
    operations, row_count = grown.size()
    scale_said = f"{operations:,} operations, {row_count:,} rows"
    empty_node = enrolled_folder(folder / "empty", name=grown.OWN, writes=(grown.OWN,))
    empty = await _sell(empty_node, folder)
    old = await _sell(await grown.node_folder(folder / "old"), folder)
    empty_per_s = await _merge(folder / "empty.db", is_new=True)
    await grown.hub_database(folder / "old.db")
    old_per_s = await _merge(folder / "old.db", is_new=False)
    return Outcome(
        (
            Figure(
                f"A1, p50 grown to empty ({scale_said})", old.p50_ms / empty.p50_ms, "x", _WITHIN
            ),
            Figure("A1, sales", old.per_s, "sales/s"),
            Figure("A1, p50", old.p50_ms, "ms"),
            Figure("A1, p99", old.p99_ms, "ms"),
            Figure("F, time grown to empty", empty_per_s / old_per_s, "x", _WITHIN),
            Figure("F, store", old_per_s, "ops/s"),
        ),
        (
            Figure("A1, sales", empty.per_s, "sales/s"),
            Figure("A1, p50", empty.p50_ms, "ms"),
            Figure("A1, p99", empty.p99_ms, "ms"),
            Figure("F, store", empty_per_s, "ops/s"),
        ),
    )


async def _sell(shop: EnrolledNode, folder: Path) -> Load:
    """One till, with nobody to connect to."""
    daemon = Daemon("node", shop.folder.path, folder / "node.log")
    await daemon.start()
    try:
        measured_s = _QUICK_S if is_quick() else _MEASURED_S
        token = shop.operator_token
        return await load.drive(load.Order(daemon.port, grown.OWN, token, 1, measured_s, "newly"))
    finally:
        await daemon.kill()


async def _merge(database: Path, *, is_new: bool) -> float:
    """Operations a second that ten new shops push into a store, in batches of 500."""
    store = await SqliteHubStore.open(database)
    if is_new:
        await store.found(CHAIN, EPOCH)
    shops = make_shops(batches=scaled(_BATCHES))
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
    await store.close()
    return sum(map(len, pushes)) * BATCH / took_s
