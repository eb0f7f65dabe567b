"""What of single flipped bits and lost pages in a hub's database `verify` finds; none of them is a crash.

The figures are printed. EVERSTOCK_FLIPS=10000 with `-m slow` takes about half an hour.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from hub.store.sqlite.store import SqliteHubStore
from hub.verify import verify
from protocol.certificate import Role
from tests.damage import Sound
from tests.store.shop import CHAIN, EPOCH, Shop, edited

FLIPS = 100
FLIPS_SLOW = int(os.environ.get("EVERSTOCK_FLIPS", "2000"))
CHECKED = frozenset({"ledger", "counter", "entry"})
UNCHECKED = frozenset({"ledger.accepted_at", "ledger.detail"})
"""Every value of these follows from another one."""


@pytest.fixture
def lived(tmp_path: Path) -> Sound:
    """A hub with the operations of two shops and an office, closed."""
    asyncio.run(_live(tmp_path / "hub.db"))
    return Sound(
        tmp_path / "hub.db",
        lambda: bool(verify(tmp_path / "hub.db", show_progress=False).problems),
        CHECKED,
        UNCHECKED,
    )


async def _live(path: Path) -> None:
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


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("flips", [FLIPS, pytest.param(FLIPS_SLOW, marks=pytest.mark.slow)])
def test_a_flipped_bit_in_a_checked_value_is_always_found_and_none_is_a_crash(
    lived: Sound, capsys: pytest.CaptureFixture[str], flips: int
) -> None:
    tally = lived.flip_bits(flips, random.Random(20_301_231))
    with capsys.disabled():
        print(f"\n{flips} flipped bits in {len(lived.content)} bytes of a hub\n{tally.text()}")
    assert tally.missed == []
    assert tally.share >= 0.85


def test_a_page_that_was_lost_is_found(lived: Sound, capsys: pytest.CaptureFixture[str]) -> None:
    tally = lived.lose_pages()
    with capsys.disabled():
        print(f"\neach page of a hub lost once\n{tally.text()}")
    assert tally.missed == []
    assert tally.share == 1
