"""What of single flipped bits and lost pages in a hub's and a node's database `verify` finds; none of them is a crash.

The figures are printed. EVERSTOCK_FLIPS=10000 with `-m slow` takes about half an hour for each of the two. FAULTS 5.2: every
flip that changes a value which is checked, and nearly all of those anywhere.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from hub.store.sqlite.store import SqliteHubStore
from hub.verify import verify
from node import upkeep
from node.replica import log, recovery, retention, scopes
from node.replica.identity import save_acked
from protocol.certificate import Role
from protocol.ids import Seq
from runtime.connection import connect_writer
from tests.damage import Sound
from tests.node.chain import ME, movement
from tests.node.enrolled import enrolled_folder
from tests.node.replica.conftest import STOCK
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_retention import DAY_MS, NOW_MS, edit, prune
from tests.node.replica.test_view import OTHER, pull, push, record
from tests.store.shop import CHAIN, EPOCH, Shop, edited

FLIPS: Final = 100
FLIPS_SLOW: Final = int(os.environ.get("EVERSTOCK_FLIPS", "1000"))
SEED: Final = 20_301_231


class Lived(NamedTuple):
    """The database of a hub or a node that has lived, and which of the two it is."""

    of: str
    database: Sound


def hub_that_lived(folder: Path) -> Sound:
    """One with the operations of two shops and an office."""
    path = folder / "hub.db"
    asyncio.run(_fill_hub(path))
    return Sound(
        path,
        lambda: bool(verify(path, show_progress=False).problems),
        checked=frozenset({"ledger", "counter", "entry"}),
        unchecked=frozenset({"ledger.accepted_at", "ledger.detail"}),
    )


async def _fill_hub(path: Path) -> None:
    store = await SqliteHubStore.open(path)
    await store.found(CHAIN, EPOCH)
    shops = [Shop("S01"), Shop("S02")]
    office = Shop("office", role=Role.OFFICE)
    for each in (*shops, office):
        await each.opens(store)
    for at in range(120):
        for shop in shops:
            shop.sells(f"sku {at % 40}", at)
        office.records(edited(f"{at % 10}", "name", f"name {at}", at=at))
    for each in (*shops, office):
        await each.pushes(store)
    await store.close()


def node_that_lived(folder: Path) -> Sound:
    """One that recorded, heard from the hub, and cut off half of its log."""
    shop = enrolled_folder(folder / "S01")
    hub = SmallHub()
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("BEGIN")
        recovery.begin_replica(db, ME)
        scopes.begin(db, [STOCK])
        log.append(db, log.head(db), edit(9_000, "Apple"))
        for number in range(1, 301):
            record(db, movement(number, (f"sku{number % 40}", -1), (f"sku{number % 7}", 3)))
        push(db, hub)
        hub.push(OTHER, Seq(1), movement(5_000, *((f"sku{n}", 50) for n in range(40))))
        pull(db, hub)
        log.acknowledge(db, Seq(301), NOW_MS - 40 * DAY_MS)
        save_acked(db, Seq(301), Seq(150), NOW_MS)
        prune(db)
        for number in range(301, 330):
            record(db, movement(number, (f"sku{number % 40}", -2)))
        db.execute("COMMIT")
        assert retention.count(db) == 180  # of 330
    return Sound(
        shop.database,
        lambda: bool(upkeep.problems(shop.folder.path)),
        checked=frozenset({"log", "movement_sku", "counter", "pending_delta", "kept_edit"}),
        # How far our log was inside the row: the hub's word, which nothing else here says.
        unchecked=frozenset({"counter.own"}),
    )


LIVED: Final[dict[str, Callable[[Path], Sound]]] = {"hub": hub_that_lived, "node": node_that_lived}


@pytest.fixture(params=LIVED)
def lived(request: pytest.FixtureRequest, tmp_path: Path) -> Lived:
    """One that is closed and adds up."""
    return Lived(request.param, LIVED[request.param](tmp_path))


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("flips", [FLIPS, pytest.param(FLIPS_SLOW, marks=pytest.mark.slow)])
def test_a_flipped_bit_in_a_checked_value_is_always_found_and_none_is_a_crash(
    lived: Lived, capsys: pytest.CaptureFixture[str], flips: int
) -> None:
    tally = lived.database.flip_bits(flips, random.Random(SEED))
    size = len(lived.database.content)
    with capsys.disabled():
        print(f"\n{flips} flipped bits in {size} bytes of a {lived.of}\n{tally.text()}")
    assert tally.missed == []
    assert tally.share >= 0.85


def test_a_page_that_was_lost_is_found(lived: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    tally = lived.database.lose_pages()
    with capsys.disabled():
        print(f"\neach page of a {lived.of} lost once\n{tally.text()}")
    assert tally.missed == []
    assert tally.share == 1
