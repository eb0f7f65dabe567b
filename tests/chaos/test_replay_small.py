"""The replay of real data in small: the same engine, a seeded set that holds the same traps."""

from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from tests.data.engine import Load, replay
from tests.data.seeded import seeded_data
from tests.data.shop_till import Tally

SEED: Final = 2017
BASKETS: Final = 600


class Printed:
    """Prints what happens, for pytest to show when it fails."""

    def __init__(self) -> None:
        self.phase = self.event = Console(soft_wrap=True).print

    def progress(self, tally: Tally) -> None:
        """A bar would tell a log nothing."""


@pytest.mark.timeout(400)  # the engine is patient; it takes some 20 s
async def test_a_seeded_chain_comes_out_right_to_the_unit_under_kills_and_cuts(
    tmp_path: Path,
) -> None:
    data = seeded_data(SEED, basket_count=BASKETS)
    load = Load(SEED, hub_kills=1, node_kills=1, batch_chance=0.02)
    watcher = Printed()
    outcome = await replay(data, tmp_path, load, watcher)
    watcher.event(str(outcome))
    assert (outcome.movements, outcome.lines) == (BASKETS, data.line_count)
    # That a fault was planned is not that it struck: these say that the run was no idle one.
    assert outcome.repeats > BASKETS / 10
    assert outcome.cuts == len(data.writes)
