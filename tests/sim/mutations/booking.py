"""Bugs of documents' books: promises that are kept too long, goods that count twice, and what merged events leave owing."""

import itertools
import sqlite3
from contextlib import AbstractContextManager
from typing import Final

from node.commands import owing
from node.commands.movements import Here
from node.exceptions import lateness
from node.replica import late
from protocol.effects import DocumentKey
from protocol.workflows import bookkeeping, orders, transfers
from protocol.workflows.order_table import Stage
from protocol.workflows.progress import Item
from protocol.workflows.transfer_table import RECEIVE
from tests.sim.mutations.planting import Mutation, replaced

CLERKS: Final = {"acts": 16}
APART: Final = {
    "acts": 24,
    "nodes": 3,
    "standby": True,
    "office": True,
    "weights": {"cut": 1.0, "line down": 2.0},
}
"""Several nodes that do something with one document and do not hear of each other for a while."""
TWO_TILLS: Final = {**APART, "office": False, "page_rows": None, "piece_rows": None}
"""Two of them at one shelf."""


def promise_outlives_cancelling() -> AbstractContextManager[None]:
    """What was promised to a customer stays promised when the order is cancelled.

    Any order that is cancelled before all of it went out (I16).
    """
    return replaced((orders, "OPEN", (*orders.OPEN, Stage.CANCELED)))


def parcel_counts_again() -> AbstractContextManager[None]:
    """A parcel that is scanned a second time counts a second time.

    Two clerks at one parcel, or one who asks again at another machine (I1).
    """
    name, again = bookkeeping.parcel_event, itertools.count(1)

    def another(parcel: str, item: Item) -> str:
        return f"{name(parcel, item)}.{next(again)}"

    return replaced((bookkeeping, "parcel_event", another))


def arrived_stays_in_transit() -> AbstractContextManager[None]:
    """Goods that arrive are put on the shelf and not taken off what is under way.

    Any transfer that is received (I6).
    """
    leg = transfers.LEGS[RECEIVE]
    half = leg._replace(postings=leg.postings[1:])
    return replaced((transfers, "LEGS", {**transfers.LEGS, RECEIVE: half}))


def nobody_reconciles() -> AbstractContextManager[None]:
    """What merged events left owing is never booked.

    Two who decide about one document apart (I16).
    """

    def book(_db: sqlite3.Connection, _here: Here, _key: DocumentKey) -> None:
        pass

    return replaced((owing, "book", book))


def late_is_not_said() -> AbstractContextManager[None]:
    """What a count did not know of is forgotten, and not said in its stocktake.

    A count of a shelf while another till of the shop is cut off (I6).
    """

    def say(db: sqlite3.Connection, _here: Here, stocktake: str) -> None:
        late.forget(db, stocktake, late.missing(db, stocktake, lateness.PIECE_MOVEMENTS))

    return replaced((lateness, "say", say))


MUTATIONS: Final = (
    Mutation(
        "promise outlives cancelling",
        "I16: an order that is cancelled",
        promise_outlives_cancelling,
        CLERKS,
    ),
    Mutation(
        "parcel counts again",
        "I1: a parcel that is scanned twice",
        parcel_counts_again,
        CLERKS,
    ),
    Mutation(
        "arrived stays in transit",
        "I6: a transfer that is received",
        arrived_stays_in_transit,
        CLERKS,
    ),
    Mutation(
        "nobody reconciles",
        "I16: a document that is decided about apart",
        nobody_reconciles,
        APART,
    ),
    Mutation(
        "late is not said",
        "I6: a count while another till is cut off",
        late_is_not_said,
        TWO_TILLS,
    ),
)
