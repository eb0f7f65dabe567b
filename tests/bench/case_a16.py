"""Case A16: sixteen tills at one node at once, each sale durable before its answer."""

from pathlib import Path
from typing import Final

from tests.bench import tills
from tests.bench.figures import Figure, Outcome

CASE: Final = "A16"
TITLE: Final = "a till's sale, durable and answered; 16 clients"
_CLIENTS: Final = 16


async def run(folder: Path) -> Outcome:
    """One run; the hub is away in the figures that have a budget."""
    floor = await tills.floor(folder, _CLIENTS)
    away, there = await tills.node(folder, _CLIENTS)
    return Outcome(
        (
            Figure("sales", away.per_s, "sales/s", 3_500, at_least=True),
            Figure("p50", away.p50_ms, "ms"),
            Figure("p99", away.p99_ms, "ms", 12),
            Figure("processor a sale", away.cpu_ms, "ms"),
            *tills.as_figures(there, "hub there: "),
        ),
        tills.as_figures(floor),
    )
