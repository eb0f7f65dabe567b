"""The keys of sealed records in SQLite, and the public half of the chain's recovery key.

Invariant: a change of a location's keys takes the next number of that location, in the transaction that makes it, so
whoever has read up to a number has missed nothing. What is overwritten is overwritten on the disk: `secure_delete`.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from protocol.codec import pack, unpack
from protocol.frames.keys import Keys
from protocol.ids import Location, NodeId
from protocol.limits import RECORD_KEYS_PER_FRAME_MAX, WRAPS_MAX
from protocol.sealed_keys import RecordKey, record_key_from_wire, record_key_to_wire
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "sealed.sql")


def keep_keys(
    db: sqlite3.Connection,
    node: NodeId,
    announcement: bytes,
    location: Location,
    keys: Sequence[RecordKey],
) -> None:
    """See `HubStore.keep_keys`."""
    if announcement:
        db.execute(SQL["announce"], {"node": node, "record": announcement})
    for key in keys:
        at = {"location": location, "op_id": key.op_id, "box": key.box}
        row = db.execute(SQL["standing"], at).fetchone()
        if row is not None and not key.stands_before(_read(row[0])):
            continue
        db.execute(SQL["keep"], at | {"key": pack(record_key_to_wire(key))})
        # After it has taken its number: the newest change of a location is never one that is gone.
        if key.is_destroyed:
            db.execute(SQL["destroy"], at)


def read_keys(db: sqlite3.Connection, location: Location, after: int) -> Keys:
    """See `HubStore.keys`."""
    values = {"location": location, "after": after, "limit": RECORD_KEYS_PER_FRAME_MAX + 1}
    rows = db.execute(SQL["changed"], values).fetchall()
    found, more = rows[:RECORD_KEYS_PER_FRAME_MAX], len(rows) > RECORD_KEYS_PER_FRAME_MAX
    sealers = db.execute(SQL["sealers"], {"location": location, "limit": WRAPS_MAX})
    return Keys(
        location,
        found[-1]["changed"] if found else after,
        more,
        tuple(_read(row["key"]) for row in found),
        tuple((bytes(certificate), bytes(record)) for certificate, record in sealers),
    )


def keep_recovery_key(db: sqlite3.Connection, public: bytes) -> None:
    """See `HubStore.keep_recovery_key`."""
    db.execute(SQL["keep_recovery"], {"value": public})


def read_recovery_key(db: sqlite3.Connection) -> bytes:
    """The public half; empty while the chain has none."""
    row = db.execute(SQL["recovery"]).fetchone()
    return b"" if row is None else bytes(row[0])


def _read(key: bytes) -> RecordKey:
    return record_key_from_wire(unpack(bytes(key)))
