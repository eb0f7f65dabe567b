"""Where a lot is and was, who got some of it, and when it was recalled.

Invariant: it is as complete as what this node reads. A location that only holds what it sold is among those that hold it,
since its customers may have some still; of sales there are those that this node lists, which are its own locations'.
"""

import sqlite3
from typing import Final, NamedTuple

from node.replica import documents
from node.replica.cursors import read_position, write_cursor
from node.replica.movements import NEWEST, Recorded, recorded
from protocol.declarations.naming import id_of
from protocol.effects import DocumentKey
from protocol.ids import OpId
from protocol.limits import SCOPES_MAX
from protocol.picking import Standing
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "tracing.sql")


class Holder(NamedTuple):
    """What a location has of a lot, in base units."""

    location: str
    on_hand: int
    reserved: int
    in_transit: int


class Taken(NamedTuple):
    """A sale or a dispense of a lot."""

    movement: Recorded
    reversed_by: OpId | None
    """The movement that took it back."""


def recalled_ms(db: sqlite3.Connection, sku: str, lot: str) -> int | None:
    """When a lot was recalled, by the clock of who did and UTC milliseconds; None when it is not."""
    status = documents.states(db, DocumentKey("lots", id_of([sku, lot]))).fields.get("status")
    return None if status is None or status.value != Standing.RECALLED else status.stamp.wall_ms


def holders(db: sqlite3.Connection, sku: str, lot: str) -> list[Holder]:
    """Every location where a lot is or ever was, as far as this node reads, by code."""
    asked = {"sku": sku, "lot": lot, "limit": SCOPES_MAX}
    return [Holder(*row) for row in db.execute(_SQL["holders"], asked)]


def taken(
    db: sqlite3.Connection, sku: str, lot: str, limit: int, cursor: str | None
) -> tuple[list[Taken], str | None]:
    """What customers got of a lot, newest first, as far as this node lists it, and the cursor of the next page.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    before = NEWEST if cursor is None else read_position(cursor)
    asked = {"sku": sku, "lot": lot, "before": before, "limit": limit}
    found = [
        Taken(recorded(row), None if row["reversed_by"] is None else OpId(row["reversed_by"]))
        for row in db.execute(_SQL["taken"], asked)
    ]
    following = write_cursor([found[-1].movement.position]) if len(found) == limit else None
    return found, following
