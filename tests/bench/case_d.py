"""Case D: a new shop downloads and stores every counter of the chain."""

from pathlib import Path
from typing import Final

from tests.bench import download, floor_transfer
from tests.bench.figures import Figure, Outcome

CASE: Final = "D"
TITLE: Final = "a new shop downloads and stores 200,000 counters"


async def run(folder: Path) -> Outcome:
    """One run."""
    seen = await download.run(folder)
    floor_s = await floor_transfer.download(folder, seen.rows)
    return Outcome(
        (
            Figure("until stored", seen.seconds, "s", 3.0),
            Figure("on the line", seen.line_bytes / 1e6, "MB", 6.5),
        ),
        (Figure("until stored", floor_s, "s"),),
    )
