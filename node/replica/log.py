"""The log: every operation recorded here, in order, hash-chained. Its unacknowledged end is the outbox.

Invariant: positions have no gaps, a position's hash covers everything before it, also what was cut off since, and nothing
is ever changed. An operation is sent exactly as it was hashed.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from protocol import chain
from protocol.frames.log import Item, StatusEntry
from protocol.ids import ChainHash, Seq
from protocol.operation import decode
from protocol.session.hello import LocalLog
from runtime.queries import by_place, load_queries

_SQL: Final = load_queries(__file__, "log.sql")
_APPEND: Final = by_place(_SQL["append"], ("seq", "body", "chain"))


class Head(NamedTuple):
    """The last position and its hash; (0, CHAIN_START) for an empty log."""

    seq: Seq
    chain: ChainHash


def head(db: sqlite3.Connection) -> Head:
    """Where the log ends."""
    row = db.execute(_SQL["head"]).fetchone()
    return (
        Head(Seq(0), chain.CHAIN_START)
        if row is None
        else Head(Seq(row["seq"]), ChainHash(row["chain"]))
    )


def append(db: sqlite3.Connection, end: Head, body: bytes) -> None:
    """Add an operation's bytes after `end`, which is the log's head. Durable when the transaction is."""
    db.execute(_APPEND, (end.seq + 1, body, chain.extend(end.chain, body)))


def chain_at(db: sqlite3.Connection, seq: Seq) -> ChainHash | None:
    """The hash at a position, also at that before the oldest one held; None where the log does not reach."""
    row = db.execute(_SQL["chain_at"], {"seq": seq}).fetchone()
    if row is None:
        beginning = start(db)
        return beginning.chain if seq == beginning.seq else None
    return ChainHash(row["chain"])


def body_at(db: sqlite3.Connection, seq: Seq) -> bytes | None:
    """An own operation's bytes; None where the log does not reach."""
    row = db.execute(_SQL["body_at"], {"seq": seq}).fetchone()
    return None if row is None else row["body"]


def outbox(db: sqlite3.Connection, sent: Seq, limit: int) -> tuple[ChainHash, list[Item]]:
    """The hash at `sent` and the operations after it, oldest first, at most `limit`."""
    prev = chain_at(db, sent)
    assert prev is not None, "the session never sends beyond the log"
    rows = db.execute(_SQL["after"], {"seq": sent, "limit": limit})
    return prev, [Item(row["body"], row["accepted_at"]) for row in rows]


def start(db: sqlite3.Connection) -> Head:
    """Where the log begins: what was cut off before it ended here; (0, CHAIN_START) for a whole one."""
    row = db.execute(_SQL["base"]).fetchone()
    if row is None or row["base_chain"] is None:
        return Head(Seq(0), chain.CHAIN_START)
    return Head(Seq(row["log_base"] - 1), ChainHash(row["base_chain"]))


def base(db: sqlite3.Connection) -> Seq:
    """Position of the oldest operation still held; 1 for an empty log."""
    return Seq(start(db).seq + 1)


def compare(db: sqlite3.Connection, acked: Seq, acked_seen: Seq) -> LocalLog:
    """What this log says about the position where the hub stands."""
    return LocalLog(head(db).seq, base(db), acked_seen, chain_at(db, acked))


def acknowledge(db: sqlite3.Connection, upto: Seq, accepted_at_ms: int) -> None:
    """Keep the hub's clock for everything up to `upto` that has none yet."""
    db.execute(_SQL["acknowledge"], {"upto": upto, "accepted_at": accepted_at_ms})


def quarantine(db: sqlite3.Connection, entries: Sequence[StatusEntry], now_ms: int) -> None:
    """Remember which operations count nowhere; told twice is told once."""
    db.executemany(
        _SQL["quarantine"],
        [{"seq": e.seq, "code": e.code, "detail": e.detail, "now": now_ms} for e in entries],
    )


def count_quarantined(db: sqlite3.Connection) -> int:
    """How many own operations the hub could not take."""
    count: int = db.execute(_SQL["count_quarantined"]).fetchone()[0]
    return count


def oldest_pending_ms(db: sqlite3.Connection, acked: Seq) -> int | None:
    """When the oldest operation that waits to be acknowledged was recorded; None when none waits."""
    row = db.execute(_SQL["first_after"], {"seq": acked}).fetchone()
    return None if row is None else decode(row["body"]).recorded_at
