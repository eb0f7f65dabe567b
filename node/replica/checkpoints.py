"""What was signed about this log and about the hub's history, kept here.

Invariant: the newest of each is never lost, and none is changed. A checkpoint that contradicts one that is kept is told
and not kept, so those that are kept go together.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from node.replica import identity, log
from node.replica.identity import NodeIdentity
from protocol.certificate import Certificate
from protocol.checkpoint import (
    Checkpoint,
    Head,
    Signer,
    contradiction,
    verify_checkpoint,
    verify_head,
)
from protocol.errors import ProtocolError
from protocol.ids import ReplicaId, Seq
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "checkpoints.sql")
KEPT: Final = 5_000
"""Checkpoints, and receipts of a log. A trigger of `schema.sql` knows the number."""
_NAMES: Final = {Signer.NODE: "node", Signer.HUB: "hub"}


class Contradiction(NamedTuple):
    """Two checkpoints that the hub signed and that cannot both be true."""

    detail: str
    kept: bytes
    told: bytes


class Wrong(NamedTuple):
    """A place of the log, and what is wrong there."""

    seq: Seq
    detail: str


def newest_head(db: sqlite3.Connection, signer: Signer, replica: ReplicaId) -> bytes | None:
    """The longest signed head of a log."""
    asked = {"signer": _NAMES[signer], "replica": replica}
    row = db.execute(_SQL["newest_head"], asked).fetchone()
    return None if row is None else row["record"]


def keep_head(db: sqlite3.Connection, signer: Signer, head: Head, record: bytes) -> None:
    """Keep a verified head: of this node's own only the newest, of receipts the newest KEPT."""
    about = {"signer": _NAMES[signer], "replica": head.replica}
    db.execute(_SQL["keep_head"], {**about, "seq": head.seq, "record": record})
    beyond = 0 if signer is Signer.NODE else KEPT
    db.execute(_SQL["forget_heads"], {**about, "beyond": beyond})


def receipt_within(
    db: sqlite3.Connection, replica: ReplicaId, first: Seq, last: Seq
) -> bytes | None:
    """The hub's newest receipt at one of these positions; None when it has given none."""
    asked = {"replica": replica, "first": first, "last": last}
    row = db.execute(_SQL["receipt_within"], asked).fetchone()
    return None if row is None else row["record"]


def all_kept(db: sqlite3.Connection) -> Iterator[bytes]:
    """Every checkpoint that is kept, by epoch and number."""
    for row in db.execute(_SQL["checkpoints"]):
        yield row["record"]


def newest_checkpoint(db: sqlite3.Connection) -> bytes | None:
    """The checkpoint that came last."""
    row = db.execute(_SQL["newest_checkpoint"]).fetchone()
    return None if row is None else row["record"]


def keep_checkpoint(
    db: sqlite3.Connection, who: NodeIdentity, told: Checkpoint, record: bytes
) -> Contradiction | None:
    """Keep a verified checkpoint that goes together with its neighbours; what it contradicts, if anything."""
    asked = {"epoch": told.epoch, "number": told.number}
    same = db.execute(_SQL["checkpoint"], asked).fetchone()
    if same is not None and same["record"] == record:
        return None
    beside = [db.execute(_SQL[each], asked).fetchone() for each in ("before", "after")]
    for kept in [same] if same is not None else beside:
        if kept is None:
            continue
        with contextlib.suppress(
            ProtocolError
        ):  # a damaged one contradicts nothing; `verify` tells of it
            detail = contradiction(kept["record"], record, who.hub_public_key, who.chain)
            if detail is not None:
                return Contradiction(detail, kept["record"], record)
    if same is None:
        db.execute(_SQL["add_checkpoint"], {**asked, "record": record})
        db.execute(_SQL["forget_checkpoints"], {"kept": KEPT})
    return None


def head_faults(db: sqlite3.Connection) -> Iterator[Wrong]:
    """Where the log is not what this node or the hub signed that it was, in order."""
    position, end = identity.read_position(db), log.head(db)
    if position.acked > end.seq:
        yield Wrong(
            Seq(end.seq + 1),
            f"the log ends before it, and the hub has acknowledged {position.acked}",
        )
    who = identity.read_identity(db)
    for row in db.execute(_SQL["heads"], {"replica": position.replica}).fetchall():
        yield from _head_fault(db, who, row["record"], Signer[row["signer"].upper()])


def kept_outside_fault(db: sqlite3.Connection, record: bytes) -> Iterator[Wrong]:
    """The same by the newest head of this node's own that was kept outside the database."""
    who, position = identity.read_identity(db), identity.read_position(db)
    try:
        head = _verified(who, record, Signer.NODE)
    except ProtocolError:
        return  # a file that cannot be read proves nothing; neither does another node's
    if head.replica == position.replica:
        yield from _head_fault(db, who, record, Signer.NODE)


def checkpoint_faults(db: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the checkpoints that are kept, in a sentence each."""
    who = identity.read_identity(db)
    before: bytes | None = None
    for row in db.execute(_SQL["checkpoints"]):
        try:
            verify_checkpoint(row["record"], who.hub_public_key, who.chain)
            if before is not None:
                detail = contradiction(before, row["record"], who.hub_public_key, who.chain)
                if detail is not None:
                    yield detail
            before = row["record"]
        except ProtocolError as error:
            yield f"checkpoint {row['number']} is not as the hub signed it: {error.detail}"


def _head_fault(
    db: sqlite3.Connection, who: NodeIdentity, record: bytes, signer: Signer
) -> Iterator[Wrong]:
    end = log.head(db)
    by = "this node" if signer is Signer.NODE else "the hub"
    try:
        head = _verified(who, record, signer)
    except ProtocolError as error:
        yield Wrong(end.seq, f"a signed statement about the log was changed: {error.detail}")
        return
    if head.seq > end.seq:
        yield Wrong(
            Seq(end.seq + 1),
            f"the log ends before it, and {by} signed that it went to {head.seq}: its end was cut off, "
            "or an older copy was put in its place",
        )
        return
    held = log.chain_at(db, head.seq)
    if held is not None and held != head.hash:
        yield Wrong(
            head.seq, f"{by} signed another history up to here: an operation was changed or removed"
        )


def _verified(who: NodeIdentity, record: bytes, signer: Signer) -> Head:
    certificate: Certificate = who.certificate
    key = certificate.public_key if signer is Signer.NODE else who.hub_public_key
    return verify_head(record, key, who.chain, signer)
