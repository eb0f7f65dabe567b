"""Keys of sealed records in a node's database: what stands is held, and what a disk has damaged is replaced and told."""

import sqlite3
from collections.abc import Iterator

import pytest

from node.replica import sealed, verify
from node.replica.sealed import Place
from protocol.ids import Epoch, Location, OpId
from protocol.sealed_keys import RecordKey, Wrap, destroyed
from protocol.sealing import BOX_DIGEST_BYTES, KEY_ID_BYTES, WRAPPED_BYTES
from tests.node.replica.conftest import new_replica_database

S01 = Location("S01")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def key_of(number: int, version: int = 1, mark: bytes = b"w", box: bytes = b"x") -> RecordKey:
    """A record's key, as it could be."""
    wrap = Wrap(mark * KEY_ID_BYTES, mark * WRAPPED_BYTES)
    return RecordKey(OpId(number.to_bytes(16)), box * BOX_DIGEST_BYTES, version, (wrap,))


def held(db: sqlite3.Connection, op_id: OpId, box: bytes = b"x") -> RecordKey | None:
    """What is held of a sealed part."""
    return sealed.key_of(db, op_id, box * BOX_DIGEST_BYTES)


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
    assert held(db, gone.op_id) == gone
    assert sealed.untold(db, S01, 10) == (gone,)
    assert held(db, key_of(2).op_id) == key_of(2)


def test_what_two_nodes_sealed_under_one_id_has_two_keys_and_is_destroyed_together(
    db: sqlite3.Connection,
) -> None:
    ours, theirs = key_of(1), key_of(1, version=9, box=b"y")
    sealed.keep(db, S01, ours)
    sealed.take(db, S01, [theirs, key_of(2)])
    assert (held(db, ours.op_id), held(db, ours.op_id, b"y")) == (ours, theirs)
    assert held(db, ours.op_id, b"z") is None
    assert sealed.untold(db, S01, 10) == (ours,)
    assert verify.problems(db) == []
    gone = destroyed(ours.op_id)
    sealed.take(db, S01, [gone])
    sealed.take(db, S01, [theirs._replace(version=10)])
    assert not sealed.keep(db, S01, ours._replace(version=2))
    for box in (b"x", b"y", b"z"):
        assert held(db, ours.op_id, box) == gone
    assert db.execute("SELECT count(*) FROM record_key").fetchone()[0] == 2
    assert held(db, key_of(2).op_id) == key_of(2)
    assert sealed.untold(db, S01, 10) == (gone,), "the hub said otherwise, and is to hear of it"


def test_the_keys_of_a_location_are_gone_over_in_pieces_that_may_end_within_a_record(
    db: sqlite3.Connection,
) -> None:
    keys = [key_of(number, box=box) for number in (1, 2) for box in (b"x", b"y")]
    sealed.take(db, S01, keys)
    found: list[RecordKey] = []
    while piece := sealed.wrapped_for_others(db, S01, [], found[-1] if found else None, 1):
        found += piece
    assert found == keys


def test_the_nodes_of_another_location_have_no_say_in_a_key(db: sqlite3.Connection) -> None:
    sealed.keep(db, S01, key_of(1))
    sealed.told(db, [key_of(1)])
    sealed.take(db, Location("S02"), [destroyed(key_of(1).op_id)])
    assert held(db, key_of(1).op_id) == key_of(1)
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
