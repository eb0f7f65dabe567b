"""Shops sell through a storm of faults on their lines; afterwards nothing is lost, nothing doubled, and all agree."""

from pathlib import Path

import pytest

from tests.chaos.proxy.faults import BREAKING, Swallow
from tests.chaos.storm import PULLED, run_storm

SALES_MIN = 30
KINDS_MIN = 3
"""That a fault was planned is not that it struck: with fewer there was no storm."""


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_shops_sell_through_ten_seconds_of_faulty_lines(tmp_path: Path, seed: int) -> None:
    storm = await run_storm(tmp_path, seed, 10.0)
    print(storm)
    assert storm.sales > SALES_MIN
    assert len(storm.struck.keys() - {PULLED}) >= KINDS_MIN, str(storm)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_shops_sell_through_three_minutes_of_faulty_and_half_open_lines(
    tmp_path: Path, seed: int
) -> None:
    storm = await run_storm(tmp_path, seed, 180.0)
    print(storm)
    every_kind = {kind.__name__ for kind in (*BREAKING, Swallow)}
    assert storm.struck.keys() == {*every_kind, PULLED}, str(storm)
