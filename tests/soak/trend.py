"""Flat or growing? The rule by which a series of samples is called one or the other.

Rule: the first minute of a life is warming up and left out. A figure *grows* when the median of the last window is
above that of the first by more than its tolerance, and the slope over the second half still points up by more than
the tolerance an hour; else it is *flat*. What rises once and stays, as a cache does, is flat. A window is ten minutes,
or a third of a series that is shorter than half an hour. What was looked at for less than three minutes is not judged:
how many tasks there are at a moment follows what is asked of a daemon then, and a few such moments lie on any line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import StatisticsError, linear_regression, median
from typing import Final, NamedTuple

WARM_UP_S: Final = 60.0
WINDOW_S: Final = 600.0
JUDGED_FROM_S: Final = 180.0


class Point(NamedTuple):
    """One value at one time."""

    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much more is no growth: the larger of the two."""

    share: float
    least: float

    def of(self, value: float) -> float:
        return max(self.share * value, self.least)


TOLERANCES: Final = {
    "rss_mb": Tolerance(share=0.05, least=4.0),
    "descriptors": Tolerance(share=0.0, least=2.0),
    "threads": Tolerance(share=0.0, least=1.0),
    "tasks": Tolerance(share=0.0, least=3.0),
}


@dataclass(frozen=True, slots=True)
class Trend:
    """A series in four numbers and a word. `per_hour` is the slope over the whole of it."""

    first: float
    last: float
    per_hour: float
    most: float
    grows: bool

    @property
    def word(self) -> str:
        return "grows" if self.grows else "flat"


def trend(points: Sequence[Point], tolerance: Tolerance) -> Trend | None:
    """Judge a series in order of time; None when it is too short, or has fewer than four points."""
    if len(points) < 4:
        return None
    began_s, ended_s = points[0].at_s, points[-1].at_s
    if ended_s - began_s < JUDGED_FROM_S:
        return None
    window_s = min(WINDOW_S, (ended_s - began_s) / 3)
    first = median(p.value for p in points if p.at_s <= began_s + window_s)
    last = median(p.value for p in points if p.at_s >= ended_s - window_s)
    allowed = tolerance.of(first)
    second_half = [p for p in points if p.at_s >= (began_s + ended_s) / 2]
    grows = last - first > allowed and slope_per_hour(second_half) > allowed
    return Trend(first, last, slope_per_hour(points), max(p.value for p in points), grows)


def slope_per_hour(points: Sequence[Point]) -> float:
    """Least squares; 0 where there are too few points for a line."""
    try:
        return 3600 * linear_regression(*zip(*points, strict=True)).slope
    except (StatisticsError, TypeError):
        return 0.0
