"""How a node's state looks from outside: stock, and where it stands with the hub.

Invariant: plain functions of an open transaction, so that the daemon and a command beside it show the same.
"""

import sqlite3
from dataclasses import dataclass

from node.commands.answering import time_to_text
from node.replica import identity, log, scopes, stock
from node.replica.stock import LotRow, StockRow
from protocol.certificate import Certificate
from runtime.verifier import Outcome, outcome_json


@dataclass(frozen=True, slots=True)
class Figures:
    """Where a node stands, as numbers for its metrics. Ages are in milliseconds of this machine's wall clock."""

    pending: int
    oldest_pending_ms: int | None
    quarantined: int
    caught_up: bool
    least_cursor: int
    """Of the scopes held: everything up to there was received; 0 without scopes."""
    contact_age_ms: int | None


def figures(db: sqlite3.Connection, now_ms: int) -> Figures:
    """Read them, of one moment."""
    position = identity.read_position(db)
    oldest_ms, contact_ms = log.oldest_pending_ms(db, position.acked), position.last_contact_at_ms
    return Figures(
        pending=max(0, log.head(db).seq - position.acked),
        oldest_pending_ms=None if oldest_ms is None else max(0, now_ms - oldest_ms),
        quarantined=log.count_quarantined(db),
        caught_up=position.epoch is not None and scopes.all_caught_up(db),
        least_cursor=min((cursor for cursor, _ in scopes.held(db).values()), default=0),
        contact_age_ms=None if contact_ms is None else max(0, now_ms - contact_ms),
    )


def sync_status(db: sqlite3.Connection, now_ms: int) -> dict[str, object]:
    """Where a node stands, from its database alone: for the daemon, and for `status` without one."""
    who, position = identity.read_identity(db), identity.read_position(db)
    oldest_ms = log.oldest_pending_ms(db, position.acked)
    return {
        "connected": False,
        "name": who.certificate.name,
        "role": who.certificate.role.value,
        "writes": list(who.certificate.writes),
        "hub": who.hub_url,
        "replica": position.replica.hex(),
        "epoch": None if position.epoch is None else position.epoch.hex(),
        "pending": max(0, log.head(db).seq - position.acked),
        "oldest_pending_age_s": None if oldest_ms is None else max(0, now_ms - oldest_ms) // 1000,
        "acked": position.acked,
        "stable": position.stable,
        "caught_up": position.epoch is not None and scopes.all_caught_up(db),
        "cursors": {scope: cursor for scope, (cursor, _) in scopes.held(db).items()},
        "last_contact_at": (
            None
            if position.last_contact_at_ms is None
            else time_to_text(position.last_contact_at_ms)
        ),
        "last_error": position.last_error,
        "quarantined": log.count_quarantined(db),
    }


def verified(outcome: Outcome | None) -> dict[str, object]:
    """The last complete verification, for the status; its age is kept over restarts."""
    return outcome_json(outcome, time_to_text)


def stock_json(row: StockRow) -> dict[str, object]:
    """A row of stock as REST shows it."""
    return {
        "location": row.location,
        "sku": row.sku,
        "name": None,
        "on_hand": row.on_hand,
        "reserved": row.reserved,
        "granted": row.granted,
        "in_transit": row.in_transit,
        "available": row.available,
        "incoming": row.in_transit,
        "minimum": None,
        "hub_seq": row.hub_seq,
    }


def stock_row_json(
    db: sqlite3.Connection, certificate: Certificate, location: str, sku: str
) -> dict[str, object] | None:
    """One SKU at one location with its lots; zeros for a pair never touched, None when neither is known."""
    found = stock.lots(db, location, sku)
    is_known = (
        bool(found)
        or location in certificate.writes
        or location in certificate.reads
        or stock.location_is_known(db, location)
        or stock.sku_is_known(db, sku)
    )
    if not is_known:
        return None
    row = stock.totals(db, location, sku)
    return {**stock_json(row), "lots": [_lot_json(lot) for lot in found if lot.lot]}


def _lot_json(lot: LotRow) -> dict[str, object]:
    return {
        "lot": lot.lot,
        "on_hand": lot.on_hand,
        "reserved": lot.reserved,
        "in_transit": lot.in_transit,
        "available": lot.on_hand - lot.reserved - lot.granted,
        "expiry": None,
    }
