"""A hub on a disk that fails, one row for each way it can: it promises nothing it cannot keep, and nodes sell on.

The rows are those of FAULTS G19. A failed call is a real one: `strace` makes it fail while the daemon runs.
"""

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import injection
from tests.node.processes import CHECKOUT, Served, out, run, serving

EXIT_IO = 74
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One way to fail, and what an operator who writes is told."""

    calls: str
    error: str
    status: int
    code: str


GOES_ON = {
    "no room": Row("pwrite64", "ENOSPC", 507, "disk_full"),
    "a write error": Row("pwrite64", "EIO", 503, "unavailable"),
    "a file system that went read-only": Row("pwrite64", "EROFS", 503, "unavailable"),
}
ENDS = {
    "a failed sync": Row("fdatasync", "EIO", 503, "unavailable"),
    "a sync without room": Row("fdatasync", "ENOSPC", 503, "unavailable"),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A new hub's folder."""
    out("init", "--data", str(tmp_path / "hub"), module="hub")
    return tmp_path / "hub"


def files(data: Path) -> list[Path]:
    """The database and its write-ahead log."""
    return [data / "hub.db", data / "hub.db-wal"]


def token(data: Path) -> str:
    return (data / "operator.token").read_text().strip()


def enrol(hub: Served, data: Path, name: str) -> tuple[int, str]:
    """Have the hub write something down: status, and the problem's code if it has one."""
    body = {"name": name, "writes": [name]}
    status, answer, _ = hub.ask("POST", "/v1/operator/enrol", token(data), body)
    return status, str(answer.get("code", ""))


def until(condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"not within {PATIENCE_S} seconds"
        time.sleep(0.1)


def join(hub: Served, data: Path, name: str) -> Path:
    """A shop's folder, joined."""
    code = out("enrol", "--data", str(data), "--name", name, "--writes", name, module="hub")
    shop = data.parent / name
    address = hub.url.replace("http", "ws")
    out("join", "--data", str(shop), "--hub", address, "--code", code)
    return shop


@contextlib.contextmanager
def serving_until_it_ends(data: Path, listen: str = "127.0.0.1:0") -> Iterator[Served]:
    """Run a hub that is to end by itself with the exit code of a failing disk."""
    command = [sys.executable, "-m", "hub", "serve", "--data", str(data), "--listen", listen]
    log = data.parent / "ends.log"
    with (
        log.open("w") as words,
        subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=words, text=True
        ) as child,
    ):
        try:
            assert child.stdout is not None
            yield Served(child, child.stdout.readline().strip().removeprefix("listening on "))
            assert child.wait(30) == EXIT_IO, log.read_text()
        finally:
            child.kill()


@pytest.mark.parametrize("row", GOES_ON.values(), ids=GOES_ON.keys())
def test_a_hub_that_cannot_write_acknowledges_nothing_and_takes_all_in_once_it_can(
    data: Path, row: Row
) -> None:
    injection.needed()
    with serving(data, module="hub") as hub:
        shop = join(hub, data, "S01")
        till = out("token", "--data", str(shop), "--name", "till-1")
        with serving(shop) as node:
            assert node.sell(till, "before")[0] == 201

            def acked() -> int:
                return int(node.ask("GET", "/v1/sync", till)[1]["acked"])

            until(lambda: acked() == 2)  # the note of the till's token, and a sale
            with injection.injected(hub.child.pid, row.calls, row.error, files(data)):
                assert node.sell(till, "during")[0] == 201
                assert enrol(hub, data, "S02") == (row.status, row.code)
                assert hub.ask("GET", "/v1/status", token(data))[0] == 200, "what is sound is read"
                time.sleep(1)
                assert acked() == 2
            until(lambda: acked() == 3)
        assert enrol(hub, data, "S02")[0] in {200, 201}
    assert out("verify", "--data", str(data), module="hub") == ""


@pytest.mark.parametrize("row", ENDS.values(), ids=ENDS.keys())
def test_after_a_failed_sync_the_hub_ends_and_comes_back_with_all_it_promised(
    data: Path, row: Row
) -> None:
    injection.needed()
    with serving_until_it_ends(data) as hub:
        assert enrol(hub, data, "S01")[0] in {200, 201}
        with injection.injected(hub.child.pid, row.calls, row.error, files(data)):
            assert enrol(hub, data, "S02") == (row.status, row.code)
    with serving(data, module="hub") as hub:
        assert enrol(hub, data, "S03")[0] in {200, 201}
    assert out("verify", "--data", str(data), module="hub") == ""


def test_a_node_sells_on_beside_a_hub_whose_sync_failed_and_is_taken_back(data: Path) -> None:
    injection.needed()
    with serving_until_it_ends(data) as hub:
        shop = join(hub, data, "S01")
        till = out("token", "--data", str(shop), "--name", "till-1")
        with serving(shop) as node:
            with injection.injected(hub.child.pid, "fdatasync", "EIO", files(data)):
                for number in range(3):
                    assert node.sell(till, f"k{number}")[0] == 201
                until(lambda: hub.child.poll() is not None)
            # Of what it recorded the note of the till's token may have come before.
            assert node.ask("GET", "/v1/sync", till)[1]["pending"] >= 3
    with (
        serving(data, "--listen", hub.url.removeprefix("http://"), module="hub"),
        serving(shop) as node,
    ):
        until(lambda: node.ask("GET", "/v1/sync", till)[1]["acked"] == 4)
        assert node.ask("GET", "/v1/stock/S01/A1", till)[1]["on_hand"] == -3
    assert out("verify", "--data", str(data), module="hub") == ""


def damage(data: Path, table: str) -> None:
    """Overwrite the root page of a table."""
    with contextlib.closing(sqlite3.connect(data / "hub.db")) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (page,) = db.execute(query, (table,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with (data / "hub.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def test_a_hub_damaged_while_it_was_not_closed_in_order_does_not_start(data: Path) -> None:
    (data / "running").touch(0o600)  # as `kill -9` leaves it
    damage(data, "ledger")
    done = run("serve", "--data", str(data), "--listen", "127.0.0.1:0", module="hub")
    assert (done.returncode, done.stdout) == (EXIT_IO, "")
    sentence = done.stderr.splitlines()[-1]
    assert all(words in sentence for words in ("hub.db is damaged", "verify", "restore"))


def test_a_damaged_page_that_a_write_meets_is_no_answer_and_ends_the_hub(data: Path) -> None:
    damage(data, "enrolment_code")
    with serving_until_it_ends(data) as hub:
        assert enrol(hub, data, "S01") == (503, "unavailable")


@pytest.mark.needs_tmpfs
def test_a_hub_in_a_folder_that_is_read_only_refuses_to_start_in_one_sentence(data: Path) -> None:
    path = str(data)
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        done = run("serve", "--data", path, "--listen", "127.0.0.1:0", module="hub")
    finally:
        subprocess.run(["umount", path], check=True)
    assert (done.returncode, done.stdout) == (EXIT_IO, "")
    assert "Traceback" not in done.stderr
    assert path in done.stderr.splitlines()[-1]
