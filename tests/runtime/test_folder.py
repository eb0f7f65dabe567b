"""The data folder: who has it, what is in it, who may read it."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runtime.folder import Folder, FolderBusy, FolderError, FolderUnsafe

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from runtime.folder import Folder
folder = Folder(Path(sys.argv[1]))
with folder.lock():
    if len(sys.argv) > 2:
        folder.announce(sys.argv[2])
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


def holder(folder: Folder, *announce: str) -> subprocess.Popen[str]:
    """Start another process that holds the lock until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.path), *announce],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=10)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Folder(tmp_path / "a" / "data")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a" / "data") == 0o700


def test_an_empty_folder_is_closed_to_others_and_a_used_one_left_alone(tmp_path: Path) -> None:
    empty, used = tmp_path / "empty", tmp_path / "used"
    for path in (empty, used):
        path.mkdir()
        path.chmod(0o755)
    (used / "file").touch()
    Folder(empty)
    Folder(used)
    assert (mode(empty), mode(used)) == (0o700, 0o755)


def test_a_folder_in_which_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    tmp_path.chmod(0o770)
    with pytest.raises(FolderUnsafe, match="chmod 700"):
        Folder(tmp_path)
    tmp_path.chmod(0o700)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError):
        Folder(tmp_path / "file")
    with pytest.raises(FolderError, match="No such file"):
        Folder(tmp_path / "none", must_exist=True)
    assert not (tmp_path / "none").exists()


def test_one_process_at_a_time_has_the_folder(folder: Folder) -> None:
    other = holder(folder)
    try:
        with pytest.raises(FolderBusy), folder.lock():
            pytest.fail("two have it")
    finally:
        end(other)
    with folder.lock():
        pass


def test_the_lock_of_a_killed_process_is_free(folder: Folder) -> None:
    end(holder(folder))
    with folder.lock():
        pass


def test_the_lock_is_free_after_an_error_inside(folder: Folder) -> None:
    with pytest.raises(ZeroDivisionError), folder.lock():
        _ = 1 // 0
    with folder.lock():
        pass


def test_asking_for_the_daemon_does_not_keep_a_daemon_from_starting(folder: Folder) -> None:
    """Whoever asks holds the lock for a moment, shared; whoever starts outwaits that."""
    with open(folder.path / "lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        asked = threading.Timer(0.1, fcntl.flock, [file, fcntl.LOCK_UN])
        asked.start()
        with folder.lock():
            asked.join()


def test_a_written_file_is_private_and_replaces_the_one_before(folder: Folder) -> None:
    before = os.umask(0)
    try:
        for content in (b"one", b"two"):
            path = folder.write_private("key", content)
    finally:
        os.umask(before)
    assert path == folder.path / "key"
    assert (folder.read("key"), mode(path)) == (b"two", 0o600)
    assert [file.name for file in folder.path.iterdir()] == ["key"]


def test_a_symbolic_link_is_replaced_not_followed_and_never_read(
    folder: Folder, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    (folder.path / "key").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic links"):
        folder.read("key")
    folder.write_private("key", b"ours")
    assert (outside.read_bytes(), folder.read("key")) == (b"theirs", b"ours")


def test_a_file_that_others_may_read_is_no_secret(folder: Folder) -> None:
    folder.write_private("key", b"x").chmod(0o644)
    with pytest.raises(FolderUnsafe, match="chmod 600"):
        folder.read("key")


def test_a_file_is_read_up_to_a_size(folder: Folder) -> None:
    folder.write_private("key", b"x" * (1024 * 1024 + 1))
    with pytest.raises(FolderError, match="too large"):
        folder.read("key")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd"])
def test_a_name_stays_in_the_folder(folder: Folder, name: str) -> None:
    with pytest.raises(AssertionError):
        folder.read(name)


def test_a_running_daemon_is_found(folder: Folder) -> None:
    daemon = holder(folder, "http://127.0.0.1:4711")
    try:
        assert folder.daemon_url() == "http://127.0.0.1:4711"
        assert mode(folder.path / "daemon.json") == 0o600
    finally:
        end(daemon)


def test_a_killed_daemon_is_not_found(folder: Folder) -> None:
    end(holder(folder, "http://127.0.0.1:4711"))
    assert (folder.path / "daemon.json").exists()
    assert folder.daemon_url() is None


def test_a_command_that_has_the_folder_is_no_daemon(folder: Folder) -> None:
    end(holder(folder, "http://127.0.0.1:4711"))
    command = holder(folder)
    try:
        assert folder.daemon_url() is None
    finally:
        end(command)


def test_a_daemon_that_has_retracted_is_not_found(folder: Folder) -> None:
    with folder.lock():
        folder.announce("http://127.0.0.1:4711")
        assert folder.daemon_url() == "http://127.0.0.1:4711"
        folder.retract()
        folder.retract()
        assert folder.daemon_url() is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"pid": 1}', json.dumps({"pid": "x", "url": 5}).encode()]
)
def test_an_unreadable_address_is_no_daemon(folder: Folder, content: bytes) -> None:
    with folder.lock():
        folder.write_private("daemon.json", content)
        assert folder.daemon_url() is None
