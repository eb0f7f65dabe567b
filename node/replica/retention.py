"""How long the log goes back: its beginning is cut off once the hub can no longer lose it.

Invariants: nothing is cut that the hub has not acknowledged, that is still on top of the view, or that is too young by
the hub's own clock. What is cut stays held: a movement's bytes go to the list of movements, an edit's to those kept for
ever, in the same transaction. Should the log ever have to continue under a new replica, all of it is in front again.
"""

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from node.replica import log
from protocol import chain
from protocol.ids import ChainHash, ReplicaId, Seq
from protocol.limits import (
    BACKUP_LATE_DAYS,
    INT_MAX,
    RETAINED_DAYS,
    RETAINED_DAYS_WITHOUT_BACKUP,
)
from protocol.movements import MOVE_PREFIX
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "retention.sql")
_DAY_MS: Final = 86_400_000
PIECE_OPERATIONS: Final = 50
"""Cut in one transaction: 4 ms in the middle with its commit, 8 ms at the 90th percentile where the cores were busy with
other work; 200 take 16 ms there. A trigger of `schema.sql` knows the number: it looks at no more for what leaves the log."""
PIECE_CHANGES: Final = 500


class Retention(NamedTuple):
    """How many days an acknowledged operation stays in the log at least, by the hub's clock."""

    days: int = RETAINED_DAYS
    """Once it is in a verified backup of the hub."""
    days_without_backup: int = RETAINED_DAYS_WITHOUT_BACKUP
    """While it is in none: then only so that a disk is not filled for ever."""


class _Cut(NamedTuple):
    base: Seq
    chain: ChainHash


def body_hash(body: bytes) -> bytes:
    """What a body outside the log is checked by."""
    return blake2b(body, digest_size=16).digest()


def prune_piece(db: sqlite3.Connection, retention: Retention, hub_now_ms: int) -> int:
    """Cut some operations off the log's beginning, in an open transaction; how many rows went, 0 when it is done.

    Args:
        db: an open transaction.
        retention: how long they stay.
        hub_now_ms: the hub's clock, by its last comparison with ours: one that is wrong by years cuts nothing.
    """
    rows = list(_oldest_to_cut(db, retention, hub_now_ms))
    if not rows:
        return 0
    cut = _Cut(Seq(rows[-1]["seq"] + 1), ChainHash(rows[-1]["chain"]))
    # A change names its operation by the position: none may outlive what it names.
    keep = db.execute(_SQL["first_change_to_keep"], {"base": cut.base}).fetchone()[0] or 0
    forgotten = db.execute(_SQL["forget_changes"], {"n": keep, "limit": PIECE_CHANGES}).rowcount
    if forgotten == PIECE_CHANGES:
        return forgotten
    for row in rows:
        _move(db, row)
    db.execute(_SQL["save_base"], cut._asdict())
    db.execute(_SQL["cut"], {"base": cut.base})
    db.execute(_SQL["forget_acknowledged"], {"base": cut.base})
    return len(rows)


def whole_again(db: sqlite3.Connection, replica: ReplicaId) -> None:
    """Put everything that was cut off back before the log, which gets new positions from 1 on, for `replica`.

    A new replica begins at 1, and only the hub can tell what of it it has: by the operations' ids, so their order does
    not matter. A log that is whole stays as it is, with its positions. In one transaction, as long as that takes.
    """
    standing = db.execute(_SQL["standing"]).fetchone()
    if standing is None or standing["log_base"] == 1:
        return
    for query in ("carry_edits", "carry_movements"):
        db.execute(_SQL[query])
    in_front = db.execute(_SQL["count_carried"]).fetchone()[0]
    for query in ("carry_log", "empty_log", "empty_acknowledged", "carry_acknowledged"):
        db.execute(_SQL[query])
    db.executemany(_SQL["append"], _chained(db))
    shift = {"shift": in_front - (standing["log_base"] - 1)}
    db.execute(_SQL["shift_movements"], {**shift, "replica": replica})
    db.execute(_SQL["relist_movements"], {"replica": replica})
    db.execute(_SQL["forget_kept_edits"])
    for query in ("shift_deltas_away", "shift_edits_away", "shift_changes"):
        db.execute(_SQL[query], shift)
    for query in ("shift_deltas_back", "shift_edits_back", "forget_carried"):
        db.execute(_SQL[query])
    db.execute(_SQL["save_base"], {"base": 1, "chain": None})


def count(db: sqlite3.Connection) -> int:
    """How many operations the log holds."""
    retained: int = db.execute(_SQL["count_retained"]).fetchone()[0]
    return retained


def backup_alarm(db: sqlite3.Connection, hub_now_ms: int) -> str | None:
    """What is wrong with the hub's backups, in one sentence for the office; None while they follow soon enough.

    Without them this log is the only second copy of what was recorded here, and is kept that much longer.
    """
    oldest = db.execute(_SQL["oldest_unstable"]).fetchone()
    days = 0 if oldest is None else (hub_now_ms - oldest["accepted_at"]) // _DAY_MS
    if days < BACKUP_LATE_DAYS:
        return None
    stable = db.execute(_SQL["standing"]).fetchone()["stable"]
    if stable:
        return (
            f"The hub's last verified backups are behind by {days} days: check them at head office."
        )
    return (
        f"The hub has reported no verified backup for {days} days: make one at head office with "
        "`everstock-hub backup`."
    )


def _oldest_to_cut(
    db: sqlite3.Connection, retention: Retention, hub_now_ms: int
) -> Iterator[sqlite3.Row]:
    standing = db.execute(_SQL["standing"]).fetchone()
    backed_up = min(standing["stable"], standing["acked"])
    young_ms = hub_now_ms - retention.days * _DAY_MS
    young_without_backup_ms = hub_now_ms - retention.days_without_backup * _DAY_MS
    on_top = db.execute(_SQL["first_on_top"], {"most": INT_MAX}).fetchone()[0]
    # The last one stays: where a log goes on is read from its end.
    upto = min(standing["acked"], on_top - 1, log.head(db).seq - 1)
    for row in db.execute(_SQL["oldest"], {"upto": upto, "limit": PIECE_OPERATIONS}).fetchall():
        limit_ms = young_ms if row["seq"] <= backed_up else young_without_backup_ms
        if row["accepted_at"] is None or row["accepted_at"] > limit_ms:
            return
        yield row


def _move(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    operation = decode(row["body"])
    kept = {"body": row["body"], "body_hash": body_hash(row["body"])}
    if operation.kind.startswith(MOVE_PREFIX):
        where = {"op_id": operation.op_id, "seq": row["seq"]}
        if db.execute(_SQL["move_body"], {**kept, **where}).rowcount:
            return
    # An edit, a note, or a movement that damage took off the list: whatever it is, it stays held.
    db.execute(_SQL["keep_edit"], {**kept, "accepted_at": row["accepted_at"]})


def _chained(db: sqlite3.Connection) -> Iterator[dict[str, object]]:
    held = chain.CHAIN_START
    for row in db.execute(_SQL["carried"]):
        held = chain.extend(held, row["body"])
        yield {"seq": row["seq"], "body": row["body"], "chain": held}
