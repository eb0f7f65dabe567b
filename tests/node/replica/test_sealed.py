"""Keys of sealed records in a node's database: what stands is held, and what a disk has damaged is replaced and told."""

import sqlite3
from collections.abc import Iterator

import pytest

from node.replica import sealed, verify
from node.replica.sealed import Place
from protocol.ids import Epoch, Location, OpId
from protocol.sealed_keys import RecordKey, Wrap, destroyed
from protocol.sealing import KEY_ID_BYTES, WRAPPED_BYTES
from tests.node.replica.conftest import new_replica_database

S01 = Location("S01")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def key_of(number: int, version: int = 1, mark: bytes = b"w") -> RecordKey:
    """A record's key, as it could be."""
    wrap = Wrap(mark * KEY_ID_BYTES, mark * WRAPPED_BYTES)
    return RecordKey(OpId(number.to_bytes(16)), version, (wrap,))


def test_a_key_is_told_until_the_hub_keeps_that_very_state(db: sqlite3.Connection) -> None:
    assert sealed.keep(db, S01, key_of(1))
    assert sealed.untold(db, S01, 10) == (key_of(1),)
    assert sealed.keep(db, S01, key_of(1, version=2))
    sealed.told(db, [key_of(1)])  # an answer about the state before
    assert sealed.locations_untold(db) == [S01]
    sealed.told(db, [key_of(1, version=2)])
    assert sealed.locations_untold(db) == []


def test_what_stands_against_the_hub_is_told_to_it(db: sqlite3.Connection) -> None:
    gone = destroyed(key_of(1).op_id)
    sealed.keep(db, S01, gone)
    sealed.told(db, [gone])
    sealed.take(db, S01, [key_of(1, version=9), key_of(2)])
    assert sealed.key_of(db, gone.op_id) == gone
    assert sealed.untold(db, S01, 10) == (gone,)
    assert sealed.key_of(db, key_of(2).op_id) == key_of(2)


def test_the_nodes_of_another_location_have_no_say_in_a_key(db: sqlite3.Connection) -> None:
    sealed.keep(db, S01, key_of(1))
    sealed.told(db, [key_of(1)])
    sealed.take(db, Location("S02"), [destroyed(key_of(1).op_id)])
    assert sealed.key_of(db, key_of(1).op_id) == key_of(1)
    assert sealed.locations_untold(db) == []


def test_a_hub_with_another_history_is_told_everything_again(db: sqlite3.Connection) -> None:
    sealed.keep(db, S01, key_of(1))
    sealed.told(db, [key_of(1)])
    sealed.save_place(db, S01, Place(Epoch(b"1" * 16), 7, ()))
    sealed.begin_epoch(db, Epoch(b"1" * 16))
    assert sealed.locations_untold(db) == []
    sealed.begin_epoch(db, Epoch(b"2" * 16))
    assert sealed.untold(db, S01, 10) == (key_of(1),)


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x93\x01\x02\x03"])
def test_a_damaged_key_is_found_by_verify_and_replaced_by_the_hubs(
    db: sqlite3.Connection, damage: bytes
) -> None:
    sealed.keep(db, S01, key_of(1))
    assert verify.problems(db) == []
    db.execute("UPDATE record_key SET key = ?", (damage,))
    [problem] = verify.problems(db)
    assert key_of(1).op_id.hex() in problem
    assert sealed.untold(db, S01, 10) == ()
    sealed.take(db, S01, [key_of(1)])
    assert verify.problems(db) == []
