"""Which backups were verified, what is stable by them, and the beginning of a new epoch after one was put back.

Invariant: a backup counts only when it is of this very history, by the salt of its head. Stable is what is inside each
of the last two: either may be the one that turns out to be lost. Two of one name are one, the later.
"""

import sqlite3
from pathlib import PurePath
from typing import Final

from hub.store.interface import Refused
from hub.store.records import BackupRecord, VerifiedBackup
from hub.store.sqlite import witness
from hub.store.sqlite.feed import salt_of
from hub.store.witness import OPERATOR
from protocol.errors import Code
from protocol.ids import Epoch, HubSeq, ReplicaId, Seq
from protocol.notes import Action, Entity
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "backups.sql")


def record(db: sqlite3.Connection, backup: VerifiedBackup) -> None:
    """Remember a verified backup; see `HubStore.record_backup`."""
    if salt_of(db, backup.hub_seq) != backup.salt:
        raise Refused(Code.BAD_VALUE, "the backup is of another history than this hub has now")
    values = {
        "file": backup.file,
        "taken_at": backup.taken_at_ms,
        "verified_at": backup.verified_at_ms,
        "hub_seq": backup.hub_seq,
        "operations": backup.operations,
    }
    db.execute(SQL["forget_positions_of_file"], {"file": backup.file})
    db.execute(SQL["forget_file"], {"file": backup.file})
    [(number,)] = db.execute(SQL["add"], values).fetchall()
    db.executemany(
        SQL["place"],
        [
            {"backup": number, "replica": replica, "acked": acked}
            for replica, acked in backup.positions.items()
        ],
    )
    db.execute(SQL["forget_positions"])
    db.execute(SQL["forget"])
    on, said = Entity("backup", PurePath(backup.file).name), {"operations": backup.operations}
    witness.note(db, backup.verified_at_ms, OPERATOR, Action.BACKED_UP, on, said)


def read_stable(db: sqlite3.Connection) -> dict[ReplicaId, Seq]:
    """How far each log is inside both of the last two verified backups; a log that is not named is not inside."""
    return {ReplicaId(replica): Seq(acked) for replica, acked in db.execute(SQL["stable"])}


def read_newest(db: sqlite3.Connection, limit: int) -> list[BackupRecord]:
    """Verified backups, the newest first."""
    return [
        BackupRecord(file, taken_at, verified_at, HubSeq(hub_seq), operations)
        for file, taken_at, verified_at, hub_seq, operations in db.execute(
            SQL["newest"], {"limit": limit}
        )
    ]


def read_positions(db: sqlite3.Connection) -> dict[ReplicaId, Seq]:
    """How far each log is in the ledger."""
    return {ReplicaId(replica): Seq(acked) for replica, acked in db.execute(SQL["positions"])}


def count_operations(db: sqlite3.Connection) -> int:
    """Operations in the ledger."""
    return int(db.execute(SQL["operations"]).fetchone()[0])


def begin_again(db: sqlite3.Connection, epoch: Epoch) -> int:
    """Begin a new epoch and void every open code; how many there were."""
    db.execute(SQL["set_epoch"], {"epoch": epoch})
    return db.execute(SQL["void_codes"]).rowcount
