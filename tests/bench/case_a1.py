"""Case A1: one till that sells as fast as it is answered, each sale durable before its answer."""

from pathlib import Path
from typing import Final

from tests.bench import tills
from tests.bench.figures import Figure, Outcome

CASE: Final = "A1"
TITLE: Final = "a till's sale, durable and answered; 1 client"


async def run(folder: Path) -> Outcome:
    """One run; the hub is away in the figures that have a budget."""
    floor = await tills.floor(folder, clients=1)
    away, there = await tills.node(folder, clients=1)
    return Outcome(
        (
            Figure("sales", away.per_s, "sales/s", 1_300, at_least=True),
            Figure("p50", away.p50_ms, "ms", 0.8),
            Figure("p99", away.p99_ms, "ms"),
            Figure("processor a sale", away.cpu_ms, "ms"),
            *tills.as_figures(there, "hub there: "),
        ),
        tills.as_figures(floor),
    )
