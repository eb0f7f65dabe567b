"""How much work a run does: all of it, or `--quick`, which shows that a case works and measures nothing.

Kept in the environment, so that a process a case starts is as quick as the case.
"""

import os
from typing import Final

_QUICK: Final = "BENCH_QUICK"
_QUICK_SHARE: Final = 20
_FULL: Final = "BENCH_FULL"


def be_quick() -> None:
    """From now on, here and in every process started from here."""
    os.environ[_QUICK] = "1"


def is_quick() -> bool:
    """Whether this run only shows that the case works."""
    return os.environ.get(_QUICK) == "1"


def scaled(count: int, *, least: int = 1) -> int:
    """`count`, or a twentieth of it when quick, but at least `least`."""
    return max(least, count // _QUICK_SHARE) if is_quick() else count


def be_full() -> None:
    """From now on: a case that takes a part of its work for want of time takes all of it."""
    os.environ[_FULL] = "1"


def is_full() -> bool:
    """Whether this run may take hours and gigabytes."""
    return os.environ.get(_FULL) == "1" and not is_quick()
