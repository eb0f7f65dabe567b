"""The command `everstock-hub` in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 60
EVERY_COMMAND = [
    ["serve", "--listen", "127.0.0.1:0"],
    ["enrol", "--name", "S01", "--writes", "S01"],
    ["access", "S01", "--reads", "*"],
    ["nodes"],
    ["quarantine"],
    ["verify"],
    ["backup", "copy.db"],
    ["retire", "S01"],
    ["revoke", "S01"],
    ["replaced", "S01"],
    ["status"],
    ["recovery-key"],
    ["sealed"],
    ["audit"],
]


def hub(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "hub", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment()
    )


def environment() -> dict[str, str]:
    """This process's, without settings of ours."""
    return {name: value for name, value in os.environ.items() if "EVERSTOCK" not in name}


@contextlib.contextmanager
def daemon(data: Path) -> Iterator[str]:
    """Serve until the block ends, then stop and see it end well; gives the address."""
    command = [sys.executable, "-m", "hub", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line.startswith("listening on http://127.0.0.1:"), line
            yield line.removeprefix("listening on ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
