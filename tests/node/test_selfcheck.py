"""A node looks at itself before it serves: what it refuses, what it only says, and that it does not take long."""

import contextlib
import json
import sqlite3
import time
from pathlib import Path

import pytest

from node.replica import verify
from runtime.connection import connect_writer
from tests.node.chain import movement
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import run, serving
from tests.node.replica.test_view import record


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01 with fifty sales."""
    made = enrolled_folder(tmp_path / "S01")
    with contextlib.closing(connect_writer(made.database)) as db:
        db.execute("BEGIN")
        for number in range(1, 51):
            record(db, movement(number, ("A1", -1)))
        db.execute("COMMIT")
    return made


def said(shop: Shop) -> list[str]:
    """What the last daemon logged."""
    lines = (shop.folder.path.parent / "S01.log").read_text().splitlines()
    return [str(json.loads(line)["event"]) for line in lines]


def test_a_log_that_does_not_follow_is_refused_with_its_place_and_what_to_do(shop: Shop) -> None:
    with contextlib.closing(sqlite3.connect(shop.database)) as db, db:
        db.execute("DROP TRIGGER log_is_never_changed")
        db.execute("UPDATE log SET chain = zeroblob(32) WHERE seq = 37")
    done = run("serve", "--data", str(shop.folder.path), "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (74, "")
    sentence = done.stderr.splitlines()[-1]
    assert "node.sqlite is damaged: log 37: the hash chain breaks here" in sentence
    assert all(words in sentence for words in ("everstock-node verify", "restore", "--replaces"))


def test_a_row_that_shows_something_else_is_said_and_does_not_keep_a_shop_from_selling(
    shop: Shop,
) -> None:
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("UPDATE counter SET value = 7")
    with serving(shop.folder.path) as node:
        assert node.sell(shop.operator_token, "k")[0] == 201
    assert any("counter S01/A1" in event and "shows 7" in event for event in said(shop))


def test_a_clock_before_the_last_contact_with_the_hub_is_said(shop: Shop) -> None:
    with contextlib.closing(connect_writer(shop.database)) as db:
        ahead_ms = int(time.time() * 1000) + 3 * 3_600_000
        db.execute("UPDATE replica SET last_contact_at = ?", (ahead_ms,))
    with serving(shop.folder.path):
        pass
    assert any("before the last contact with the hub" in event for event in said(shop))


def test_after_an_end_in_order_nothing_is_said_of_the_last_run(shop: Shop) -> None:
    for _ in range(2):
        with serving(shop.folder.path):
            pass
        assert not any("did not end in order" in event for event in said(shop))


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_database_of_an_earlier_version_is_not_taken_for_a_damaged_one(
    shop: Shop, command: str
) -> None:
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("PRAGMA user_version=2")
    done = run(command, "--data", str(shop.folder.path))
    assert done.returncode == 74
    assert "earlier version" in done.stderr
    assert "wrong" not in done.stderr


def test_the_end_of_a_long_log_is_looked_at_and_no_more(shop: Shop) -> None:
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("BEGIN")
        for number in range(51, 1_200):
            record(db, movement(number, ("A1", -1)))
        db.execute("DROP TRIGGER log_is_never_changed")
        db.execute("UPDATE log SET chain = zeroblob(32) WHERE seq = 3")
        assert list(verify.head_faults(db)) == []
        db.execute("UPDATE log SET chain = zeroblob(32) WHERE seq = 300")
        assert [fault.place for fault in verify.head_faults(db)] == ["log 300"]
        db.execute("ROLLBACK")
