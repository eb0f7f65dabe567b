"""Imports that are cut short: killed, beside a daemon that is killed, on a full disk, on a changed file.

Whatever happened, the same command again brings the file in to the row.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.exchange import importing
from node.exchange.importing import Tally
from node.exchange.mapping import Wishes
from node.exchange.movement_file import MovementFile, Rights
from node.exchange.reading import FileChanged, SourceFile
from node.exchange.rows import Fault
from node.exchange.sending import open_door
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.exchange.files import import_, logged, on_hand, write_sales
from tests.node.processes import CHECKOUT, out, serving

ROWS = 6_000


def start_import(shop: Shop, file: Path, *options: str) -> subprocess.Popen[str]:
    """Start the command as a process of its own."""
    command = [sys.executable, "-m", "node", "import", "movements", str(file), "--kind", "sale"]
    return subprocess.Popen(
        [*command, "--data", str(shop.folder.path), *options],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for at most half a minute."""
    give_up_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up_s, "it never came"
        time.sleep(0.005)


def assert_whole(shop: Shop, file: Path, rows: int = ROWS) -> None:
    """Import again, and compare with the file to the row."""
    before = logged(shop)
    done = import_(shop, file)
    recorded, there_already, *faulty = done.counts
    assert (done.code, recorded + there_already, faulty) == (0, rows, [0, 0])
    # A daemon may still have had a batch in hand when the log was looked at.
    assert before <= there_already
    assert logged(shop) == rows
    assert sum(on_hand(shop).values()) == -rows


@pytest.mark.parametrize("daemon", [True, False])
def test_an_import_that_was_killed_goes_on_where_it_was(
    shop: Shop, tmp_path: Path, daemon: bool
) -> None:
    file = write_sales(tmp_path / "f.csv", ROWS)
    with contextlib.ExitStack() as stack:
        if daemon:
            stack.enter_context(serving(shop.folder.path))
        with start_import(shop, file) as child:
            wait_until(lambda: logged(shop) > 0)
            child.kill()
        assert child.returncode == -signal.SIGKILL
        assert 0 < logged(shop) < ROWS
        assert_whole(shop, file)
    assert out("verify", "--data", str(shop.folder.path)) == ""


def test_ctrl_c_says_how_far_it_came_and_how_to_go_on(shop: Shop, tmp_path: Path) -> None:
    rows = 5 * ROWS  # on a busy machine the key is pressed late
    file = write_sales(tmp_path / "f.csv", rows)
    with start_import(shop, file) as child:
        wait_until(lambda: logged(shop) > 0)
        child.send_signal(signal.SIGINT)
        words = child.communicate(timeout=30)[1]
    assert child.returncode == 130, words
    assert "Interrupted. Recorded " in words
    assert "Run the same command again to go on." in words
    assert "Traceback" not in words
    assert_whole(shop, file, rows)


def test_a_daemon_that_is_killed_and_started_again_is_waited_for(
    shop: Shop, tmp_path: Path
) -> None:
    file = write_sales(tmp_path / "f.csv", ROWS)
    with serving(shop.folder.path, end=signal.SIGKILL) as daemon:
        child = start_import(shop, file)
        wait_until(lambda: logged(shop) > 100)
        daemon.child.kill()
    with serving(shop.folder.path):
        words = child.communicate(timeout=60)[1]
        assert child.returncode == 0, words
        assert f"Recorded {ROWS:,}" in words or "already there" in words
        assert_whole(shop, file)


def test_a_daemon_that_stays_away_ends_the_import_with_74(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.exchange.sending.PATIENCE_S", 0.5)
    file = write_sales(tmp_path / "f.csv", ROWS)
    with serving(shop.folder.path, end=signal.SIGKILL) as daemon:
        killer = threading.Thread(
            target=lambda: (wait_until(lambda: logged(shop) > 100), daemon.child.kill())
        )
        killer.start()
        done = import_(shop, file)
        killer.join()
    assert done.code == 74
    assert done.summary["ended"] == "stopped"
    assert 0 < done.summary["recorded"] <= logged(shop) < ROWS
    assert "Run the same command again to go on." in done.words
    assert_whole(shop, file)


@pytest.fixture
def small_shop(tmp_path: Path) -> Iterator[Shop]:
    """Give the folder of node S01 on a disk of two megabytes."""
    disk = tmp_path / "small"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none"]
    subprocess.run([*mount, str(disk)], check=True)
    yield enrolled_folder(disk)
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.needs_tmpfs
@pytest.mark.parametrize("daemon", [True, False])
def test_a_full_disk_stops_the_import_until_there_is_room(
    small_shop: Shop, tmp_path: Path, daemon: bool
) -> None:
    file = write_sales(tmp_path / "f.csv", ROWS)
    with contextlib.ExitStack() as stack:
        if daemon:
            stack.enter_context(serving(small_shop.folder.path))
        done = import_(small_shop, file)
        assert (done.code, done.summary["ended"]) == (74, "stopped"), done
        assert "no room left" in done.words
        assert logged(small_shop) == done.summary["recorded"] < ROWS
    grown = ["mount", "-o", "remount,size=64m", str(small_shop.folder.path)]
    subprocess.run(grown, check=True)
    assert_whole(small_shop, file)


class _Unwatched:
    """Nobody is told."""

    def phase(self, name: str, bytes_total: int) -> None: ...

    def progress(self, bytes_read: int, rows: int) -> None: ...

    def fault(self, fault: Fault) -> None: ...

    def refused(self, line: int, code: str, detail: str) -> None: ...


def test_nothing_of_a_file_that_changed_after_its_check_is_recorded(
    shop: Shop, tmp_path: Path
) -> None:
    file = write_sales(tmp_path / "f.csv", 50)
    source, nobody = SourceFile.open(file), _Unwatched()
    wishes = Wishes(constants={"kind": "sale", "location": "S01"})
    sales = MovementFile(wishes, Rights(shop.folder))
    checked = importing.check(source, sales, nobody)
    with file.open("r+b") as changed:
        changed.seek(-4, os.SEEK_END)
        changed.write(b"999\n")
    with open_door(shop.folder, sales) as door, pytest.raises(FileChanged):
        importing.record(source, checked, sales, door, nobody, Tally())
    source.close()
    assert logged(shop) == 0
