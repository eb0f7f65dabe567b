"""Commands that reach a running daemon."""

import signal
from pathlib import Path

import pytest

from runtime.control import DaemonRefused, call_daemon
from runtime.folder import Folder
from tests.runtime.daemon_process import Daemon


def test_a_command_reaches_the_daemon_and_gets_its_refusals(daemon: Daemon) -> None:
    with pytest.raises(DaemonRefused, match="is missing") as none:
        call_daemon(daemon.folder, "/echo", {})
    daemon.folder.write_private("operator.token", b"sesame\n")
    answer = call_daemon(daemon.folder, "/echo", {"name": "till-1"})
    assert answer == {"got": {"name": "till-1"}, "loop": "uvloop"}
    daemon.folder.write_private("operator.token", b"wrong\n")
    with pytest.raises(DaemonRefused) as refused:
        call_daemon(daemon.folder, "/echo", {})
    with pytest.raises(DaemonRefused) as lost:
        call_daemon(daemon.folder, "/none", {})
    codes = [one.value.code for one in (none, refused, lost)]
    assert codes == ["unauthenticated", "unauthenticated", "not_found"]
    assert lost.value.problem["status"] == 404


def test_a_daemon_that_does_not_answer_is_a_refusal(daemon: Daemon) -> None:
    daemon.folder.write_private("operator.token", b"sesame\n")
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(DaemonRefused, match="does not answer"):
            call_daemon(daemon.folder, "/echo", {}, timeout_s=0.3)
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def test_an_answer_without_a_body_is_empty_and_ends_the_daemon(daemon: Daemon) -> None:
    daemon.folder.write_private("operator.token", b"sesame\n")
    assert call_daemon(daemon.folder, "/stop", {}) == {}
    assert daemon.process.wait(timeout=20) == 0
    assert call_daemon(daemon.folder, "/echo", {}) is None


def test_no_daemon_no_call(tmp_path: Path) -> None:
    assert call_daemon(Folder(tmp_path / "data"), "/echo", {}) is None
