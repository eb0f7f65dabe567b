"""A node on a disk that fails, one row for each way it can: never a false answer, and what it does about it.

The rows are those of FAULTS G19. A failed call is a real one: `strace` makes it fail while the daemon runs.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import injection
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import CHECKOUT, Served, out, run, serving

EXIT_IO = 74


@dataclass(frozen=True, slots=True)
class Row:
    """One way to fail, and what a till sees of it."""

    calls: str
    error: str
    status: int
    code: str


GOES_ON = {
    "no room": Row("pwrite64", "ENOSPC", 507, "disk_full"),
    "a write error": Row("pwrite64", "EIO", 503, "unavailable"),
    "a quota": Row("pwrite64", "EDQUOT", 503, "unavailable"),
    "a file system that went read-only": Row("pwrite64", "EROFS", 503, "unavailable"),
}
"""It recovers by itself, once the disk does."""

ENDS = {
    "a failed sync": Row("fdatasync", "EIO", 503, "unavailable"),
    "a sync without room": Row("fdatasync", "ENOSPC", 503, "unavailable"),
}
"""Nobody knows what is on the disk: the process ends, and comes back from the log."""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


def files(shop: Shop) -> list[Path]:
    """The database and its write-ahead log."""
    return [shop.database, Path(f"{shop.database}-wal")]


def on_hand(node: Served, shop: Shop) -> int:
    """What is shown of A1."""
    status, row, _ = node.ask("GET", "/v1/stock/S01/A1", shop.operator_token)
    assert status == 200
    return int(row["on_hand"])


@contextlib.contextmanager
def serving_until_it_ends(folder: Path, code: int) -> Iterator[Served]:
    """Run a daemon that is to end by itself with an exit code."""
    command = [sys.executable, "-m", "node", "serve", "--data", str(folder)]
    with (
        (folder.parent / "ends.log").open("w") as log,
        subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as child,
    ):
        try:
            assert child.stdout is not None
            line = child.stdout.readline().strip()
            yield Served(child, line.removeprefix("listening on "))
            assert child.wait(30) == code, (folder.parent / "ends.log").read_text()
        finally:
            child.kill()


@pytest.mark.parametrize("row", GOES_ON.values(), ids=GOES_ON.keys())
def test_a_write_that_fails_is_refused_read_from_still_and_made_good_by_itself(
    shop: Shop, row: Row
) -> None:
    injection.needed()
    with serving(shop.folder.path) as node:
        assert node.sell(shop.operator_token, "before")[0] == 201
        with injection.injected(node.child.pid, row.calls, row.error, files(shop)):
            for number in range(3):
                status, problem, _ = node.sell(shop.operator_token, f"during{number}")
                assert (status, problem["code"]) == (row.status, row.code)
            assert on_hand(node, shop) == -1
        status, _, headers = node.sell(shop.operator_token, "during1")
        assert (status, headers.get("Idempotency-Replayed")) == (201, None)
        assert on_hand(node, shop) == -2
        assert node.ask("GET", "/readyz", "")[0] == 200
    assert out("verify", "--data", str(shop.folder.path)) == ""


@pytest.mark.parametrize("row", ENDS.values(), ids=ENDS.keys())
def test_after_a_failed_sync_the_node_ends_and_comes_back_with_all_it_answered(
    shop: Shop, row: Row
) -> None:
    injection.needed()
    with serving_until_it_ends(shop.folder.path, EXIT_IO) as node:
        assert node.sell(shop.operator_token, "before")[0] == 201
        with injection.injected(node.child.pid, row.calls, row.error, files(shop)):
            status, problem, _ = node.sell(shop.operator_token, "during")
            assert (status, problem["code"]) == (row.status, row.code)
    with serving(shop.folder.path) as node:
        # Refused, and yet perhaps there: whoever repeats it with its key counts it once.
        assert node.sell(shop.operator_token, "during")[0] == 201
        assert on_hand(node, shop) == -2
    assert out("verify", "--data", str(shop.folder.path)) == ""


@pytest.mark.parametrize("calls", ["fdatasync", "pwrite64", "fsync"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_node_that_cannot_write_from_the_start_ends_with_one_sentence_or_serves_reads(
    shop: Shop, calls: str, error: str
) -> None:
    """Started on a disk that has failed already; what it says is never that it recorded something."""
    injection.needed()
    with serving(shop.folder.path, end=signal.SIGKILL) as node:
        assert node.sell(shop.operator_token, "before")[0] == 201
    trace = ["strace", "-f", "-o", os.devnull, "-e", f"inject={calls}:error={error}"]
    command = [sys.executable, "-m", "node", "serve", "--data", str(shop.folder.path)]
    with subprocess.Popen(
        [*trace, *command, "--listen", "127.0.0.1:0"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        line, is_up = child.stdout.readline().strip(), False
        if line:
            node = Served(child, line.removeprefix("listening on "))
            with contextlib.suppress(
                urllib.error.URLError
            ):  # its own work may have met the disk first, and ended it
                status, problem, _ = node.sell(shop.operator_token, "during")
                assert status in ({201} if calls == "fsync" else {503, 507}), problem
                is_up = True
                # Of strace itself no signal would reach it.
                inner = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
                os.kill(int(inner[0]), signal.SIGKILL)
        _, words = child.communicate(timeout=60)
    sentences = [each for each in words.splitlines() if not each.startswith("{")]
    assert is_up or (child.returncode == EXIT_IO and len(sentences) == 1), words
    with serving(shop.folder.path) as node:
        assert node.sell(shop.operator_token, "during")[0] == 201
        assert on_hand(node, shop) == -2


@pytest.mark.needs_tmpfs
def test_a_node_in_a_folder_that_is_read_only_refuses_to_start_in_one_sentence(shop: Shop) -> None:
    path = str(shop.folder.path)
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        done = run("serve", "--data", path, "--listen", "127.0.0.1:0")
    finally:
        subprocess.run(["umount", path], check=True)
    assert (done.returncode, done.stdout) == (EXIT_IO, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert path in done.stderr


def grow(shop: Shop) -> None:
    """Sell enough that the tables have pages of their own."""
    lines = [{"sku": f"A{number}", "delta": -1} for number in range(300)]
    with serving(shop.folder.path) as node:
        for number in range(3):
            body = {"kind": "sale", "location": "S01", "lines": lines, "note": "n" * 1000}
            path = ("POST", "/v1/movements", shop.operator_token, body)
            assert node.ask(*path, Idempotency_Key=f"g{number}")[0] == 201


def damage(shop: Shop, table: str) -> int:
    """Zero the root page of a table; its number."""
    with contextlib.closing(sqlite3.connect(shop.database)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (page,) = db.execute(query, (table,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with shop.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    return int(page)


def test_a_page_damaged_while_it_was_not_closed_in_order_stops_the_start_and_is_named(
    shop: Shop,
) -> None:
    grow(shop)
    with serving(shop.folder.path, end=signal.SIGKILL):
        pass
    damage(shop, "movement")
    done = run("serve", "--data", str(shop.folder.path), "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (EXIT_IO, "")
    sentence = [each for each in done.stderr.splitlines() if not each.startswith("{")]
    assert len(sentence) == 1, done.stderr
    assert str(shop.database) in sentence[0]
    assert "everstock-node verify" in sentence[0]
    assert "restore" in sentence[0]


def test_a_damaged_page_that_a_request_meets_is_no_answer_and_ends_the_node(shop: Shop) -> None:
    """Closed in order, a database is not read through at the start: what is damaged is met later, and then known."""
    grow(shop)
    damage(shop, "movement")
    with serving_until_it_ends(shop.folder.path, EXIT_IO) as node:
        status, problem, _ = node.ask("GET", "/v1/movements", shop.operator_token)
        assert (status, problem["code"]) == (503, "unavailable")
        status, problem, _ = node.sell(shop.operator_token, "k")
        assert (status, problem["code"]) == (503, "unavailable")
    lines = (shop.folder.path.parent / "ends.log").read_text().splitlines()
    said = [json.loads(line)["event"] for line in lines]
    assert any("damaged" in event for event in said), said
