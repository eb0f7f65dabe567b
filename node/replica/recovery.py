"""What follows when one side's history is not what the other remembers (hello rows 3 and 5-10).

Invariant: no operation is dropped, and nothing that is shown jumps: a row keeps showing what it showed until the hub
sends it again; what the hub does not send again by the end of the scope is cleared to the own operations on top.
"""

import sqlite3
from typing import Final

from node.replica import changes, view
from protocol.codec import pack, unpack
from protocol.effects import DocumentKey
from protocol.ids import Location, ReplicaId, Scope, Seq, Sku
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "recovery.sql")
_NONE: Final = pack([])


def begin_epoch(db: sqlite3.Connection, acked: Seq | None) -> None:
    """Forget every mark of the hub's former history; what is shown stays.

    Args:
        db: an open transaction.
        acked: how far the hub's new history has this log. Everything up to there is inside every row it will send;
            what comes after goes on top again. None when the hub has another log under this replica: then its
            position says nothing about ours, and what is on top stays there.
    """
    if acked is not None:
        for query in ("forget_deltas", "forget_edits"):
            db.execute(_SQL[query])
        for query in ("forget_quarantine_after", "cap_status_seen"):
            db.execute(_SQL[query], {"seq": acked})
        for row in db.execute(_SQL["log_after"], {"seq": acked}).fetchall():
            view.put_on_top(db, Seq(row["seq"]), decode(row["body"]).effects)
    for query in ("forget_counter_marks", "forget_document_marks", "forget_scope_marks"):
        db.execute(_SQL[query])


def begin_replica(db: sqlite3.Connection, replica: ReplicaId) -> None:
    """Continue the whole log, empty or not, under a new replica id: same operations, positions and chain, nothing acked.

    The hub knows most of them by op_id and will count none twice. What was acknowledged before stays out of the view's
    own part, since the hub's rows have it; what was not stays on top until the new replica's log has reached it.
    Whoever follows the changes live starts anew: the copy that this log was parted from may go on with their numbers.
    """
    db.execute(_SQL["begin_replica"], {"id": replica})
    for query in (
        "forget_quarantine",
        "forget_counter_own",
        "forget_document_own",
        "forget_scope_own",
    ):
        db.execute(_SQL[query])


def clear_unsent(db: sqlite3.Connection, scope: Scope) -> None:
    """A scope was read to its end for the first time: what the hub did not send, it does not have."""
    family, _, location = scope.partition(":")
    if family == "stock":
        cleared = db.execute(_SQL["clear_unsent_counters"], {"location": location}).fetchall()
        changes.note_stock(db, ((Location(location), Sku(row["sku"])) for row in cleared))
    for row in db.execute(_SQL["unsent_documents"]).fetchall():
        if scope in unpack(row["scopes"]):  # type: ignore[operator]
            key = DocumentKey(row["collection"], row["id"])
            db.execute(_SQL["clear_document"], {**key._asdict(), "fields": _NONE, "scopes": _NONE})
            view.show_document(db, key)
            changes.note_document(db, key)
