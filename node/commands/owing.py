"""What merged events left a document owing, and booking it: the operations that nobody asked for.

Invariants:
- What is owed is a function of the events that are shown (see `protocol.workflows.bookkeeping`), and the operation that books
  it is named by them: whoever books it, however often, it counts once.
- A node books at the locations that it writes, and an office at all: when, is for the caller to say.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from node.commands import orders, recording, stocktakes, transfers
from node.commands.movements import Here
from node.commands.recording import Seen
from node.commands.requests import Refusal
from node.replica import owing
from protocol.declarations.paperwork import ORDERS, STOCKTAKES, TRANSFERS
from protocol.declarations.vocabulary import Collection
from protocol.effects import DocumentKey
from protocol.ids import Location, OpId
from protocol.workflows import orders as order_course
from protocol.workflows import stocktakes as count_course
from protocol.workflows import transfers as transfer_course
from protocol.workflows.order_table import Kind
from protocol.workflows.progress import BOOKED
from protocol.workflows.steps import Step

ACTION: Final = "reconcile"
_NO_ACT: Final = OpId(bytes(16))
"""Every step here has a name of its own."""


def _of_order(seen: Seen) -> tuple[Step, ...]:
    kind = seen.values["kind"]
    if kind not in set(Kind):
        return ()  # of a newer version
    return order_course.reconcile(seen.document, Kind(str(kind)), orders.places_of(seen))


def _of_transfer(seen: Seen) -> tuple[Step, ...]:
    return transfer_course.reconcile(seen.document, transfers.places_of(seen))


def _of_stocktake(seen: Seen) -> tuple[Step, ...]:
    return count_course.reconcile(seen.document, stocktakes.places_of(seen))


COURSES: Final[Mapping[str, tuple[Collection, Callable[[Seen], tuple[Step, ...]]]]] = {
    ORDERS.name: (ORDERS, _of_order),
    TRANSFERS.name: (TRANSFERS, _of_transfer),
    STOCKTAKES.name: (STOCKTAKES, _of_stocktake),
}
"""The collections whose documents may owe something."""


class Owed(NamedTuple):
    """What is known of a document whose books are not what they should be."""

    places: frozenset[Location]
    """Where they are not."""
    tries: int
    """How often that was booked before, by anybody."""


def owed(db: sqlite3.Connection, key: DocumentKey) -> Owed | None:
    """What a document owes; None when its books are right, or when it is not whole."""
    found = _steps(db, key)
    if found is None or not found[1]:
        return None
    seen, steps = found
    entries = (name for name in seen.document.fields if name.startswith(BOOKED))
    tries = sum(name.rpartition("/")[2].startswith(f"{ACTION}:") for name in entries)
    return Owed(frozenset(step.location for step in steps), tries)


def book(db: sqlite3.Connection, here: Here, key: DocumentKey) -> None:
    """Record what a document owes where this node may: an office everywhere. Durable with the transaction.

    The document is taken as it is by now; one that is gone, or has edits of our own on top, is left as it is.

    Raises:
        Refusal: the document or a counter is as large as it can be. The caller must let the transaction fail then.
    """
    found = None if owing.has_own_on_top(db, key) else _steps(db, key)
    if found is not None:
        seen, steps = found
        recording.append(db, here, here.certificate.name, seen, steps, ACTION)


def _steps(db: sqlite3.Connection, key: DocumentKey) -> tuple[Seen, tuple[Step, ...]] | None:
    collection, course = COURSES[key.collection]
    try:
        seen = recording.see(db, collection, key.id, _NO_ACT)
    except Refusal:
        return None  # it is gone
    return (seen, course(seen)) if seen.is_whole else None
