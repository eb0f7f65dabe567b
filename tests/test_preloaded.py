"""A command that begins with its modules loaded is to its starter what a new interpreter is."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.preloaded import CHECKOUT, Starter, fork_and_execute

HUB = [sys.executable, "-m", "hub"]
VERSION = [*HUB, "--version"]
REFUSED = [sys.executable, "-W", "error", "-m", "node", "status", "--data", "/nowhere"]
MISUSED = [*HUB, "enrol", "--no-such-option"]


@contextlib.contextmanager
def installed() -> Iterator[Starter]:
    """One of our own, in the place of whichever is in use."""
    used = subprocess._fork_exec
    own = Starter()
    own.install()
    try:
        yield own
    finally:
        own.close()
        subprocess._fork_exec = used


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    """One for most of these tests: its server takes seconds to load."""
    with installed() as own:
        assert run(VERSION)[0] == 0
        yield own


@pytest.fixture
def unused() -> Iterator[Starter]:
    """One whose server has not been needed."""
    with installed() as own:
        yield own


def server_of(starter: Starter) -> Path:
    """Its folder in /proc."""
    assert starter.server is not None
    return Path(f"/proc/{starter.server.pid}")


def run(command: list[str], **variables: str) -> tuple[int, str, str]:
    """Its exit code and what it said."""
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def init(folder: Path) -> None:
    """Make a hub there."""
    assert run([*HUB, "init", "--data", str(folder)])[0] == 0


def serve(folder: Path, **options: Any) -> subprocess.Popen[str]:
    """A daemon that listens."""
    command = [*HUB, "serve", "--data", str(folder), "--listen", "127.0.0.1:0"]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith("listening on")
    return child


@pytest.mark.parametrize("command", [VERSION, REFUSED, MISUSED])
def test_it_says_and_ends_as_a_new_interpreter_does(
    starter: Starter, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = starter.begun
    warm = run(command)
    assert starter.begun == begun + 1, "by the server"
    monkeypatch.setattr(subprocess, "_fork_exec", fork_and_execute)
    assert run(command) == warm
    assert starter.begun == begun + 1


def test_it_writes_much_to_files_and_pipes_whatever_the_server_writes_to(
    starter: Starter, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "node", "--help"]
    whole = run(command)[1]
    with (tmp_path / "said").open("w+") as said:
        said.write("before\n")
        said.flush()
        assert subprocess.run(command, stdout=said, check=False).returncode == 0
        assert subprocess.run(command, stdout=said, check=False).returncode == 0
    assert (tmp_path / "said").read_text() == f"before\n{whole}{whole}"


def test_it_sees_the_variables_it_was_given_and_no_others(starter: Starter, tmp_path: Path) -> None:
    init(tmp_path / "hub")
    serving = [*HUB, "serve", "--data", str(tmp_path / "hub")]
    code, _, words = run(serving, EVERSTOCK_HUB_LISTEN="nonsense")
    assert (code, "nonsense" in words) == (78, True), words


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_it_is_a_child_that_a_signal_reaches_alone(
    starter: Starter, tmp_path: Path, ended_by: signal.Signals
) -> None:
    init(tmp_path / "hub")
    with serve(tmp_path / "hub", start_new_session=True) as child:
        assert f"PPid:\t{os.getpid()}\n" in Path(f"/proc/{child.pid}/status").read_text()
        assert os.getpgid(child.pid) == child.pid, "a session of its own"
        assert server_of(starter).name != str(child.pid)
        child.send_signal(ended_by)
        assert child.wait(30) == (0 if ended_by == signal.SIGTERM else -ended_by)
    assert run(VERSION)[0] == 0, "the server goes on"


def test_ctrl_c_ends_it(starter: Starter, tmp_path: Path) -> None:
    init(tmp_path / "hub")
    with serve(tmp_path / "hub") as child:
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0


def test_it_has_no_files_but_its_own(starter: Starter, tmp_path: Path) -> None:
    init(tmp_path / "hub")
    with (tmp_path / "held").open("w") as held, serve(tmp_path / "hub") as child:
        open_files = [file.readlink() for file in Path(f"/proc/{child.pid}/fd").iterdir()]
        assert not [file for file in open_files if file.name == Path(held.name).name]
        control = server_of(starter).joinpath("fd").iterdir()
        sockets = {file.readlink() for file in control if "socket" in str(file.readlink())}
        assert sockets.isdisjoint(open_files), "nor the server's"
        child.kill()


def test_two_draw_their_own_chances(starter: Starter, tmp_path: Path) -> None:
    codes = []
    for name in ("one", "two"):
        code, made, _ = run([*HUB, "init", "--data", str(tmp_path / name)])
        assert code == 0
        codes.append(made)
    assert codes[0] != codes[1]


@pytest.mark.parametrize(
    "other",
    [
        [sys.executable, "-c", "print(1)"],
        [sys.executable, "-m", "json.tool", "--help"],
        ["/bin/echo", "-m", "hub"],
    ],
)
def test_whatever_else_a_test_starts_is_left_alone(unused: Starter, other: list[str]) -> None:
    assert run(other)[0] == 0
    assert unused.server is None


def test_elsewhere_and_under_other_settings_it_is_a_new_interpreter(
    unused: Starter, tmp_path: Path
) -> None:
    assert run(VERSION, PYTHONHASHSEED="7")[0] == 0
    paths = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    assert subprocess.run(VERSION, cwd=tmp_path, env=paths, check=False).returncode == 0
    assert unused.server is None


def test_a_test_may_kill_every_child_of_its_own() -> None:
    with installed() as own:
        assert run(VERSION)[0] == 0
        assert own.server is not None
        own.server.kill()
        own.server.wait()
        assert run(VERSION)[0] == 0


def test_the_server_ends_with_whoever_started_it() -> None:
    with installed() as own:
        assert run(VERSION)[0] == 0
        place = server_of(own)
        assert place.exists()
    assert not place.exists()
