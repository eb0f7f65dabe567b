"""Runs our commands on one folder under strace, and reads what each of them did to it.

Rule: what it starts has ended when its call or block ends, however that ends; a recording is of the last command alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from deploy.process import Module
from tests.crash import recording
from tests.crash.planted import program
from tests.crash.recording import Recording
from tests.crash.tracing import Traced

ANY_PORT: Final = "127.0.0.1:0"


class Recorder:
    """One folder and the commands of one module; the trace and what they say are kept beside the folder."""

    def __init__(self, module: Module, folder: Path, *, bug: str | None = None) -> None:
        """`bug` names one of `planted` that the commands shall have."""
        self.folder = folder
        self._module: Module = module
        self._program = () if bug is None else program(bug, module)
        self._trace = folder.with_suffix(".trace")
        self._before: Mapping[str, bytes] = {}

    async def run(self, command: str, *arguments: str) -> None:
        """Run a command on the folder to its end.

        Raises:
            AssertionError: its exit code was not 0; with its last words.
        """
        async with self._started(command, *arguments) as process:
            code, _ = await process.wait()
            assert code == 0, process.words()

    @contextlib.asynccontextmanager
    async def serving(self, listen: str = ANY_PORT) -> AsyncIterator[Traced]:
        """A daemon that listens; at the end of the block it is told to end, and has.

        Raises:
            AssertionError: it did not come to listen, or its exit code was not 0; with its last words.
        """
        async with self._started("serve", "--listen", listen) as daemon:
            assert await daemon.listens(), daemon.words()
            yield daemon
            code = await daemon.stop()
            assert code == 0, daemon.words()

    async def read(self, title: str, knowledge: Mapping[str, object]) -> Recording:
        """What the last command, which has ended, did to the folder."""
        return await asyncio.to_thread(
            recording.read,
            self._trace,
            self.folder,
            title=title,
            before=self._before,
            knowledge=knowledge,
        )

    @contextlib.asynccontextmanager
    async def _started(self, command: str, *arguments: str) -> AsyncIterator[Traced]:
        self._trace.unlink(missing_ok=True)
        self._before = recording.snapshot(self.folder)
        process = Traced(
            self._module,
            (command, "--data", str(self.folder), *arguments),
            trace=self._trace,
            log=self.folder.with_suffix(".log"),
            program=self._program,
        )
        try:
            await process.start()
            yield process
        finally:
            await process.kill()
