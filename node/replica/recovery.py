"""What follows when one side's history is not what the other remembers (hello rows 3 and 5-10).

Invariant: no operation is dropped, and nothing that is shown jumps: a row keeps showing what it showed until the hub
sends it again; what the hub does not send again by the end of the scope is cleared to the own operations on top. Where
no scope is read nothing is ever sent: there only what is on top is shown.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from node.replica import changes, claims, retention, scopes, view
from node.replica.identity import forget_head_seen, read_position
from protocol.codec import pack, unpack
from protocol.effects import CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import Location, ReplicaId, Scope, Seq, Sku, stock_scope
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "recovery.sql")


def begin_epoch(db: sqlite3.Connection, acked: Seq | None) -> None:
    """Forget every mark of the hub's former history; what is shown stays.

    Args:
        db: an open transaction.
        acked: how far the hub's new history has this log. Everything up to there is inside every row it will send;
            what comes after goes on top again. None when the hub has another log under this replica: then its
            position says nothing about ours, and what is on top stays there until every operation was claimed.
    """
    elsewhere = left_behind(db)
    if acked is not None:
        _put_on_top_after(db, acked)
        for row in db.execute(_SQL["quarantined_after"], {"seq": acked}).fetchall():
            _show_again(db, Seq(row["seq"]), decode(row["body"]).effects)
        for query in ("forget_quarantine_after", "cap_status_seen"):
            db.execute(_SQL[query], {"seq": acked})
        elsewhere |= left_behind(db)
    for query in (
        "forget_counter_marks",
        "forget_document_marks",
        "forget_scope_marks",
        "forget_pulled",
    ):
        db.execute(_SQL[query])
    forget_head_seen(db)
    # What was on top there may have been set aside unheard of; what is again was perhaps taken off what is shown.
    for scope in sorted(elsewhere):
        _clear_unsent_counters(db, scope)
    claims.begin(db, whole=acked is None)


def _put_on_top_after(db: sqlite3.Connection, acked: Seq) -> None:
    """Have exactly what was recorded after `acked`, and not set aside, on top.

    Rows of a scope that was let go are gone, and the log may reach further back than what was still on top of them:
    they are shown again.
    """
    edited = view.edited(db)
    view.keep_inside(db, acked, scopes.held(db))
    for query in ("forget_deltas", "forget_edits"):
        db.execute(_SQL[query])
    for row in db.execute(_SQL["log_after"], {"seq": acked}).fetchall():
        view.put_on_top(db, Seq(row["seq"]), decode(row["body"]).effects)
    shown = db.execute(_SQL["show_what_is_on_top"]).fetchall()
    changes.note_stock(db, ((Location(row["location"]), Sku(row["sku"])) for row in shown))
    for key, was_in in (view.edited(db) | edited).items():
        view.show_changed(db, key, was_in)


def _show_again(db: sqlite3.Connection, seq: Seq, effects: Sequence[Effect]) -> None:
    """What the hub had set aside was not shown; it is on top again until the hub has judged it anew."""
    view.record(db, seq, effects)
    counters = (effect for effect in effects if isinstance(effect, CounterEffect))
    changes.note_stock(db, ((effect.location, effect.sku) for effect in counters))
    for key in dict.fromkeys(effect.key for effect in effects if isinstance(effect, FieldEffect)):
        changes.note_document(db, key)


def begin_replica(db: sqlite3.Connection, replica: ReplicaId) -> None:
    """Continue the whole log, empty or not, under a new replica id: same operations, nothing acked; a log that was never
    cut keeps its positions and chain, what was cut off any other comes back before it.

    The hub knows most of them by op_id and will count none twice. What was acknowledged before stays out of the view's
    own part, since the hub's rows have it; what was not stays on top until it was claimed or the new replica's log has
    reached it.
    Whoever follows the changes live starts anew: the copy that this log was parted from may go on with their numbers.
    """
    retention.whole_again(db, replica)
    db.execute(_SQL["begin_replica"], {"id": replica})
    for query in (
        "forget_quarantine",
        "forget_counter_own",
        "forget_document_own",
        "forget_scope_own",
    ):
        db.execute(_SQL[query])
    claims.begin(db, whole=False)


def left_behind(db: sqlite3.Connection) -> set[Scope]:
    """Scopes that are not read and of which something is left: own operations on top, which stay shown until the hub has
    them, or rows that were not dropped yet when the node stopped.
    """
    return _on_top_elsewhere(db) | scopes.going(db)


def _on_top_elsewhere(db: sqlite3.Connection) -> set[Scope]:
    stock = {stock_scope(row["location"]) for row in db.execute(_SQL["left_behind"])}
    held = scopes.held(db).keys()
    return stock.union(*(named for named in view.edited(db).values() if not named & held))


def let_acknowledged_go(db: sqlite3.Connection, leaving: Collection[Scope]) -> set[Scope]:
    """Take what the hub has by now of operations off the rows of scopes let go; those of which nothing is left.

    No page of such a scope will ever say that it includes them. All scopes at once: a node may write hundreds of
    locations, and what it edited while it was away is looked through once an acknowledgement and not once for each.
    """
    held = scopes.held(db).keys()
    left = {scope for scope in leaving if scope not in held}  # the others were given back
    view.forget_unread(db, left, read_position(db).acked, held)
    going = scopes.going(db)
    gone = {scope for scope in sorted(left & going) if scopes.let_go_piece(db, scope)}
    free = left - _on_top_of(db, left, held)
    gone |= {scope for scope in sorted(free - going) if scopes.drop_counters_piece(db, scope)}
    return ({*leaving} - left) | (gone & free)


def _on_top_of(
    db: sqlite3.Connection, wanted: Collection[Scope], held: Collection[Scope]
) -> set[Scope]:
    """Which of these scopes, none of them held, have own operations on top."""
    found = {scope for scope in wanted if _has_deltas(db, scope)}
    return found | view.edited_in(db, {*wanted} - found, held)


def _has_deltas(db: sqlite3.Connection, scope: Scope) -> bool:
    family, _, location = scope.partition(":")
    asked = {"location": location}
    return family == "stock" and bool(db.execute(_SQL["has_deltas"], asked).fetchone()[0])


def clear_unsent(db: sqlite3.Connection, scope: Scope) -> None:
    """A scope was read to its end for the first time: what the hub did not send, it does not have.

    A document that is in another scope besides, of which that is not known yet, waits for that one's end.
    """
    _clear_unsent_counters(db, scope)
    held = scopes.held(db).keys()
    for row in db.execute(_SQL["unsent_documents"]).fetchall():
        named = {Scope(name) for name in unpack(row["scopes"])}  # type: ignore[attr-defined]
        if scope in named:
            key = DocumentKey(row["collection"], row["id"])
            left = named - {scope}
            if left & held:
                db.execute(_SQL["save_scopes"], {**key._asdict(), "scopes": pack(sorted(left))})
            else:
                view.clear_document(db, key)
                view.show_changed(db, key, named)


def _clear_unsent_counters(db: sqlite3.Connection, scope: Scope) -> None:
    family, _, location = scope.partition(":")
    if family == "stock":
        cleared = db.execute(_SQL["clear_unsent_counters"], {"location": location}).fetchall()
        changes.note_stock(db, ((Location(location), Sku(row["sku"])) for row in cleared))
