"""Commands of ours that a test starts as processes begin with their modules already loaded.

Loading the product takes a processor a second, and the tests start it a thousand times. So each test process keeps one
server (`tests.preloaded.__main__`) that has loaded it and forks: what a test gets is a process of its own all the
same, its own child, with its own number, files, signals and end. What loading itself does is tried by the tests that
trace daemons, start the demonstration or run the replay, which start interpreters as a user does.

Invariant: only `python [-W error] -m MODULE` of this checkout, with this environment's interpreter settings, is begun
so; whatever else a test starts is left to the standard library. EVERSTOCK_COLD=1 leaves everything to it.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
MODULES: Final = ("hub", "node", "tests.chaos.other_world")
REQUEST_BYTES_MAX: Final = 200_000
_PR_SET_CHILD_SUBREAPER: Final = 36
_NOBODY_ELSE: Final = (-1, None, None, None, -1, None)
"""Process group, gid, gids, uid, umask and what runs before exec: as when nothing of it is asked for."""
fork_and_execute: Final = subprocess._fork_exec
"""The standard library's own: one function, under `subprocess` and `asyncio` alike, with all that was asked for."""


class Starter:
    """Stands where the standard library forks and executes; `install` puts it there for the rest of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.begun = 0

    def install(self) -> None:
        """From now on; the server itself is started when the first command is."""
        # The server's forks lose their parent at once, and become children of ours: only then can we wait for them.
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no children of children")
        subprocess._fork_exec = self._start

    def close(self) -> None:
        """Leave starting to the standard library again, and wait until the server has ended."""
        subprocess._fork_exec = fork_and_execute
        self._forget()

    def _forget(self) -> None:
        if self._control is not None and self.server is not None:
            self._control.close()
            self._control = None
            self.server.wait()

    def _start(self, *given: Any) -> int:
        arguments, _, close_fds, keep, directory, variables = given[:6]
        stdin, stdout, stderr, told = given[6], given[9], given[11], given[13]
        new_session, others = given[15], given[16:22]
        environment = dict(os.environ) if variables is None else _parsed(variables)
        command = _module_and_arguments([os.fsdecode(argument) for argument in arguments])
        if (
            command is None
            or not close_fds
            or list(keep) != [told]
            or others != _NOBODY_ELSE
            or Path(os.fsdecode(directory or ".")).resolve() != CHECKOUT
            or _interpreter_settings(environment) != _interpreter_settings(dict(os.environ))
        ):
            return fork_and_execute(*given)
        strict, module, rest = command
        wish = {
            "module": module,
            "arguments": rest,
            "environment": environment,
            "new_session": bool(new_session),
            "strict": strict,
        }
        files = [
            wanted if wanted != -1 else own for own, wanted in enumerate((stdin, stdout, stderr))
        ]
        with self._lock:
            if self.server is not None and self.server.poll() is not None:
                self._forget()  # a test that killed every child of its own
            if self._control is None:
                self._control = self._serve()
            socket.send_fds(self._control, [json.dumps(wish).encode()], files)
            self.begun += 1
            child = self._control.recv(REQUEST_BYTES_MAX)
        if not child:
            raise OSError("tests.preloaded has ended; what it said is on stderr")
        return int(child)

    def _serve(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-W", "error", "-m", "tests.preloaded", str(theirs.fileno())]
        with theirs:
            # It ends when our end of the pair does. Ctrl-C is for us: its forks are ours to end.
            self.server = subprocess.Popen(
                command, cwd=CHECKOUT, pass_fds=[theirs.fileno()], start_new_session=True
            )
        return ours


def _module_and_arguments(command: list[str]) -> tuple[bool, str, list[str]] | None:
    """Whether warnings are errors, which of MODULES, its arguments; None for another program."""
    program, *rest = command
    strict = rest[:2] == ["-W", "error"]
    dash_m, module, *arguments = [*rest[2 * strict :], "", ""]
    if program != sys.executable or dash_m != "-m" or module not in MODULES:
        return None
    return strict, module, arguments[:-2]


def _parsed(variables: list[bytes]) -> dict[str, str]:
    return dict(os.fsdecode(variable).split("=", 1) for variable in variables)


def _interpreter_settings(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}
