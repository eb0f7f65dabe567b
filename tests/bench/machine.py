"""What a figure was measured on: the machine in general terms, never by name, and how long its disk takes.

The disk is measured, not named: what a durable answer waits for is `fdatasync`, and the same disk behind another
hypervisor is another disk.
"""

import os
import platform
import sqlite3
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final

from deploy.process import CHECKOUT

_SYNCS: Final = 200
_PAGE_BYTES: Final = 4_096


def describe(folder: Path) -> dict[str, str]:
    """Cores, processor, memory, kernel, versions, and the `fdatasync` of the folder's file system; blocks."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fdatasync": f"{sync_ms(folder):.3g} ms (median of {_SYNCS} writes of 4 KiB)",
        "load": f"{os.getloadavg()[0]:.1f} before the first run",
    }


def commit() -> str:
    """The commit that was measured, marked when the tree differs from it; blocks."""
    name = _git("rev-parse", "--short=12", "HEAD")
    return f"{name} with changes" if name and _git("status", "--porcelain") else name or "unknown"


def sync_ms(folder: Path) -> float:
    """How long it takes to append a page to a file and have it on the disk."""
    path = folder / "fdatasync"
    took_s = []
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(_SYNCS):
            os.write(opened, bytes(_PAGE_BYTES))
            began_s = time.perf_counter()
            os.fdatasync(opened)
            took_s.append(time.perf_counter() - began_s)
    finally:
        os.close(opened)
        path.unlink()
    return median(took_s) * 1_000


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _field(file: Path, name: str) -> str:
    for line in file.read_text(errors="replace").splitlines():
        field, _, value = line.partition(":")
        if field.strip() == name:
            return value.strip()
    return ""
