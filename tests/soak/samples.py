"""What a daemon uses, read from outside: the kernel's figures of its process, its files, its own /metrics.

Linux only. A figure that is not there (no such metric, a daemon between two lives) is None, never zero.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TASKS_METRICS: Final = ("everstock_asyncio_tasks", "everstock_tasks")
_CLOCK_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Process:
    """One look at one process."""

    rss_mb: float
    descriptors: int
    threads: int
    cpu_s: float
    """Processor time since it started."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one daemon. `life` counts how often it was started, from 1."""

    at_s: float
    daemon: str
    life: int
    life_s: float
    """Since this life's start."""
    rss_mb: float
    descriptors: int
    threads: int
    cpu_s: float
    database_mb: float
    wal_mb: float
    tasks: int | None = None
    pending: int | None = None
    sales: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


def read_process(pid: int) -> Process | None:
    """Look at a process; None when it is gone."""
    folder = Path("/proc", str(pid))
    try:
        status = dict(
            line.split(":", 1) for line in folder.joinpath("status").read_text().splitlines()
        )
        # The command's name is in brackets and may hold spaces; utime and stime are 14th and 15th.
        stat = folder.joinpath("stat").read_text().rpartition(")")[2].split()
        return Process(
            rss_mb=int(status["VmRSS"].split()[0]) / 1024,
            descriptors=len(os.listdir(folder / "fd")),
            threads=int(status["Threads"]),
            cpu_s=(int(stat[11]) + int(stat[12])) / _CLOCK_TICKS_PER_S,
        )
    except (OSError, KeyError):
        return None


def database_mb(folder: Path) -> tuple[float, float]:
    """Size of a daemon's databases, and of what is in their write-ahead logs."""
    sizes = [
        (path.name.endswith("-wal"), path.stat().st_size)
        for pattern in ("*.db", "*.db-wal", "*.sqlite", "*.sqlite-wal")
        for path in folder.glob(pattern)
    ]
    return (
        sum(size for is_wal, size in sizes if not is_wal) / _MIB,
        sum(size for is_wal, size in sizes if is_wal) / _MIB,
    )


def tasks_of(metrics: str) -> int | None:
    """The daemon's count of asyncio tasks, where its /metrics has one."""
    for line in metrics.splitlines():
        name, _, value = line.partition(" ")
        if name in TASKS_METRICS:
            return int(float(value))
    return None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of all are not above; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
