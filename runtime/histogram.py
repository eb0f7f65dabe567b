"""Histograms that cost a sale almost nothing.

Invariant: one thread observes, the event loop's, and so nothing is locked; a scrape in another thread may read a count
one observation early or late, never a torn one. prometheus_client's own takes two locks and a search through all
buckets for each observation.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Series:
    """The observations under one set of labels; made by `LoopHistogram.series`."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By bucket, not cumulated; the last is for what is above all bounds."""
        self.total = 0.0

    def observe(self, amount: float) -> None:
        """Count one amount; called on the event loop only."""
        self.counts[bisect_left(self._bounds, amount)] += 1
        self.total += amount


class LoopHistogram(Collector):
    """A histogram in Prometheus's sense.

    Args:
        bounds: upper bounds of the buckets, ascending, in the unit that the name ends with.
        labels: names of the labels; their values come from fixed sets, since every set of them is kept for ever.
    """

    def __init__(
        self,
        name: str,
        help_: str,
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
        labels: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._help = help_
        self._bounds = tuple(bounds)
        self._labels = tuple(labels)
        self._series: dict[tuple[str, ...], Series] = {}
        if not labels:
            self.series()  # zero from the start: a rate over a series that just appeared is lost
        registry.register(self)

    def series(self, *values: str) -> Series:
        """The series of these label values, for keeping; made when it is new."""
        assert len(values) == len(self._labels), "a value for each label"
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = Series(self._bounds)
        return found

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape reads."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for values, series in list(self._series.items()):
            counts = list(accumulate(series.counts))
            family.add_metric(values, list(zip(bounds, counts, strict=True)), series.total)
        yield family
