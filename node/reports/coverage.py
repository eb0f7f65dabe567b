"""How far a report can be trusted: how new this node's rows are, and which locations and which facts it does not read.

Invariant: what a node does not read, or has not read to its end, is named in a note; a report of three shops by a node that
reads two says so.
"""

import sqlite3

from node import showing
from node.commands.answering import time_to_text
from node.replica import documents, identity, scopes
from node.replica.documents import DocumentQuery
from node.reports.frame import Moment, Note, note_of
from protocol.certificate import Role
from protocol.declarations.catalogue import LOCATIONS
from protocol.ids import stock_scope
from protocol.limits import DOCUMENTS_EXAMINED_MAX, LIST_LIMIT_MAX


def freshness(db: sqlite3.Connection, moment: Moment) -> dict[str, object]:
    """Which node reports, whether its rows are what the hub has, and when it last heard from the hub."""
    position = identity.read_position(db)
    contact_ms = position.last_contact_at_ms
    return {
        "name": moment.certificate.name,
        "caught_up": showing.is_caught_up(db, position),
        "last_contact_at": None if contact_ms is None else time_to_text(contact_ms),
    }


def location_notes(
    db: sqlite3.Connection, moment: Moment, location: str | None = None
) -> tuple[Note, ...]:
    """Which locations are not in a report of everything, or that the one asked for is not read here.

    Known locations are those that the office has described; the first `DOCUMENTS_EXAMINED_MAX` by code are looked at. One
    that this node may read and that the hub has nothing of is read: there is nothing.
    """
    asked = _described(db) if location is None else [location]
    held, who = scopes.held(db), moment.certificate
    # Before it has caught up, what it may read may still be on its way.
    knows_all = showing.is_caught_up(db, identity.read_position(db))
    unread = [
        code
        for code in asked
        if stock_scope(code) not in held
        and code not in who.writes
        and not (knows_all and who.reads_location(code))
    ]
    if not unread:
        return ()
    told = "This node does not hold the stock of these locations; they are not in this report."
    return (note_of("locations_not_read", told, unread),)


def sees_costs(moment: Moment) -> bool:
    """Whether what SKUs cost may be shown: to an office's operators alone, since no other node holds it."""
    return moment.is_operator and moment.certificate.role is Role.OFFICE


def cost_notes(moment: Moment) -> tuple[Note, ...]:
    """That costs are not in a report, where they are not."""
    if sees_costs(moment):
        return ()
    told = "What SKUs cost is shown to the office's operators alone; here every cost counts as not known."
    return (Note("costs_not_shown", told),)


def _described(db: sqlite3.Connection) -> list[str]:
    query = DocumentQuery(
        LOCATIONS, archived=False, limit=min(LIST_LIMIT_MAX, DOCUMENTS_EXAMINED_MAX)
    )
    return [held.id for held in documents.page(db, query).items]
