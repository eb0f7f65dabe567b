"""Waiting until both sides agree, and copies of their files."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

PATIENCE_S = 30.0
T = TypeVar("T")


async def eventually(read: Callable[[], Awaitable[T]], expected: T) -> None:
    """Wait until what is read is what is expected, and fail with what it was when patience ends."""
    found = await read()
    for _ in range(int(PATIENCE_S / 0.02)):
        if found == expected:
            return
        await asyncio.sleep(0.02)
        found = await read()
    assert found == expected


def copy_file(source: Path, target: Path) -> None:
    """Put a closed database where another one was."""
    for file in target.parent.glob(f"{target.name}-*"):
        file.unlink()
    shutil.copyfile(source, target)
