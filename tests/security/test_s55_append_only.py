"""S55, the program's own hand: what is recorded is neither changed nor removed by any statement of a node or of a hub.

The triggers keep the program from doing it. Whoever opens the file with a tool of their own can take them away; what is
found then is in test_s55_raw_files.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store.sqlite.store import SqliteHubStore
from node.replica import log, recovery, retention, verify
from node.replica.identity import save_acked
from node.replica.retention import Retention
from protocol.ids import ReplicaId, Seq
from runtime.connection import connect_writer
from tests.node.chain import movement
from tests.node.replica.conftest import joined
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_retention import edit
from tests.node.replica.test_view import pull, push, record
from tests.store.shop import CHAIN, EPOCH, Shop

DAY_MS = 86_400_000
NOW_MS = 2_000 * DAY_MS
NEW = ReplicaId(b"a new replica id")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection of a node that sold, pruned what is old, and sold again: seqs 61 and on are in the log."""
    with contextlib.closing(connect_writer(tmp_path / "node.db")) as db:
        joined(db)
        hub = SmallHub()
        for number in range(1, 31):
            record(db, movement(number, ("apple", 1)))
            log.append(db, log.head(db), edit(1_000 + number, "Apple"))
        push(db, hub)
        pull(db, hub)
        log.acknowledge(db, Seq(60), NOW_MS - 400 * DAY_MS)
        save_acked(db, Seq(60), Seq(60), NOW_MS)
        record(db, movement(31, ("apple", 1)))
        record(db, movement(32, ("apple", 1)))
        while retention.prune_piece(db, Retention(), NOW_MS):
            pass
        assert log.base(db) == 61
        assert verify.problems(db) == []
        yield db


OF_THE_NODE = {
    "change": "UPDATE log SET body = x'00' WHERE seq = 61",
    "change a hash": "UPDATE log SET chain = zeroblob(32) WHERE seq = 61",
    "reorder": "UPDATE log SET seq = 99 WHERE seq = 61",
    "remove": "DELETE FROM log WHERE seq = 61",
    "remove all": "DELETE FROM log",
    "truncate": "DELETE FROM log WHERE seq > 61",
    "replace": "INSERT OR REPLACE INTO log (seq, body, chain) VALUES (61, x'00', zeroblob(32))",
    "replace by update": "UPDATE OR REPLACE log SET seq = 61 WHERE seq = 62",
    "change an edit kept": "UPDATE kept_edit SET body = x'00' WHERE position = 1",
    "remove an edit kept": "DELETE FROM kept_edit WHERE position = 1",
    "replace an edit kept": "INSERT OR REPLACE INTO kept_edit (position, body, body_hash) VALUES (1, x'00', x'00')",
    "change a movement kept": "UPDATE movement SET body = x'00' WHERE seq = 3",
    "forget a movement kept": "UPDATE movement SET body = NULL, body_hash = NULL WHERE seq = 3",
    "remove a movement kept": "DELETE FROM movement WHERE seq = 3",
    "unlist an own movement": "DELETE FROM movement WHERE seq = 61",
}


@pytest.mark.parametrize("statement", OF_THE_NODE.values(), ids=OF_THE_NODE)
def test_a_node_refuses_to(node: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|is kept"):
        node.execute(statement)
    assert verify.problems(node) == []


def test_saying_that_the_log_begins_later_does_not_let_its_beginning_go(
    node: sqlite3.Connection,
) -> None:
    node.execute("UPDATE replica SET log_base = 62")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        node.execute("DELETE FROM log WHERE seq < 62")


def test_the_log_still_becomes_whole_again_and_nothing_is_left_beside_it(
    node: sqlite3.Connection,
) -> None:
    node.execute("BEGIN")
    recovery.begin_replica(node, NEW)
    node.execute("COMMIT")
    assert (log.base(node), log.head(node).seq) == (1, 62)
    left = [
        node.execute(sql).fetchone()[0]
        for sql in ("SELECT count(*) FROM carried", "SELECT count(*) FROM kept_edit")
    ]
    assert left == [0, 0]
    assert verify.problems(node) == []


OF_THE_HUB = {
    "change": "UPDATE ledger SET body = x'00' WHERE position = 1",
    "change an outcome": "UPDATE ledger SET code = 'forbidden', detail = '' WHERE position = 1",
    "reorder": "UPDATE ledger SET seq = 99 WHERE position = 1",
    "remove": "DELETE FROM ledger WHERE position = 1",
    "truncate": "DELETE FROM ledger WHERE position > 1",
    "replace": "INSERT OR REPLACE INTO ledger (position, replica, seq, accepted_at, body) VALUES (1, 1, 1, 0, x'00')",
    "replace by another key": "INSERT OR REPLACE INTO ledger (replica, seq, accepted_at, body) VALUES (1, 1, 0, x'00')",
}


@pytest.fixture
async def hub_file(tmp_path: Path) -> Path:
    """The database of a hub that took in three sales; closed."""
    path = tmp_path / "hub.db"
    store = await SqliteHubStore.open(path)
    await store.found(CHAIN, EPOCH)
    shop = Shop("S01")
    await shop.opens(store)
    for at in range(3):
        shop.sells(f"sku {at}", 1)
    await shop.pushes(store)
    await store.close()
    return path


@pytest.mark.parametrize("statement", OF_THE_HUB.values(), ids=OF_THE_HUB)
def test_a_hub_refuses_to(hub_file: Path, statement: str) -> None:
    with (
        contextlib.closing(connect_writer(hub_file)) as db,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        db.execute(statement)
