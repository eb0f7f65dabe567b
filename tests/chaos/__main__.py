"""The longest forms of the chaos tests: `python -m tests.chaos --kills 2000`, `--cuts all`.

Rule: the seed is printed first, and the exit code is 0 only when nothing was lost, doubled or left behind.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from random import Random, SystemRandom
from typing import Final

from tests.chaos.every_cut import Bench, every_byte, sample
from tests.chaos.kills import killed_chain
from tests.chaos.storm import run_storm

TOLD_EVERY_CUTS: Final = 500


async def _kills(folder: Path, count: int, seed: int) -> None:
    began_s = time.monotonic()
    async with killed_chain(folder, seed, lambda line: print(line, flush=True)) as chain:
        await chain.run(count)
        print(f"{chain.summary()}; {time.monotonic() - began_s:.0f} s")


async def _cuts(folder: Path, wanted: str, lanes: int, seed: int) -> None:
    began_s = time.monotonic()
    async with Bench(folder, lanes, seed) as bench:
        sizes = await bench.measure()
        print(f"{sizes.up} bytes up, {sizes.down} down; frames end at {sizes}")
        rng = Random(seed)
        cuts = every_byte(sizes) if wanted == "all" else sample(sizes, int(wanted), rng)
        rng.shuffle(cuts)
        for first in range(0, len(cuts), TOLD_EVERY_CUTS):
            await bench.run(cuts[first : first + TOLD_EVERY_CUTS])
            done = min(first + TOLD_EVERY_CUTS, len(cuts))
            print(
                f"{done} of {len(cuts)} cuts, struck {dict(bench.struck)}, "
                f"{time.monotonic() - began_s:.0f} s",
                flush=True,
            )
        await bench.check_all()
    print("nothing lost, nothing doubled, everything fetched")


async def _storm(folder: Path, minutes: float, seed: int) -> None:
    print(await run_storm(folder, seed, 60 * minutes))


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--kills", type=int, metavar="N", help="kill -9 so often, under load")
    what.add_argument("--cuts", metavar="N|all", help="cut the canonical sync at so many bytes")
    what.add_argument("--storm", type=float, metavar="MINUTES", help="sell over faulty lines")
    parser.add_argument("--lanes", type=int, default=2, help="nodes that sync side by side")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    parser.add_argument("--folder", type=Path, help="where to keep the data; else a temporary one")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="everstock-chaos-") as temporary:
        folder = asked.folder or Path(temporary)
        if asked.kills is not None:
            asyncio.run(_kills(folder, asked.kills, asked.seed))
        elif asked.cuts is not None:
            asyncio.run(_cuts(folder, asked.cuts, asked.lanes, asked.seed))
        else:
            asyncio.run(_storm(folder, asked.storm, asked.seed))


if __name__ == "__main__":
    main()
