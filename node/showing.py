"""How a node's state looks from outside: stock, and where it stands with the hub.

Invariant: plain functions of an open transaction, so that the daemon and a command beside it show the same.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from node.commands.answering import time_to_text
from node.replica import claims, identity, incidents, log, retention, scopes, stock
from node.replica.identity import Position, Predecessor
from node.replica.incidents import Incident
from node.replica.stock import LotRow, StockRow
from protocol.certificate import Certificate
from runtime.verifier import Outcome, outcome_json

INCIDENTS_SHOWN: Final = 3
"""Of each code."""


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
    retained: int
    """Operations that the log holds, acknowledged ones too."""


def figures(db: sqlite3.Connection, now_ms: int) -> Figures:
    """Read them, of one moment."""
    position = identity.read_position(db)
    oldest_ms, contact_ms = log.oldest_pending_ms(db, position.acked), position.last_contact_at_ms
    return Figures(
        pending=max(0, log.head(db).seq - position.acked),
        oldest_pending_ms=None if oldest_ms is None else max(0, now_ms - oldest_ms),
        quarantined=log.count_quarantined(db),
        caught_up=is_caught_up(db, position),
        least_cursor=min((cursor for cursor, _ in scopes.held(db).values()), default=0),
        contact_age_ms=None if contact_ms is None else max(0, now_ms - contact_ms),
        retained=retention.count(db),
    )


def sync_status(db: sqlite3.Connection, now_ms: int) -> dict[str, object]:
    """Where a node stands, from its database alone: for the daemon, and for `status` without one."""
    who, position = identity.read_identity(db), identity.read_position(db)
    oldest_ms = log.oldest_pending_ms(db, position.acked)
    return {
        "connected": False,
        "name": who.certificate.name,
        "role": who.certificate.role.value,
        "writes": list(who.rights.writes),
        "hub": who.hub_url,
        "replica": position.replica.hex(),
        "epoch": None if position.epoch is None else position.epoch.hex(),
        "pending": max(0, log.head(db).seq - position.acked),
        "oldest_pending_age_s": None if oldest_ms is None else max(0, now_ms - oldest_ms) // 1000,
        "acked": position.acked,
        "stable": position.stable,
        "caught_up": is_caught_up(db, position),
        "cursors": {scope: cursor for scope, (cursor, _) in scopes.held(db).items()},
        "last_contact_at": (
            None
            if position.last_contact_at_ms is None
            else time_to_text(position.last_contact_at_ms)
        ),
        "last_error": position.last_error,
        "quarantined": log.count_quarantined(db),
        "incidents": [_incident_json(one) for one in incidents.newest(db, INCIDENTS_SHOWN)],
        "log_base": log.base(db),
        "backup_alarm": retention.backup_alarm(db, now_ms + (position.clock_offset_ms or 0)),
        "replaces": _replaced(identity.read_predecessor(db)),
    }


def is_caught_up(db: sqlite3.Connection, position: Position) -> bool:
    """Whether what is shown is what the hub has, and our own on top: after a loss, once the hub has said what it has."""
    return position.epoch is not None and scopes.all_caught_up(db) and not claims.are_due(db)


def _incident_json(one: Incident) -> dict[str, object]:
    return {"code": one.code, "detail": one.detail, "at": time_to_text(one.happened_at_ms)}


def _replaced(predecessor: Predecessor | None) -> dict[str, object] | None:
    """Whose work this node took over, and since when receipts of that one may be missing."""
    if predecessor is None:
        return None
    heard_ms = predecessor.heard_at_ms
    return {
        "name": predecessor.name,
        "receipts_missing_since": None if heard_ms is None else time_to_text(heard_ms),
    }


def predecessor_sentence(predecessor: Predecessor) -> str:
    """The same for a person."""
    name, heard_ms = predecessor
    if heard_ms is None:
        return f"It replaces {name}; enter again whatever was sold there and is not shown here."
    since = time_to_text(heard_ms)
    return f"It replaces {name}; what was recorded there after {since} may be missing: enter it again from the receipts."


def verified(outcome: Outcome | None) -> dict[str, object]:
    """The last complete verification, for the status; its age is kept over restarts."""
    return outcome_json(outcome, time_to_text)


def stock_json(row: StockRow) -> dict[str, object]:
    """A row of stock as REST shows it."""
    return {
        "location": row.location,
        "sku": row.sku,
        "name": row.name,
        "on_hand": row.on_hand,
        "reserved": row.reserved,
        "granted": row.granted,
        "in_transit": row.in_transit,
        "held": row.held,
        "available": row.available,
        "incoming": row.in_transit,
        "minimum": row.minimum,
        "hub_seq": row.hub_seq,
    }


def stock_row_json(
    db: sqlite3.Connection, certificate: Certificate, location: str, sku: str, now_ms: int
) -> dict[str, object] | None:
    """One SKU at one location with its lots; zeros for a pair never touched, None when neither is known."""
    found = stock.lots(db, location, sku, now_ms)
    is_known = (
        bool(found)
        or location in certificate.writes
        or location in certificate.reads
        or stock.location_is_known(db, location)
        or stock.sku_is_known(db, sku)
    )
    if not is_known:
        return None
    row = stock.totals(db, location, sku, now_ms)
    return {**stock_json(row), "lots": [_lot_json(lot) for lot in found if lot.lot]}


def _lot_json(lot: LotRow) -> dict[str, object]:
    return {
        "lot": lot.lot,
        "on_hand": lot.on_hand,
        "reserved": lot.reserved,
        "in_transit": lot.in_transit,
        "available": lot.available,
        "expiry": lot.expiry,
        "standing": lot.standing.value,
    }
