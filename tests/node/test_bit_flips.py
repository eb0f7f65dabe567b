"""What of single flipped bits and lost pages in a node's database `verify` finds; none of them is a crash.

The figures are printed. EVERSTOCK_FLIPS=10000 with `-m slow` takes about half an hour. FAULTS 5.2: every flip that changes a
value which is checked, and nearly all of those anywhere.
"""

import contextlib
import os
import random

import pytest

from node import upkeep
from node.replica import log, recovery, retention, scopes
from node.replica.identity import save_acked
from protocol.ids import Seq
from runtime.connection import connect_writer
from tests.damage import Sound
from tests.node.chain import ME, movement
from tests.node.enrolled import enrolled_folder
from tests.node.replica.conftest import STOCK
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_retention import DAY_MS, NOW_MS, edit, prune
from tests.node.replica.test_view import OTHER, pull, push, record

FLIPS = 100
FLIPS_SLOW = int(os.environ.get("EVERSTOCK_FLIPS", "2000"))
CHECKED = frozenset({"log", "movement_sku", "counter", "pending_delta", "kept_edit"})
"""Every value of these follows from another one."""


@pytest.fixture
def lived(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A node that recorded, heard from the hub, and cut off half of its log."""
    shop = enrolled_folder(tmp_path_factory.mktemp("flips") / "S01")
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
    return Sound(shop.database, lambda: bool(upkeep.problems(shop.folder.path)), CHECKED)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("flips", [FLIPS, pytest.param(FLIPS_SLOW, marks=pytest.mark.slow)])
def test_a_flipped_bit_in_a_checked_value_is_always_found_and_none_is_a_crash(
    lived: Sound, capsys: pytest.CaptureFixture[str], flips: int
) -> None:
    tally = lived.flip_bits(flips, random.Random(20_301_231))
    with capsys.disabled():
        print(f"\n{flips} flipped bits in {len(lived.content)} bytes of a node\n{tally.text()}")
    assert tally.missed == []
    assert tally.share >= 0.85


def test_a_page_that_was_lost_is_found(lived: Sound, capsys: pytest.CaptureFixture[str]) -> None:
    tally = lived.lose_pages()
    with capsys.disabled():
        print(f"\neach page of a node lost once\n{tally.text()}")
    assert tally.missed == []
    assert tally.share == 1
