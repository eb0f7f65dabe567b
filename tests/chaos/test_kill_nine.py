"""kill -9 at random, under load: no answered sale is lost, none is recorded twice, and all agree afterwards.

Who is killed and when is in `kills`; the seed is printed, and EVERSTOCK_SEED repeats it. `python -m tests.chaos --kills
2000` is the long form.
"""

from pathlib import Path

import pytest

from tests.chaos.kills import killed_chain


@pytest.mark.timeout(400)
async def test_six_kills_lose_no_answered_sale_and_double_none(tmp_path: Path, seed: int) -> None:
    await _sell_under_kills(tmp_path, seed, kill_count=6)


@pytest.mark.slow
@pytest.mark.timeout(2400)
async def test_forty_kills_lose_no_answered_sale_and_double_none(tmp_path: Path, seed: int) -> None:
    await _sell_under_kills(tmp_path, seed, kill_count=40)


async def _sell_under_kills(folder: Path, seed: int, *, kill_count: int) -> None:
    async with killed_chain(folder, seed, print) as chain:
        await chain.run(kill_count)
        assert chain.kills.total() >= kill_count
        assert sum(till.repeated + till.settled for till in chain.tills) > 0, (
            "no kill struck a sale"
        )
