"""A node whose disk is full: it says so, it can be started again for reading, and it sells again with room."""

import asyncio
import contextlib
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import SALE, Served, run, serving

pytestmark = pytest.mark.needs_tmpfs
FILLER = "filler"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give the folder of node S01 on a disk of two megabytes."""
    disk = tmp_path / "S01"
    disk.mkdir(mode=0o700)
    options = "size=2m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], check=True)
    yield enrolled_folder(disk)
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(shop: Shop) -> None:
    """Leave no room at all."""
    filler = os.open(shop.folder.path / FILLER, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with contextlib.suppress(OSError):
        while os.write(filler, bytes(4096)):
            pass
    os.close(filler)


def ready(node: Served) -> int:
    """Ask whether the node is ready."""
    try:
        with urllib.request.urlopen(f"{node.url}/readyz", timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def why_not_ready(node: Served) -> object:
    """Ask, of a node that is not ready, the code of the reason."""
    status, problem, _ = node.ask("GET", "/readyz", "")
    assert status == 503
    return problem["code"]


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("not within ten seconds")


def sell_until_refused(node: Served, shop: Shop) -> None:
    """Sell what the write-ahead log still has room for."""
    sale = {**SALE, "note": "x" * 1000}
    for number in range(200):
        status, answer, _ = node.ask(
            "POST", "/v1/movements", shop.operator_token, sale, Idempotency_Key=f"k{number}"
        )
        if status != 201:
            assert (status, answer["code"]) == (507, "disk_full")
            return
    raise AssertionError("the disk is not full")


async def test_a_node_without_room_is_not_ready_until_a_write_succeeds(shop: Shop) -> None:
    with serving(shop.folder.path) as node:
        assert ready(node) == 200
        fill(shop)
        sell_until_refused(node, shop)
        assert [ready(node) for _ in range(3)] == [503] * 3
        assert why_not_ready(node) == "disk_full"
        (shop.folder.path / FILLER).unlink()
        await _until(lambda: ready(node) == 200)
        assert node.sell(shop.operator_token, "after")[0] == 201


async def test_a_node_killed_on_a_full_disk_starts_again_reads_and_sells_with_room(
    shop: Shop,
) -> None:
    with serving(shop.folder.path, end=signal.SIGKILL) as node:
        fill(shop)
        sell_until_refused(node, shop)
    fill(shop)
    with serving(shop.folder.path) as node:
        row = node.ask("GET", "/v1/stock/S01/A1", shop.operator_token)
        assert row[0] == 200, row
        (shop.folder.path / FILLER).unlink()
        assert node.sell(shop.operator_token, "after")[0] == 201
        # Commands find it once there is room to say where it is.
        await _until(lambda: shop.folder.daemon_url() == node.url)


def test_a_node_that_cannot_start_without_room_says_where_there_is_none(shop: Shop) -> None:
    with serving(shop.folder.path, end=signal.SIGKILL):
        pass
    for left in ("lock", "daemon.json", "node.sqlite-shm"):
        (shop.folder.path / left).unlink()
    fill(shop)
    done = run("serve", "--data", str(shop.folder.path), "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (74, "")
    assert str(shop.folder.path) in done.stderr
    sentences = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(sentences) == 1, done.stderr


def test_a_node_whose_folder_has_become_read_only_is_not_ready(shop: Shop) -> None:
    path = str(shop.folder.path)
    with serving(shop.folder.path) as node:
        subprocess.run(["mount", "--bind", path, path], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
            assert why_not_ready(node) == "unavailable"
        finally:
            subprocess.run(["umount", path], check=True)
        assert ready(node) == 200
