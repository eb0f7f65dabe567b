"""A backup is the whole node in one file, or there is no file; and what comes of it is known as a copy."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node import backup
from node.replica import verify
from runtime.connection import connect_writer
from runtime.errors import StoreUnavailable
from runtime.world import World
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import CHECKOUT, Served, out, run, serving


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


def take(shop: Shop, file: Path) -> backup.Made:
    return backup.take(shop.folder, file, World(), show_progress=False)


def restore(file: Path, path: Path) -> backup.Made:
    return backup.restore(file, path, World(), show_progress=False)


def sync(data: Path) -> dict[str, object]:
    status: dict[str, object] = json.loads(out("status", "--data", str(data), "--json"))
    return status


def operator_token(data: Path) -> str:
    return (data / "operator.token").read_text().strip()


def test_a_backup_beside_a_selling_node_becomes_a_node_that_sells_on(
    shop: Shop, tmp_path: Path
) -> None:
    file, again = tmp_path / "monday.sqlite", tmp_path / "again"
    token = out("token", "--data", str(shop.folder.path), "--name", "till-1")
    with serving(shop.folder.path) as node:
        for number in range(5):
            assert node.sell(token, f"k{number}")[0] == 201
        done = run("backup", "--data", str(shop.folder.path), str(file))
        assert (done.returncode, done.stdout) == (0, ""), done
        assert "6 operations" in done.stderr
        assert "secret" in done.stderr
        assert node.sell(token, "later")[0] == 201
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.glob(".*")] == []
    done = run("restore", "--data", str(again), str(file))
    assert (done.returncode, done.stdout) == (0, ""), done
    assert "node S01 as of" in done.stderr
    with serving(again) as node:
        assert node.sell(token, "k3")[2]["Idempotency-Replayed"] == "true", "its answers came along"
        assert node.sell(token, "new")[0] == 201
        assert node.ask("GET", "/v1/sync", operator_token(again))[0] == 200
        assert node.ask("GET", "/v1/sync", shop.operator_token)[0] == 401
    assert sync(again)["replica"] != sync(shop.folder.path)["replica"]
    assert (sync(again)["pending"], sync(again)["name"]) == (7, "S01")
    assert out("verify", "--data", str(again)) == ""
    for secret in ("node.key", "operator.token", "node.sqlite"):
        assert (again / secret).stat().st_mode & 0o777 == 0o600, secret


def test_a_backup_needs_no_daemon_and_each_restore_is_another_replica(
    shop: Shop, tmp_path: Path
) -> None:
    made = take(shop, tmp_path / "b")
    assert (made.name, made.operations, made.pending) == ("S01", 0, 0)
    for name in ("one", "two"):
        restore(tmp_path / "b", tmp_path / name)
    replicas = {
        sync(folder)["replica"] for folder in (shop.folder.path, tmp_path / "one", tmp_path / "two")
    }
    assert len(replicas) == 3


def test_the_key_is_in_the_backup_and_in_no_database_that_came_of_it(
    shop: Shop, tmp_path: Path
) -> None:
    key = bytes.fromhex((shop.folder.path / "node.key").read_text().strip())
    take(shop, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "again")
    assert key in (tmp_path / "b").read_bytes()
    assert key not in (tmp_path / "again" / "node.sqlite").read_bytes()
    assert (tmp_path / "again" / "node.key").read_text() == (
        shop.folder.path / "node.key"
    ).read_text()


def test_a_backup_put_in_place_by_hand_is_known_as_a_copy(shop: Shop, tmp_path: Path) -> None:
    take(shop, tmp_path / "b")
    before = sync(shop.folder.path)["replica"]
    shutil.copy(tmp_path / "b", shop.database)
    with serving(shop.folder.path) as node:
        assert node.sell(shop.operator_token, "k")[0] == 201
    after = sync(shop.folder.path)["replica"]
    assert after != before
    with serving(shop.folder.path):
        assert sync(shop.folder.path)["replica"] == after, "once"


def test_a_backup_put_where_its_key_is_not_keeps_the_key_it_carries(
    shop: Shop, tmp_path: Path
) -> None:
    key = bytes.fromhex((shop.folder.path / "node.key").read_text().strip())
    other = enrolled_folder(tmp_path / "S02")
    take(shop, tmp_path / "b")
    shutil.move(tmp_path / "b", other.database)
    refused = run("serve", "--data", str(other.folder.path), "--listen", "127.0.0.1:0")
    assert refused.returncode != 0
    assert "key" in refused.stderr
    assert key in other.database.read_bytes()
    other.database.rename(tmp_path / "b")
    assert restore(tmp_path / "b", tmp_path / "again").name == "S01"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_nothing_is_ever_overwritten(shop: Shop, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "b"
    target.write_text("precious") if kind == "file" else target.symlink_to("nowhere")
    done = run("backup", "--data", str(shop.folder.path), str(target))
    assert (done.returncode, done.stdout) == (74, "")
    assert "exists" in done.stderr
    assert target.is_symlink() if kind == "link" else target.read_text() == "precious"


def test_a_database_that_does_not_add_up_makes_no_backup_and_is_named(
    shop: Shop, tmp_path: Path
) -> None:
    with serving(shop.folder.path) as node:
        assert node.sell(shop.operator_token, "k")[0] == 201
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("UPDATE counter SET value = value + 1")
    with pytest.raises(StoreUnavailable, match="counter S01/A1"):
        take(shop, tmp_path / "b")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["S01", "S01.log"]


def test_a_backup_killed_at_any_moment_leaves_no_file_under_its_name(
    shop: Shop, tmp_path: Path
) -> None:
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("CREATE TABLE bulk (a BLOB)")
        db.executemany("INSERT INTO bulk VALUES (randomblob(4000))", [()] * 500)
    target = tmp_path / "b"
    command = [sys.executable, "-m", "node", "backup", "--data", str(shop.folder.path), str(target)]
    whole_s = 60.0
    for _ in range(2):  # the first command of a test process takes longer to start
        began_s = time.monotonic()
        subprocess.run(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL, check=True)
        whole_s = min(whole_s, time.monotonic() - began_s)
        target.unlink()
    ended = killed = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9):
        with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as child:
            time.sleep(share * whole_s)
            child.send_signal(signal.SIGKILL)
            child.wait(20)
        if target.exists():
            ended += 1
            restore(target, tmp_path / f"restored{share}")
            target.unlink()
        else:
            killed += 1
    assert killed
    assert ended + killed == 6


@pytest.mark.parametrize(
    "what", ["no database", "another database", "a node's own", "half a backup"]
)
def test_what_is_no_backup_is_not_restored_and_makes_nothing(
    shop: Shop, tmp_path: Path, what: str
) -> None:
    file, into = tmp_path / "file", tmp_path / "into"
    match what:
        case "no database":
            file.write_text("Dear customer")
        case "another database":
            with contextlib.closing(sqlite3.connect(file)) as db:
                db.execute("CREATE TABLE t (a)")
        case "a node's own":
            shutil.copy(shop.database, file)
        case _:
            take(shop, file)
            os.truncate(file, file.stat().st_size // 2)
    done = run("restore", "--data", str(into), str(file))
    assert done.returncode in {2, 74}, done
    assert len(done.stderr.splitlines()) == 1
    assert str(file) in done.stderr
    assert not into.exists()


def test_a_folder_that_holds_something_is_not_restored_into(shop: Shop, tmp_path: Path) -> None:
    take(shop, tmp_path / "b")
    before = sorted(each.name for each in shop.folder.path.iterdir())
    done = run("restore", "--data", str(shop.folder.path), str(tmp_path / "b"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "not empty" in done.stderr
    assert sorted(each.name for each in shop.folder.path.iterdir()) == before


def test_an_interrupted_restore_is_run_again(shop: Shop, tmp_path: Path) -> None:
    take(shop, tmp_path / "b")
    into = tmp_path / "into"
    into.mkdir(mode=0o700)
    (into / "node.sqlite.restoring").write_bytes(b"half")
    (into / "node.key").write_text("half")
    (into / "node.key").chmod(0o600)
    restore(tmp_path / "b", into)
    with contextlib.closing(connect_writer(into / "node.sqlite")) as db:
        assert verify.problems(db) == []
    assert not (into / "node.sqlite.restoring").exists()


@pytest.mark.slow
def test_what_a_restored_node_sends_again_counts_once_and_what_it_lost_comes_back(
    tmp_path: Path,
) -> None:
    """Row 6 at its most usual: the PC died on Tuesday, its backup is of Monday."""
    hub, data, again, file = (tmp_path / name for name in ("hub", "shop", "again", "b"))
    out("init", "--data", str(hub), module="hub")
    with serving(hub, module="hub") as hub_served:
        enrolment = ("--data", str(hub), "--name", "S01", "--writes", "S01")
        code = out("enrol", *enrolment, module="hub")
        address = hub_served.url.replace("http", "ws")
        out("join", "--data", str(data), "--hub", address, "--code", code)
        token = out("token", "--data", str(data), "--name", "till-1")
        with serving(data) as node:
            for number in range(10):
                assert node.sell(token, f"monday{number}")[0] == 201
            settled(node, token, acked=11, on_hand=-10)
            out("backup", "--data", str(data), str(file))
            for number in range(5):
                assert node.sell(token, f"tuesday{number}")[0] == 201
            settled(node, token, acked=16, on_hand=-15)
        out("restore", "--data", str(again), str(file))
        with serving(again) as node:
            assert node.sell(token, "tuesday3")[0] == 201, "the till repeats what it is not sure of"
            assert node.sell(token, "wednesday")[0] == 201
            settled(node, token, acked=13, on_hand=-16)
        assert out("verify", "--data", str(again)) == ""
    assert out("verify", "--data", str(hub), module="hub") == ""


def settled(node: Served, token: str, *, acked: int, on_hand: int) -> None:
    """Wait until the hub has everything and the node shows what all of it makes."""
    give_up_s = time.monotonic() + 30
    while True:
        status = node.ask("GET", "/v1/sync", token)[1]
        shown = node.ask("GET", "/v1/stock/S01/A1", token)[1].get("on_hand")
        if (status["acked"], status["pending"], shown) == (acked, 0, on_hand) and status[
            "caught_up"
        ]:
            return
        assert time.monotonic() < give_up_s, (status, shown)
        time.sleep(0.1)
