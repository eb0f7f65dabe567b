"""System calls of a running process made to fail: `strace` attached to it, for as long as a block lasts.

Invariant: when the block ends, the process is let go of and its calls work again. Only calls on the given files fail, so
the network and the interpreter are left alone.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

PATIENCE_S = 20.0


@functools.cache
def refusal() -> str | None:
    """Why this machine cannot do it; None when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-f", "-o", os.devnull, "-e", "inject=getppid:error=EIO", "true"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else "strace cannot inject faults here"


def needed() -> None:
    """Skip the test, loudly, where it cannot be done."""
    if reason := refusal():
        pytest.skip(reason)


@contextlib.contextmanager
def injected(pid: int, calls: str, error: str, files: Sequence[Path]) -> Iterator[None]:
    """Have the process's `calls` on `files` fail with `error` while the block lasts."""
    log = files[0].parent.parent / f"strace.{pid}.{time.monotonic_ns()}"
    paths = [argument for file in files for argument in ("-P", str(file))]
    command = ["strace", "-f", "-o", str(log), *paths]
    command += ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}", "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        try:
            assert strace.stderr is not None
            line = strace.stderr.readline()
            assert "attached" in line, line
            _wait_for_all_threads(pid)
            yield
        finally:
            strace.send_signal(signal.SIGINT)  # it lets go of the process, which goes on
            strace.communicate(timeout=PATIENCE_S)
    assert "INJECTED" in log.read_text(), "no call failed: the test proved nothing"
    log.unlink()


def _wait_for_all_threads(pid: int) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not all(_is_traced(task) for task in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < give_up_s, "strace has not attached to every thread"
        time.sleep(0.01)


def _is_traced(task: Path) -> bool:
    status = (task / "status").read_text()
    return "TracerPid:\t0\n" not in status
