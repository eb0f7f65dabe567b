"""No statement of the node walks over a table unless it is known to, and why it may."""

import sqlite3
from pathlib import Path

import pytest

import node
from tests.query_plans import scans, statements

FOLDERS = ("replica", "live", "exchange", "alerting", "reports", "exceptions")
SCANS = {
    # The first or last row of a table in the order of its key: SQLite calls it a scan, and stops at the limit.
    "answers.mark answer",
    "changes.bounds change",
    "retention.first_change_to_keep change",
    "log.head log",
    "checkpoints.newest_checkpoint hub_checkpoint",
    # One a day for 400 days.
    "answers.forget_marks answer_mark",
    # The history of changes is bounded by LIVE_HISTORY_CHANGES_MAX.
    "changes.newest_to_forget change",
    # As many as a shop has locations, tills and operations the hub refused; devices that ever left the chain.
    "log.count_quarantined quarantined",
    "departures.all departure",
    "departures.forced_resets forced_reset",
    "scopes.advance_all scope",
    "scopes.all_held scope",
    "tokens.all token",
    "tokens.revoke token",
    # INCIDENTS_KEPT of each of a few codes.
    "incidents.forget incident",
    "incidents.is_noted incident",
    "incidents.newest incident",
    # Locations that this node looks after.
    "state.forget_places alert_place",
    "state.places alert_place",
    # Once a start, and when something is given up.
    "outbox.drop_others alert_delivery",
    "outbox.forget_given_up alert_delivery",
    # Once a scrape: what is raised now, and what could not be delivered yet.
    "state.count_open alert",
    "outbox.counts alert_delivery",
    # Documents that owe something: a few, and gone as soon as it is booked.
    "owing.due owing",
    # What is sealed: this node's keys, one or two; what the hub has not heard of; its locations.
    "sealed.own_keys own_sealing_key",
    "sealed.locations_untold record_key",
    "sealed.epochs sealed_place",
    "sealed.places sealed_place",
    # Once a change of keys or of who seals, once an epoch of the hub, and once a verification.
    "sealed.locations record_key",
    "sealed.untell_all record_key",
    "sealed.all record_key",
    # Once an export.
    "movements.own_locations movement",
    # Once a session; and with each acknowledgement while something is left of a scope that went out of reach.
    "recovery.left_behind pending_delta",
    "scopes.going scope",
    "view.edits pending_edit",
    # Once for each eight thousand operations on top after a loss, by a reader.
    "claims.on_top pending_delta",
    # Once an epoch, a replica, or a scope that is read to its end for the first time.
    "recovery.forget_counter_marks counter",
    "recovery.forget_counter_own counter",
    "recovery.forget_document_marks document",
    "recovery.forget_document_own document",
    "recovery.forget_scope_marks scope",
    "recovery.forget_scope_own scope",
    "recovery.show_what_is_on_top pending_delta",
    "recovery.unsent_documents document",
    # Once a new replica of a log whose beginning was cut off: all that is held is sent again.
    "retention.carried carried",
    "retention.carry_acknowledged carried",
    "retention.carry_edits kept_edit",
    "retention.count_carried carried",
    "retention.empty_log log",
    "retention.forget_carried carried",
    "retention.forget_kept_edits kept_edit",
    "retention.relist_movements movement",
    "retention.carry_log log",
    "retention.carry_movements movement",
    "retention.shift_changes change",
    "retention.shift_deltas_away pending_delta",
    "retention.shift_deltas_back pending_delta",
    "retention.shift_edits_away pending_edit",
    "retention.shift_movements movement",
    # A search is a look into the index that FTS5 keeps of words; SQLite calls it a scan.
    "search.best sku_search",
    "search.by_name sku_search",
    "search.count sku_search",
    "stock.page_matching sku_search",
    "stock.page_of_sku sku_search",
    # Once a start, in a database whose index was lost.
    "search.barcodes_without_document sku_barcode",
    "search.count_differs sku_text",
    "search.without_document sku_text",
    # Once a page of a report, and no further than REPORT_COUNTERS_MAX.
    "positions.count_up_to counter",
    # Once a verification: it is there to read everything.
    "checkpoints.checkpoints hub_checkpoint",
    "checkpoints.heads signed_head",
    # Once an export of a time: operations are in no order of time.
    "audit_file.log log",
    "verify.held_movements movement",
    "verify.kept_edits kept_edit",
    "verify.count_listed_skus movement_sku",
    "verify.listed_skus movement_sku",
    "verify.listed_without_operation movement",
    "verify.log_in_order log",
    "verify.pending_by_operation pending_delta",
    "verify.pending_without_counter pending_delta",
    "verify.scopes scope",
    "verify.sent_counters counter",
    "verify.sent_documents document",
    "verify.shown_differs counter",
}


def test_no_statement_walks_over_a_table_that_is_not_known_to(db: sqlite3.Connection) -> None:
    asked: dict[str, str] = {}
    for name in FOLDERS:
        asked |= statements(Path(node.__file__).parent / name)
    assert scans(db, asked) == SCANS


@pytest.mark.parametrize("name", ["verify.listed", "verify.is_listed_sku"])
def test_an_operation_is_looked_up_in_the_list_of_movements_by_an_index(
    db: sqlite3.Connection, name: str
) -> None:
    sql = statements(Path(node.__file__).parent / "replica")[name]
    values = dict.fromkeys(("op_id", "sku", "position", "lot"))
    plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert len(plan) == 1
    assert plan[0].startswith("SEARCH")


def test_a_scan_is_seen(db: sqlite3.Connection) -> None:
    by_position = "SELECT sku FROM movement_sku WHERE position = :position -- of one operation"
    assert scans(db, {"verify.listed_skus": by_position}) == {"verify.listed_skus movement_sku"}
