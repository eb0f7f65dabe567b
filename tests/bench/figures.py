"""What one run of a benchmark case says: its figures, and the floor measured in the same run.

A figure counts as a ratio to its floor. The machine is shared and noisy, so a bare number compares
with nothing; the floor is the least work that could do the same job here, now. A floor figure has
the name of the figure it bounds.

A case is a module `tests/bench/case_*.py` that holds

    CASE: str = "A1"
    TITLE: str = "a till's sale, durable and answered"
    async def run(folder: Path) -> Outcome

where `run` does one run, builds all it needs in `folder`, and leaves no process behind.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one run; `unit` is "sales/s", "ops/s", "ms", "s", "bytes/op" or "MB"."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    at_least: bool = False
    """The budget's direction: False is "at most", True is "at least"."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a case; each floor figure is named as the figure it bounds."""

    figures: tuple[Figure, ...]
    floor: tuple[Figure, ...] = ()
