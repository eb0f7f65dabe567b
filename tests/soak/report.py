"""The soak's table and its verdict, from the samples alone.

Rule: a daemon is judged within one life, since memory begins anew with each; the hub, which is restarted, is judged in
each life that is long enough and over its lives: the medians of their second halves, one point a life.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import Final, NamedTuple

from rich.table import Table

from tests.shopwork.clerk import Staff
from tests.soak.samples import Sample
from tests.soak.tills import Trade
from tests.soak.trend import TOLERANCES, WARM_UP_S, Point, Trend, trend

COLUMNS: Final = ("daemon", "figure", "first", "last", "most", "per hour", "")


class Judged(NamedTuple):
    """One series and how it went."""

    daemon: str
    figure: str
    trend: Trend
    lives: int
    life: int | None = None
    """None: over all lives of the daemon."""

    @property
    def whose(self) -> str:
        """As it is shown."""
        if self.lives == 1:
            return self.daemon
        if self.life is None:
            return f"{self.daemon}, its {self.lives} lives"
        return f"{self.daemon}, life {self.life}"

    @property
    def is_of_one_of_several(self) -> bool:
        """Whether the daemon had other lives, too."""
        return self.life is not None and self.lives > 1


def judge(samples: Sequence[Sample]) -> Iterator[Judged]:
    """Every series that is long enough."""
    ordered = sorted(samples, key=lambda s: (s.daemon, s.life))
    for daemon, of_daemon in groupby(ordered, key=lambda s: s.daemon):
        lives = [list(life) for _, life in groupby(of_daemon, key=lambda s: s.life)]
        for figure, tolerance in TOLERANCES.items():
            for number, life in enumerate(lives, start=1):
                warm = (s for s in life if s.life_s >= WARM_UP_S)
                if found := trend(_points(warm, figure), tolerance):
                    yield Judged(daemon, figure, found, len(lives), number)
            medians = [
                Point(life[-1].at_s, value) for life in lives for value in _late(life, figure)
            ]
            if found := trend(medians, tolerance):
                yield Judged(daemon, figure, found, len(lives))


def table(samples: Sequence[Sample]) -> Table:
    """The judged series, those of single lives of the hub left out unless they grow."""
    shown = Table(*COLUMNS, title="First and last ten minutes (medians), slope, verdict")
    for one in judge(samples):
        found = one.trend
        if one.is_of_one_of_several and not found.grows:
            continue
        numbers = (f"{n:.1f}" for n in (found.first, found.last, found.most))
        shown.add_row(one.whose, one.figure, *numbers, f"{found.per_hour:+.1f}", found.word)
    return shown


def growing(samples: Sequence[Sample]) -> list[str]:
    """Every series that grows, as `whose figure`.

    Single lives of the hub count when most of the later half grow. A cache is filled slowly while the database is
    small, and at once by the lives after that; a leak begins anew with every life.
    """
    found = [one for one in judge(samples) if one.trend.grows]
    late = Counter(
        (one.daemon, one.figure)
        for one in found
        if one.life is not None and one.life > one.lives // 2
    )
    return [
        f"{one.whose} {one.figure}"
        for one in found
        if not one.is_of_one_of_several
        or 2 * late[one.daemon, one.figure] > one.lives - one.lives // 2
    ]


def hub_lives(samples: Sequence[Sample], ends: Sequence[str]) -> Table:
    """One row for each life of the hub."""
    columns = ("life", "ended by", "min", "RSS warm", "RSS last", "MB per hour", "CPU share")
    shown = Table(*columns, title="The hub's lives")
    of_hub = [s for s in samples if s.daemon == "hub"]
    for number, life in groupby(of_hub, key=lambda s: s.life):
        looks = list(life)
        steady = _points((s for s in looks if s.life_s >= WARM_UP_S), "rss_mb")
        found = trend(steady, TOLERANCES["rss_mb"])
        last = looks[-1]
        shown.add_row(
            str(number),
            ends[number - 1] if number <= len(ends) else "-",
            f"{last.life_s / 60:.1f}",
            f"{steady[0].value:.1f}" if steady else "-",
            f"{last.rss_mb:.1f}",
            "-" if found is None else f"{found.per_hour:+.1f}",
            f"{last.cpu_s / max(last.life_s, 1.0):.0%}",
        )
    return shown


def trade_table(trades: dict[str, Trade], samples: Sequence[Sample]) -> Table:
    """One row for each node: sales, repeats, latencies, sizes."""
    columns = ("node", "sales", "repeated", "replayed", "p50 ms", "p99 ms", "max ms")
    shown = Table(*columns, "most pending", "database MB", "WAL MB", "CPU share", title="Trade")
    for name, trade in trades.items():
        of_node = [s for s in samples if s.daemon == name]
        if not of_node:
            continue  # it ended before the first look
        last = of_node[-1]
        shown.add_row(
            name,
            str(trade.answered),
            str(trade.repeated),
            str(trade.replayed),
            _median(s.p50_ms for s in of_node),
            _median(s.p99_ms for s in of_node),
            f"{trade.latency_ms_max:.0f}",
            str(max((s.pending or 0 for s in of_node), default=0)),
            f"{last.database_mb:.1f}",
            f"{max(s.wal_mb for s in of_node):.1f}",
            f"{last.cpu_s / max(last.life_s, 1.0):.0%}",
        )
    return shown


def processes(latest: Iterable[Sample]) -> Table:
    """One row for each process, as it was last looked at."""
    columns = ("process", "life", "RSS MB", "descriptors", "threads", "tasks", "database MB")
    shown = Table(*columns, "WAL MB", "pending", "CPU s")
    for one in latest:
        shown.add_row(
            one.daemon,
            str(one.life),
            f"{one.rss_mb:.1f}",
            str(one.descriptors),
            str(one.threads),
            "-" if one.tasks is None else str(one.tasks),
            f"{one.database_mb:.1f}",
            f"{one.wal_mb:.1f}",
            "-" if one.pending is None else str(one.pending),
            f"{one.cpu_s:.0f}",
        )
    return shown


def work_table(staff: Staff) -> Table:
    """What clerks did: how often each act was carried out, and how often it was refused."""
    shown = Table("act", "done", "refused", title="The clerks' work")
    refused: Counter[str] = Counter()
    for what, count in staff.refused.items():
        refused[what.rpartition(":")[0]] += count
    for what in sorted(staff.done.keys() | refused.keys()):
        shown.add_row(what, str(staff.done[what]), str(refused[what]))
    return shown


def _points(samples: Iterable[Sample], figure: str) -> list[Point]:
    values = ((s.at_s, getattr(s, figure)) for s in samples)
    return [Point(at_s, float(value)) for at_s, value in values if value is not None]


def _late(life: Sequence[Sample], figure: str) -> list[float]:
    """The median of a life's second half, if the life has more than a look or two."""
    points = _points(life[len(life) // 2 :], figure)
    return [median(p.value for p in points)] if len(points) >= 3 else []


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.2f}" if known else "-"
