"""`verify` names the first bad place for every kind of damage we can think of."""

import sqlite3

import pytest

from node.replica import verify
from protocol.ids import Seq
from tests.damage import unguard
from tests.node.chain import movement
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_view import OTHER, pull, push, record

DAMAGE = {
    "a changed operation": (
        "UPDATE log SET body = CAST(substr(body, 1, length(body) - 1) || x'81' AS BLOB) WHERE seq = 2",
        "log 2",
    ),
    "two operations exchanged": (
        "UPDATE log SET body = (SELECT o.body FROM log AS o WHERE o.seq = 5 - log.seq) WHERE seq > 1",
        "log 2",
    ),
    "a removed operation": ("DELETE FROM log WHERE seq = 2", "log 3"),
    "a changed hash": ("UPDATE log SET chain = zeroblob(32) WHERE seq = 3", "log 3"),
    "a changed view": (
        "UPDATE counter SET value = value + 1 WHERE sku = 'pear'",
        "counter S01/pear",
    ),
    "a changed total": (
        "UPDATE counter SET total = total + 1, value = value + 1 WHERE sku = 'apple'",
        "scope stock:S01",
    ),
    "a removed row": ("DELETE FROM counter WHERE sku = 'apple'", "scope stock:S01"),
    "a forgotten own operation": (
        "DELETE FROM pending_delta WHERE sku = 'plum'",
        "counter S01/plum",
    ),
    "a changed own operation": (
        "UPDATE pending_delta SET delta = 7 WHERE sku = 'plum'",
        "counter S01/plum",
    ),
    "a movement that is not listed": ("DELETE FROM movement WHERE seq = 1", "log 1"),
    "a movement listed at another place": (
        "UPDATE movement SET location = 'S02' WHERE seq = 1",
        "log 1",
    ),
    "a movement listed as another kind": (
        "UPDATE movement SET kind = 'move.sale' WHERE seq = 1",
        "log 1",
    ),
    "a movement not found by its SKU": ("DELETE FROM movement_sku WHERE sku = 'apple'", "log 1"),
    "a movement found by a SKU that it has not": (
        "INSERT INTO movement_sku (sku, position, lot) SELECT 'pear', position, '' FROM movement WHERE seq = 1",
        "log 1",
    ),
    "a movement found by another lot": (
        "UPDATE movement_sku SET lot = 'L1' WHERE sku = 'apple'",
        "log 1",
    ),
    "a line of no movement": (
        "INSERT INTO movement_sku (sku, position, lot) VALUES ('pear', 1000, '')",
        "movement 1000",
    ),
    "a line too many that makes up for one too few": (
        "UPDATE movement_sku SET position = 3 WHERE sku = 'pear'",
        "log 3: is found by 'pear'",
    ),
    "a removed end of the log": ("DELETE FROM log WHERE seq = 3", "log 3"),
    "an own operation on top that never was": (
        "INSERT INTO pending_delta (location, sku, lot, account, seq, delta) VALUES ('S01', 'plum', '', 0, 99, 0)",
        "log 99",
    ),
    "a changed digest": ("UPDATE scope SET digest = zeroblob(16)", "scope stock:S01"),
}


@pytest.fixture
def lived(db: sqlite3.Connection) -> sqlite3.Connection:
    """A node that sold, heard from the hub, and sold again."""
    hub = SmallHub()
    record(db, movement(1, ("apple", 10)))
    record(db, movement(2, ("pear", 4)))
    push(db, hub)
    hub.push(OTHER, Seq(1), movement(100, ("apple", -1)))
    pull(db, hub)
    record(db, movement(3, ("plum", 2)))
    assert verify.problems(db) == []
    unguard(db)
    return db


@pytest.mark.parametrize(("statement", "place"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_found_and_named(lived: sqlite3.Connection, statement: str, place: str) -> None:
    assert lived.execute(statement).rowcount > 0
    assert any(problem.startswith(place) for problem in verify.problems(lived))


def test_the_log_refuses_to_be_changed(db: sqlite3.Connection) -> None:
    record(db, movement(1, ("apple", 10)))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE log SET body = x'00'")
