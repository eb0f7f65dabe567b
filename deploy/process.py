"""One of our commands as a child process: run to its end, or kept running as a daemon.

Invariant: a child never outlives its owner's call that ends it. `kill`, `stop` and a cancelled or failed
`start` return only after the child was waited for, and every signal goes to the one process id we started.
"""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import BinaryIO, Final, Literal

CHECKOUT: Final = Path(__file__).resolve().parent.parent
"""Children start here, so that `python -m hub` finds the packages of this checkout."""
START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 30.0
COMMAND_S_MAX: Final = 300.0
LOG_TAIL_LINES: Final = 15
READY_LINE: Final = "listening on http://"

Module = Literal["hub", "node"]


class ProcessError(Exception):
    """A child did not do what it was started for; the text ends with its last words."""


def free_port(preferred: int = 0) -> int:
    """`preferred` when nobody listens there on loopback, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ProcessError("no free port on 127.0.0.1")


async def run_command(module: Module, *arguments: str) -> str:
    """Run `everstock-<module> ARGUMENTS` to its end and return its stdout, stripped.

    Raises:
        ProcessError: the exit code was not 0, or it took longer than COMMAND_S_MAX.
    """
    child = await _spawn(module, arguments, stderr=PIPE)
    try:
        async with asyncio.timeout(COMMAND_S_MAX):
            output, words = await child.communicate()
    except TimeoutError:
        raise ProcessError(f"{_shown(module, arguments)} took over {COMMAND_S_MAX:.0f} s") from None
    finally:
        await _end(child)
    if child.returncode != 0:
        last_words = "\n".join(
            (output + words).decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        )
        raise ProcessError(
            f"{_shown(module, arguments)} ended with exit code {child.returncode}:\n{last_words}"
        )
    return output.decode().strip()


class Daemon:
    """`everstock-<module> serve` on one folder and, from its first start on, one port."""

    def __init__(
        self,
        module: Module,
        data: Path,
        log: Path,
        *,
        port: int = 0,
        options: tuple[str, ...] = (),
        program: str | None = None,
    ) -> None:
        """`options` are further arguments of `serve`.

        `program` is run instead of the module; it takes the same arguments and promises the same first line.
        """
        self.module: Module = module
        self.data = data
        self.log = log
        self.port = port
        self.options = options
        self._program = program or module
        self._child: Process | None = None

    @property
    def url(self) -> str:
        """Where it listens, or listened before it was ended."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int | None:
        """The process to look at while it runs; signals are this object's to send."""
        return self._child.pid if self._child is not None and self.running else None

    async def start(self) -> None:
        """Start it and return once it said that it listens. The port stays the same for ever after.

        Raises:
            ProcessError: it ended, or was silent for START_S_MAX; with the end of its log.
        """
        assert not self.running, "two daemons on one folder"
        place = ("--data", str(self.data), "--listen", f"127.0.0.1:{self.port}")
        with self._open_log() as log:
            self._child = await _spawn(self._program, ("serve", *place, *self.options), stderr=log)
        try:
            self.port = int((await self._first_line(self._child)).rpartition(":")[2])
        except BaseException:
            await self.kill()
            raise

    def check_running(self) -> None:
        """Do nothing while it runs, or when it was not started or was ended by this object.

        Raises:
            ProcessError: it ended by itself; with the end of its log.
        """
        if self._child is not None and self._child.returncode is not None:
            raise self._failed(f"ended by itself with exit code {self._child.returncode}")

    async def kill(self) -> None:
        """SIGKILL: what the kernel does when memory runs out. Nothing to end is no error."""
        child, self._child = self._child, None
        if child is not None:
            await _end(child)

    async def stop(self) -> None:
        """SIGTERM, and wait until it has drained and ended. Nothing to end is no error.

        Raises:
            ProcessError: it did not end within STOP_S_MAX, or with another exit code than 0.
        """
        self.check_running()
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                exit_code = await child.wait()
        except TimeoutError:
            raise self._failed(f"did not end within {STOP_S_MAX:.0f} s of SIGTERM") from None
        finally:
            await _end(child)
        if exit_code != 0:
            raise self._failed(f"ended with exit code {exit_code} after SIGTERM")

    async def _first_line(self, child: Process) -> str:
        # Nothing else is read: the daemon's contract is one line on stdout, which no pipe is too small for.
        assert child.stdout is not None
        try:
            async with asyncio.timeout(START_S_MAX):
                line = (await child.stdout.readline()).decode(errors="replace").strip()
                if not line:
                    raise self._failed(f"ended at start with exit code {await child.wait()}")
        except TimeoutError:
            raise self._failed(f"said nothing for {START_S_MAX:.0f} s after start") from None
        if not line.startswith(READY_LINE):
            raise self._failed(f"said {line!r} instead of where it listens")
        return line

    def _failed(self, what: str) -> ProcessError:
        return ProcessError(
            f"the {self.module} on {self.data} {what}. {self.log}:\n{self.log_tail()}"
        )

    def log_tail(self) -> str:
        """The last lines it wrote on stderr."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _open_log(self) -> BinaryIO:
        return self.log.open("ab")


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.kill()
    # Not wait(): this also reads the pipe to its end, and with that it is closed.
    await child.communicate()


async def _spawn(program: str, arguments: tuple[str, ...], *, stderr: int | BinaryIO) -> Process:
    # Settings of the caller's shell are for the caller's own daemons, not for these.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EVERSTOCK_HUB_", "EVERSTOCK_NODE_"))
    }
    # A session of its own: Ctrl-C reaches the owner alone, who then ends its children in order.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *arguments),
        cwd=CHECKOUT,
        env=environment,
        start_new_session=True,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=stderr,
    )


def _shown(module: Module, arguments: tuple[str, ...]) -> str:
    return f"everstock-{module} {' '.join(arguments)}"
