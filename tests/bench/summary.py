"""Several runs of a case made into one line a figure: median, spread, ratio to the floor, budget.

The ratio is taken run by run and its median shown, so that a machine that slows down in between slows both sides.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.figures import Figure, Outcome


@dataclass(frozen=True, slots=True)
class Line:
    """One figure over all runs of a case."""

    case: str
    figure: str
    unit: str
    values: tuple[float, ...]
    median: float
    floor_median: float | None
    floor_ratio: float | None
    """Figure by floor: of a rate, 1 is the floor and less is slower; of a time, more is slower."""
    budget: float | None
    at_least: bool

    @property
    def held(self) -> bool | None:
        """Whether the median is within the budget; None without one."""
        if self.budget is None:
            return None
        return self.median >= self.budget if self.at_least else self.median <= self.budget


def summarise(case: str, runs: Sequence[Outcome]) -> list[Line]:
    """One line for each figure of a case, in the order of the first run."""
    return [_line(case, first, runs) for first in runs[0].figures]


def as_table(title: str, lines: Sequence[Line]) -> Table:
    """The lines as they are read on a terminal."""
    table = Table(title=title, title_justify="left")
    for name in ("case", "figure"):
        table.add_column(name)
    for name in ("median", "spread", "floor", "to floor", "budget"):
        table.add_column(name, justify="right")
    table.add_column("")
    for line in lines:
        table.add_row(*_cells(line))
    return table


def as_markdown(lines: Sequence[Line]) -> list[str]:
    """The lines as they are kept in a file."""
    head = ("case", "figure", "median", "spread", "floor", "to floor", "budget", "")
    rows = [head, ("---", "---", *["---:"] * 5, "---"), *map(_cells, lines)]
    return [f"| {' | '.join(cells)} |" for cells in rows]


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines for programs."""
    return [asdict(line) | {"held": line.held} for line in lines]


def number(value: float) -> str:
    """Three digits, or all of a larger one."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(case: str, first: Figure, runs: Sequence[Outcome]) -> Line:
    values = [_named(first.name, run.figures) for run in runs]
    floors = [_named(first.name, run.floor) for run in runs]
    pairs = [(value, floor) for value, floor in zip(values, floors, strict=True) if value and floor]
    seen = [figure.value for figure in values if figure is not None]
    return Line(
        case,
        first.name,
        first.unit,
        tuple(seen),
        median(seen),
        median(floor.value for _, floor in pairs) if pairs else None,
        median(value.value / floor.value for value, floor in pairs) if pairs else None,
        first.budget,
        first.at_least,
    )


def _named(name: str, figures: Sequence[Figure]) -> Figure | None:
    return next((figure for figure in figures if figure.name == name), None)


def _cells(line: Line) -> tuple[str, ...]:
    sign = "≥" if line.at_least else "≤"
    return (
        line.case,
        line.figure,
        f"{number(line.median)} {line.unit}",
        f"{number(min(line.values))} - {number(max(line.values))}",
        "" if line.floor_median is None else number(line.floor_median),
        "" if line.floor_ratio is None else f"{line.floor_ratio:.2f}x",
        "" if line.budget is None else f"{sign} {number(line.budget)}",
        {True: "held", False: "missed", None: ""}[line.held],
    )
