"""The commands for bad days: what they print, beside a daemon and without one."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from hub.store.records import VerifiedBackup
from hub.store.sqlite import store
from hub.store.sqlite.store import SqliteHubStore
from hub.witness import read_witness
from protocol.ids import NO_SALT, HubSeq
from runtime.folder import Folder
from runtime.world import World
from tests.hub.command import PATIENCE_S, daemon, environment, hub
from tests.hub.lives import found, sell, within
from tests.hub.test_forced_resets import hires
from tests.store.shop import Shop


@pytest.fixture
def selling(tmp_path: Path) -> Path:
    """The folder of a hub with one shop that sold three apples."""
    found(tmp_path / "hub")
    sell(tmp_path / "hub", Shop("S01"), 3)
    return tmp_path / "hub"


@pytest.mark.parametrize("beside", [True, False])
def test_a_verified_backup_is_in_the_status(selling: Path, tmp_path: Path, beside: bool) -> None:
    file = tmp_path / "one.db"
    if beside:
        with daemon(selling):
            done = hub("backup", "--data", selling, file)
            status = hub("status", "--data", selling, "--json")
    else:
        done = hub("backup", "--data", selling, file)
        status = hub("status", "--data", selling, "--json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "restored and verified, 3 operations" in done.stderr
    assert "key" in done.stderr
    shown = json.loads(status.stdout)
    assert (shown["backup"]["file"], shown["backup"]["operations"]) == (str(file), 3)
    words = hub("status", "--data", selling).stdout
    assert f"verified backup: {file}" in words


def test_a_backup_that_is_told_to_end_leaves_no_copy_of_the_key(
    selling: Path, tmp_path: Path
) -> None:
    sell(selling, Shop("S02"), 3_000)
    target = tmp_path / "backups"
    target.mkdir()
    command = [sys.executable, "-m", "hub", "backup", "--data", str(selling), str(target / "a.db")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment()) as process:
        while process.poll() is None and not any(target.iterdir()):
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) != 0
    assert list(target.iterdir()) == []


def test_restore_says_how_old_it_is_and_what_happens_next(selling: Path, tmp_path: Path) -> None:
    hub("backup", "--data", selling, tmp_path / "one.db")
    hub("enrol", "--data", selling, "--name", "S02", "--writes", "S02")
    done = hub("restore", tmp_path / "one.db", "--data", tmp_path / "new")
    assert (done.returncode, done.stdout) == (0, "")
    for words in ("3 operations, 1 nodes", "ago", "0 open enrolment codes are void", "serve"):
        assert words in done.stderr
    with daemon(tmp_path / "new"):
        status = json.loads(hub("status", "--data", tmp_path / "new", "--json").stdout)
    assert status["ledger"] == 3


def test_restore_says_what_an_older_backup_lacks(selling: Path, tmp_path: Path) -> None:
    hub("backup", "--data", selling, tmp_path / "one.db")
    sell(selling, Shop("S02"), 2)
    hub("revoke", "S02", "--data", selling)
    hub("backup", "--data", selling, tmp_path / "two.db")
    refused = hub("restore", tmp_path / "one.db", "--data", selling)
    assert (refused.returncode, "with 2 operations that" in refused.stderr) == (2, True)
    done = hub("restore", tmp_path / "one.db", "--data", selling, "--move-aside")
    for words in ("2 operations that this backup lacks", "(S02)", str(tmp_path / "two.db")):
        assert words in done.stderr
    again = hub("restore", tmp_path / "two.db", "--data", selling, "--move-aside")
    assert "lacks" not in again.stderr


def test_status_says_that_a_backup_was_taken_while_the_clock_was_wrong(selling: Path) -> None:
    ahead_ms = World().now_ms() + 86_400_000
    backup = VerifiedBackup("one.db", ahead_ms, ahead_ms, HubSeq(0), NO_SALT, 0, {})
    within(selling, partial(SqliteHubStore.record_backup, backup=backup))
    words = hub("status", "--data", selling).stdout
    assert "verified backup: one.db, of unknown age" in words


def test_restore_over_a_running_hub_is_refused(selling: Path, tmp_path: Path) -> None:
    hub("backup", "--data", selling, tmp_path / "one.db")
    with daemon(selling):
        done = hub("restore", tmp_path / "one.db", "--data", selling, "--move-aside")
    assert done.returncode == 74
    assert "another process is using" in done.stderr
    assert {each.name for each in selling.iterdir() if "before" in each.name} == set()


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(("command", "status"), [("retire", "retiring"), ("revoke", "revoked")])
def test_a_node_can_be_sent_away(selling: Path, command: str, status: str, beside: bool) -> None:
    if beside:
        with daemon(selling):
            done = hub(command, "S01", "--data", selling)
    else:
        done = hub(command, "S01", "--data", selling)
    assert (done.returncode, done.stdout) == (0, "")
    [node] = json.loads(hub("nodes", "--data", selling, "--json").stdout)["items"]
    assert (node["status"], node["writes"]) == (status, [])


@pytest.mark.parametrize("beside", [True, False])
def test_s30_revoking_prints_whose_passwords_the_node_held(tmp_path: Path, beside: bool) -> None:
    data, shop = tmp_path / "hub", Shop("S01")
    found(data)
    hires(shop)
    within(data, partial(_take, shop=shop))
    with daemon(data) if beside else contextlib.nullcontext():
        done = hub("revoke", "S01", "--data", data)
        listed = json.loads(hub("revoke", "S01", "--data", data, "--json").stdout)
    assert (done.returncode, done.stdout) == (0, "S01\tann\tpassword, pin\n")
    assert "user reset" in done.stderr
    assert [one["username"] for one in listed["credentials"]] == ["ann"]
    assert "argon2" not in done.stdout + done.stderr + json.dumps(listed)


async def _take(store: SqliteHubStore, shop: Shop) -> None:
    await shop.opens(store)
    await shop.pushes(store)


def test_a_node_that_is_unknown_is_revoked_by_its_id(selling: Path) -> None:
    unknown = "ab" * 16
    assert hub("revoke", unknown, "--data", selling).returncode == 0
    done = hub("revoke", "S09", "--data", selling)
    assert (done.returncode, done.stderr) == (2, "everstock-hub: no node is called S09.\n")


def test_who_is_revoked_before_the_start_hides_no_database_that_was_put_back(
    selling: Path,
) -> None:
    older = (selling / "hub.db").read_bytes()
    sell(selling, Shop("S02"))
    with daemon(selling):
        pass
    before = read_witness(Folder(selling))
    (selling / "hub.db").write_bytes(older)
    assert hub("revoke", "S01", "--data", selling).returncode == 0
    witness = read_witness(Folder(selling))
    assert (witness.head, len(witness.departures)) == (before.head, 1)


@pytest.mark.parametrize("command", ["nodes", "status", "quarantine", "replaced"])
def test_a_database_of_the_first_version_is_said_to_be_one(tmp_path: Path, command: str) -> None:
    found(tmp_path / "hub")
    database = tmp_path / "hub" / "hub.db"
    database.unlink()
    first = Path(store.__file__).parent / "migrations" / "0001_first.sql"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(first.read_text() + "PRAGMA user_version=1;")
    named = ["S01"] if command == "replaced" else []
    done = hub(command, *named, "--data", tmp_path / "hub")
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr.startswith(f"everstock-hub: {database}: it is of an earlier version")


def test_nobody_was_replaced_by_whom_nobody_replaced(selling: Path) -> None:
    done = hub("replaced", "S01", "--data", selling)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "everstock-hub: no node took over from one called S01.\n"


def test_a_hub_that_was_put_back_by_hand_begins_a_new_epoch(selling: Path, tmp_path: Path) -> None:
    with daemon(selling):
        before = json.loads(hub("status", "--data", selling, "--json").stdout)
    older = (selling / "hub.db").read_bytes()
    sell(selling, Shop("S02"))
    with daemon(selling):
        same = json.loads(hub("status", "--data", selling, "--json").stdout)
    (selling / "hub.db").write_bytes(older)
    with daemon(selling):
        after = json.loads(hub("status", "--data", selling, "--json").stdout)
    assert before["epoch"] == same["epoch"] != after["epoch"]
    assert (same["ledger"], after["ledger"]) == (4, 3)
