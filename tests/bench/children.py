"""Programs of this folder as child processes, so that what measures never shares a loop with what is measured.

Invariant: a child is dead and waited for when its block ends, however it ends.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from deploy.process import CHECKOUT, READY_LINE

START_S_MAX: Final = 60.0
RUN_S_MAX: Final = 900.0


class ChildError(Exception):
    """A child did not do what it was started for; the text ends with its last words."""


class Served(NamedTuple):
    """A server: its port on loopback, and its process to look at."""

    port: int
    pid: int


@contextlib.asynccontextmanager
async def process_serving(module: str, *arguments: str, log: Path) -> AsyncIterator[Served]:
    """Run `python -m MODULE ARGUMENTS`, a server, inside the block.

    Raises:
        ChildError: it did not say where it listens.
    """
    with log.open("ab") as words:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=CHECKOUT,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=words,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S_MAX):
            line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(READY_LINE):
            raise ChildError(f"{module} said {line!r} instead of where it listens; see {log}")
        yield Served(int(line.rpartition(":")[2]), process.pid)
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def serving(module: str, *arguments: str, log: Path) -> AsyncIterator[int]:
    """The same; gives its port alone."""
    async with process_serving(module, *arguments, log=log) as served:
        yield served.port


async def order(module: str, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Run `python -m MODULE`, which reads a JSON object from stdin, to its end; gives the one it prints.

    Raises:
        ChildError: another exit code than 0.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module), cwd=CHECKOUT, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(RUN_S_MAX):
            answer, words = await process.communicate(json.dumps(wish).encode())
    finally:
        await _end(process)
    if process.returncode != 0:
        raise ChildError(f"{module} ended with {process.returncode}:\n{words.decode()[-2_000:]}")
    found: dict[str, Any] = json.loads(answer)
    return found


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
