"""Shops sell through a storm of faults on their lines; afterwards nothing is lost, nothing doubled, and all agree."""

import os
from pathlib import Path
from random import SystemRandom

import pytest
from rich.console import Console

from tests.chaos.storm import run_storm


@pytest.mark.timeout(400)
async def test_shops_sell_through_ten_seconds_of_faulty_lines(tmp_path: Path) -> None:
    await _storm(tmp_path, 10.0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_shops_sell_through_six_minutes_of_faulty_and_half_open_lines(
    tmp_path: Path,
) -> None:
    told = await _storm(tmp_path, 360.0)
    assert "Swallow" in told


async def _storm(folder: Path, lasting_s: float) -> str:
    seed = int(os.environ.get("EVERSTOCK_SEED") or SystemRandom().randrange(2**32))
    say = Console(soft_wrap=True).print  # pytest shows it when the test fails
    say(f"EVERSTOCK_SEED={seed}")
    told = await run_storm(folder, seed, lasting_s)
    say(told)
    return told
