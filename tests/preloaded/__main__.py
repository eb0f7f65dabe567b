"""The server that forks: `python -W error -m tests.preloaded FD`, started by `tests.preloaded.Starter` alone.

Invariant: it has one thread and has opened nothing, so that a fork of it is what a new interpreter is after loading.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import warnings
from typing import Any, Final

from node.api.openapi import document_bytes
from node.api.routes import routes
from tests.preloaded import MODULES, REQUEST_BYTES_MAX

LOADED: Final = (
    *(f"{name}.__main__" for name in ("hub", "node")),
    "hub.app",
    "node.app",
    *MODULES[2:],
)
"""What the commands load: the last are what `serve` alone needs."""

_UNHEARD: Final = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
"""What an interpreter does not tell unless it is asked to."""
_STANDARD: Final = {"stdin": 0, "stdout": 1, "stderr": 2}


def main() -> None:
    """Fork for each wish until whoever started this is gone; in each fork, be the command."""
    for name in LOADED:
        importlib.import_module(name)
    # Kept: a node describes its addresses when it starts, for half a second or more.
    document_bytes(routes())
    gc.collect()
    gc.freeze()  # a fork that collects would copy every page
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has only the thread that forks"
    with socket.socket(fileno=int(sys.argv[1])) as control:
        wish = _forked(control)
    if wish is not None:
        _become(*wish)


def _forked(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """In each fork what it shall become, and its standard files; None in the server, at the end."""
    while True:
        request, files, _, _ = socket.recv_fds(control, REQUEST_BYTES_MAX, 3)
        if not request:
            return None
        child = _fork_apart()
        if child is None:
            return json.loads(request), files
        control.send(str(child).encode())
        for file in files:
            os.close(file)


def _fork_apart() -> int | None:
    """A grandchild, given to whoever takes orphans; its number here, None in it."""
    told, tell = os.pipe()
    between = os.fork()
    if not between:
        grandchild = os.fork()
        if grandchild:
            os.write(tell, str(grandchild).encode())
            os._exit(0)
        os.close(told)
        os.close(tell)
        return None
    os.close(tell)
    os.waitpid(between, 0)  # only now is the grandchild an orphan
    with os.fdopen(told) as number:
        return int(number.read())


def _become(wish: dict[str, Any], files: list[int]) -> None:
    for name, standard in _STANDARD.items():
        os.dup2(files[standard], standard)
        os.close(files[standard])
        # What the server has remembers whether its own could be sought in.
        made = os.fdopen(standard, "w" if standard else "r", encoding="utf-8", closefd=False)
        made.reconfigure(line_buffering=name == "stderr" or made.isatty())
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    if wish["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(wish["environment"])
    if not wish["strict"]:
        warnings.resetwarnings()
        for kind in _UNHEARD:
            warnings.simplefilter("ignore", kind)
    sys.argv[1:] = wish["arguments"]
    for loaded in (wish["module"], f"{wish['module']}.__main__"):
        if loaded in LOADED:
            del sys.modules[loaded]  # it is run anew, as __main__
    runpy.run_module(wish["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
