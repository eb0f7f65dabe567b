"""kill -9 at random, under load: no answered sale is lost, none is recorded twice, and all agree afterwards.

Who is killed and when is in `kills`; the seed is printed, and EVERSTOCK_SEED repeats it. `python -m tests.chaos --kills
2000` is the long form.
"""

import os
from pathlib import Path
from random import SystemRandom

import pytest
from rich.console import Console

from tests.chaos.kills import killed_chain


@pytest.mark.timeout(400)
async def test_ten_kills_lose_no_answered_sale_and_double_none(tmp_path: Path) -> None:
    await _sell_under_kills(tmp_path, kill_count=10)


@pytest.mark.slow
@pytest.mark.timeout(2400)
async def test_a_hundred_and_fifty_kills_lose_no_answered_sale_and_double_none(
    tmp_path: Path,
) -> None:
    await _sell_under_kills(tmp_path, kill_count=150)


async def _sell_under_kills(folder: Path, *, kill_count: int) -> None:
    seed = int(os.environ.get("EVERSTOCK_SEED") or SystemRandom().randrange(2**32))
    say = Console(soft_wrap=True).print  # pytest shows it when the test fails
    say(f"EVERSTOCK_SEED={seed}")
    async with killed_chain(folder, seed, say) as chain:
        await chain.run(kill_count)
        assert chain.kills.total() >= kill_count
        assert sum(till.repeated + till.settled for till in chain.tills) > 0, (
            "no kill struck a sale"
        )
