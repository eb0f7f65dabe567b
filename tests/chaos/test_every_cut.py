"""The canonical sync, cut: whatever byte the line breaks at, everything is sent once and everything is fetched.

`python -m tests.chaos --cuts all` cuts at every byte both ways.
"""

from pathlib import Path
from random import Random

import pytest

from tests.chaos.every_cut import Bench, sample

LANES = 2


@pytest.mark.timeout(300)
async def test_a_sync_cut_at_some_ends_of_frames_and_at_random_bytes_comes_out_right(
    tmp_path: Path, seed: int
) -> None:
    await _cut(tmp_path, seed, 16)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_a_sync_cut_at_more_bytes_comes_out_right(tmp_path: Path, seed: int) -> None:
    await _cut(tmp_path, seed, 120)


async def _cut(folder: Path, seed: int, count: int) -> None:
    async with Bench(folder, LANES, seed) as bench:
        sizes = await bench.measure()
        assert 15_000 < sizes.up + sizes.down < 40_000, sizes
        assert len(sizes.down_ends) > 5, "the handshake, pages of two scopes, an acknowledgement"
        await bench.run(sample(sizes, count, Random(seed)))
        print(f"{count} cuts planned, struck {dict(bench.struck)}, of {sizes}")
        # A cut behind the last byte of a sync that came out smaller strikes nothing: up to two of
        # sixteen were seen to, for a third of what is drawn is near the end.
        assert bench.struck.total() > 0.6 * count
        await bench.check_all()
