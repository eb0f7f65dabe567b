"""Case H: the memory of a node that has just downloaded 200,000 counters."""

from pathlib import Path
from typing import Final

from tests.bench import download
from tests.bench.figures import Figure, Outcome

CASE: Final = "H"
TITLE: Final = "memory of a node after case D"


async def run(folder: Path) -> Outcome:
    """One run; the floor is the same node before it was ever connected."""
    seen = await download.run(folder)
    return Outcome(
        (Figure("resident", seen.after.rss_mb, "MB", 150.0),),
        (Figure("resident", seen.before.rss_mb, "MB"),),
    )
