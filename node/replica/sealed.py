"""The keys of sealed records as this node holds them, and its own.

Invariants:
- Of two states of one key the one that `protocol.sealed_keys` says stands is held; a state that the hub has not
  said it keeps is marked until it does, also after the hub was put back to a backup.
- A destroyed key's bytes are overwritten in the file (`secure_delete`); they may be in the WAL until it is written over,
  and are in backups of before.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from protocol.codec import pack, unpack
from protocol.errors import ProtocolError
from protocol.ids import Epoch, Location, OpId
from protocol.sealed_keys import RecordKey, record_key_from_wire, record_key_to_wire
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "sealed.sql")
Announced = tuple[bytes, bytes]
"""A certificate and a node's word of its key under it."""


class Place(NamedTuple):
    """How far the hub's keys of a location were read, and who seals there."""

    epoch: Epoch
    upto: int
    sealers: tuple[Announced, ...]


NOWHERE: Final = Place(Epoch(b""), 0, ())


def own_keys(db: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    """This node's keys, newest first: the public half, and the private one sealed for the device's key."""
    return [(bytes(public), bytes(wrapped)) for public, wrapped in db.execute(_SQL["own_keys"])]


def add_own_key(db: sqlite3.Connection, public: bytes, wrapped: bytes) -> None:
    """Make this the newest key."""
    db.execute(_SQL["add_own_key"], {"public": public, "wrapped": wrapped})


def forget_own_keys_before(db: sqlite3.Connection, public: bytes) -> int:
    """Destroy every own key that is older than this one; how many."""
    return db.execute(_SQL["forget_own_keys_before"], {"public": public}).rowcount


def key_of(db: sqlite3.Connection, op_id: OpId, box: bytes) -> RecordKey | None:
    """What opens a sealed part of a record, or that it was destroyed; None where neither is held."""
    rows = db.execute(_SQL["standing"], {"op_id": op_id, "box": box}).fetchall()
    return next(_all_read(rows), None)


def keep(db: sqlite3.Connection, location: Location, key: RecordKey) -> bool:
    """Hold a state that was made here, unless another stands; whether it is held. The hub is to be told."""
    return _join(db, location, key, untold=True)


def take(db: sqlite3.Connection, location: Location, keys: Iterable[RecordKey]) -> None:
    """Hold what the hub keeps, where it stands; where another does, the hub is to be told that one.

    The key of another location's record is passed over: a node of this one could else destroy it, at a node of both.
    """
    for key in keys:
        if db.execute(_SQL["elsewhere"], {"op_id": key.op_id, "location": location}).fetchone():
            continue
        if not _join(db, location, key, untold=False) and _held(db, key) != key:
            db.execute(_SQL["untell"], {"op_id": key.op_id, "box": key.box})


def locations_untold(db: sqlite3.Connection) -> list[Location]:
    """Where there are keys that the hub has not said it keeps."""
    return [Location(location) for (location,) in db.execute(_SQL["locations_untold"])]


def untold(db: sqlite3.Connection, location: Location, limit: int) -> tuple[RecordKey, ...]:
    """Some of them; those that a disk has damaged are told to nobody."""
    rows = db.execute(_SQL["untold"], {"location": location})
    return tuple(islice(_all_read(rows), limit))


def told(db: sqlite3.Connection, keys: Sequence[RecordKey]) -> None:
    """The hub keeps these; one that has changed since is to be told still."""
    values = [{"op_id": each.op_id, "box": each.box, "key": _packed(each)} for each in keys]
    db.executemany(_SQL["told"], values)


def begin_epoch(db: sqlite3.Connection, epoch: Epoch) -> None:
    """A session begins: a hub with another history is told everything again, and asked from the beginning."""
    known = {bytes(each) for (each,) in db.execute(_SQL["epochs"])}
    if known and known != {epoch}:
        db.execute(_SQL["untell_all"])


def place(db: sqlite3.Connection, location: Location) -> Place:
    """How far a location's keys were read."""
    row = db.execute(_SQL["place"], {"location": location}).fetchone()
    if row is None:
        return NOWHERE
    sealers = unpack(bytes(row["sealers"]))
    assert isinstance(sealers, list)
    return Place(Epoch(bytes(row["epoch"])), row["upto"], tuple((one, two) for one, two in sealers))


def save_place(db: sqlite3.Connection, location: Location, read: Place) -> None:
    """Note how far, and who seals there."""
    sealers = pack([list(each) for each in read.sealers])
    values = {"location": location, "epoch": read.epoch, "upto": read.upto, "sealers": sealers}
    db.execute(_SQL["save_place"], values)


def want(db: sqlite3.Connection, location: Location) -> None:
    """Note that this node wants to know who seals at a location that it does not write."""
    if db.execute(_SQL["place"], {"location": location}).fetchone() is None:
        save_place(db, location, NOWHERE)


def places(db: sqlite3.Connection) -> list[Location]:
    """Locations whose keys were asked for, or are wanted."""
    return [Location(location) for (location,) in db.execute(_SQL["places"])]


def locations(db: sqlite3.Connection) -> list[Location]:
    """Where there are sealed records whose keys are held."""
    return [Location(location) for (location,) in db.execute(_SQL["locations"])]


def wrapped_for_others(
    db: sqlite3.Connection,
    location: Location,
    key_ids: Iterable[bytes],
    after: RecordKey | None,
    limit: int,
) -> list[RecordKey]:
    """Keys of a location's records that are wrapped for others than exactly these, by op_id and box; None: from the first."""
    op_id, box = (b"", b"") if after is None else (after.op_id, after.box)
    at = {"location": location, "readers": _readers(key_ids), "op_id": op_id, "box": box}
    return list(_all_read(db.execute(_SQL["other_readers"], at | {"limit": limit})))


def damaged(db: sqlite3.Connection) -> Iterator[str]:
    """The ids of the records whose keys cannot be read, or are those of another record."""
    for op_id, box, key in db.execute(_SQL["all"]):
        read = _read(key)
        if read is None or (read.op_id, read.box) != (op_id, box):
            yield bytes(op_id).hex()


def _join(db: sqlite3.Connection, location: Location, key: RecordKey, *, untold: bool) -> bool:
    held = _held(db, key)
    if held is not None and not key.stands_before(held):
        if held == key and not untold:
            told(db, (key,))
        return False
    values = {
        "op_id": key.op_id,
        "box": key.box,
        "location": location,
        "key": _packed(key),
        "readers": b"" if key.wraps is None else _readers(each.key_id for each in key.wraps),
        "untold": int(untold),
    }
    db.execute(_SQL["keep"], values)
    if key.is_destroyed:
        db.execute(_SQL["destroy"], {"op_id": key.op_id})
    return True


def _held(db: sqlite3.Connection, key: RecordKey) -> RecordKey | None:
    return key_of(db, key.op_id, key.box)


def _readers(key_ids: Iterable[bytes]) -> bytes:
    return blake2b(b"".join(sorted(key_ids)), digest_size=8).digest()


def _packed(key: RecordKey) -> bytes:
    return pack(record_key_to_wire(key))


def _read(key: bytes) -> RecordKey | None:
    """None where a disk has damaged it: the hub's then stands in its place, and `verify` tells of it."""
    try:
        return record_key_from_wire(unpack(bytes(key)))
    except ProtocolError:
        return None


def _all_read(rows: Iterable[tuple[bytes]]) -> Iterator[RecordKey]:
    return (read for (key,) in rows if (read := _read(key)) is not None)
