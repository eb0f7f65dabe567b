"""One of our commands under strace, and the system calls in its trace.

Invariant: a call's place in the order is where it *began*; its result is known where it ended. With several threads the two
differ, and a write may be on the disk before it has returned, while a sync counts only from its return.
"""

import asyncio
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.process import CHECKOUT, READY_LINE, START_S_MAX, STOP_S_MAX, Module

CALLS: Final = (
    "openat", "creat", "close", "write", "writev", "pwrite64", "pwritev", "pwritev2",
    "ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "sync_file_range", "msync",
    "rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat",
    "mmap", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice", "copy_file_range",
)  # fmt: skip
"""Everything that can change a file or say something to a peer. What is here and not understood ends the reading."""
# -D: the tracer is the grandchild, so that signals and exit codes are the command's own.
_FOLLOWING: Final = ("-D", "-f", "--seccomp-bpf", "-e", "signal=none")
_STRING_BYTES: Final = 16 * 1024 * 1024
_CALL: Final = re.compile(r"(\d+) +(\w+)\((.*)$")
_RESUMED: Final = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_RESULT: Final = re.compile(r"^(.*)\) += (-?\d+|0x[0-9a-f]+|\?)(<.*)?( \w+ \(.*\))?$")
_UNFINISHED: Final = " <unfinished ...>"


class TraceError(Exception):
    """The trace holds something that the replay does not know how to do."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call; arguments are as strace writes them."""

    name: str
    arguments: tuple[str, ...]
    began: int
    """Its number among all calls, in the order in which they began."""
    ended_after: int
    """How many calls had begun when it ended."""
    result: int


@functools.cache
def refusal() -> str | None:
    """Why nothing can be traced here; None when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", *_FOLLOWING, "-o", os.devnull, "-e", "trace=write", "true"],
        capture_output=True,
        check=False,
    )
    return "strace may not trace here" if tried.returncode else None


class Traced:
    """`python -m MODULE ARGUMENTS` under strace, its calls going to `trace`; the process ended is the command itself."""

    def __init__(
        self,
        module: Module,
        arguments: Sequence[str],
        *,
        trace: Path,
        log: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = (),
    ) -> None:
        """`options` replace what is recorded; `program` stands for `-m MODULE` where a test alters the product."""
        self.url = ""
        self._trace = trace
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        recorded = ("-xx", "-yy", "-s", str(_STRING_BYTES), "-e", f"trace={','.join(CALLS)}")
        self._command = (
            *("strace", *_FOLLOWING, "-o", str(trace)),
            *(options or recorded),
            *(sys.executable, *(program or ("-m", module)), *arguments),
        )
        self._child: Process | None = None

    async def start(self) -> None:
        """Start it. Its stdout is kept for `wait` and `listens`."""
        with self._log.open("ab") as words:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=CHECKOUT,
                env=self._environment,
                start_new_session=True,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=words,
            )

    async def listens(self) -> bool:
        """Wait until it says where it listens; False when it ended instead."""
        assert self._child is not None
        assert self._child.stdout is not None
        async with asyncio.timeout(START_S_MAX):
            line = (await self._child.stdout.readline()).decode(errors="replace").strip()
        self.url = line.removeprefix(READY_LINE.removesuffix("http://")) if line else ""
        return line.startswith(READY_LINE)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child is not None and self._child.returncode is None

    async def wait(self) -> tuple[int, str]:
        """Wait for its end and the trace's; exit code and stdout."""
        assert self._child is not None
        async with asyncio.timeout(STOP_S_MAX):
            output, _ = await self._child.communicate()
            ended = re.compile(rb"^%d +\+\+\+ (exited|killed)" % self._child.pid, re.MULTILINE)
            while not ended.search(_tail(self._trace)):  # noqa: ASYNC110 - the tracer is nobody's child
                await asyncio.sleep(0.01)
        assert self._child.returncode is not None
        return self._child.returncode, output.decode(errors="replace")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal, or find it ended; its exit code."""
        assert self._child is not None
        if self._child.returncode is None:
            self._child.send_signal(number)
        return (await self.wait())[0]

    async def kill(self) -> None:
        """Whatever it does, it has ended afterwards. Nothing to end is no error."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.communicate()

    def words(self) -> str:
        """The end of what it wrote on stderr."""
        return self._log.read_text(errors="replace")[-2_000:] if self._log.exists() else ""


def calls(trace: Path, concerns: Sequence[str]) -> Iterator[Call]:
    """The calls that name one of `concerns`, in the order in which they ended."""
    open_calls: dict[str, tuple[int, str, str]] = {}
    begun = 0
    with trace.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if (resumed := _RESUMED.match(line)) is not None:
                held = open_calls.pop(resumed[1], None)
                if held is not None:
                    yield _call(held[1], held[2] + resumed[3], held[0], begun)
            elif any(each in line for each in concerns):
                found = _CALL.match(line)
                if found is None:
                    continue
                begun += 1
                text = found[3].rstrip()
                if text.endswith(_UNFINISHED):
                    open_calls[found[1]] = (begun, found[2], text.removesuffix(_UNFINISHED))
                else:
                    yield _call(found[2], text, begun, begun)
    # What was cut short by a kill never returned: to a replay it is as if it had not begun.


def _call(name: str, text: str, began: int, ended_after: int) -> Call:
    found = _RESULT.match(text.rstrip())
    if found is None:
        raise TraceError(f"{name}: {text[:200]}")
    result = -1 if found[2] == "?" else int(found[2], 0)
    return Call(name, tuple(found[1].split(", ")), began, ended_after, result)


def text_of(quoted: str) -> bytes:
    r"""The bytes in `"\x61\x62"`, also where strace puts the quoted text behind a descriptor."""
    start, end = quoted.find('"'), quoted.rfind('"')
    return bytes.fromhex(quoted[start + 1 : end].replace("\\x", ""))


def hexed(text: str) -> str:
    """How a path looks in the trace."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200))
            return file.read()
    except FileNotFoundError:
        return b""
