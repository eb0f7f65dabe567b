"""Orders as a table: their kinds, stages and verbs, what each verb may do, and who may.

Invariant: outside, an order is exactly `pending`, `fulfilled` or `canceled`; every stage is one of the three.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from protocol.effects import Account
from protocol.movements import MoveKind
from protocol.workflows import acts, bookkeeping
from protocol.workflows.bookkeeping import RESERVED, Book, Leg, Posting
from protocol.workflows.steps import Party, Transition, pairs_of, staying, transition


class Kind(StrEnum):
    """Who is asked for what."""

    PURCHASE = "purchase"
    CUSTOMER = "customer"
    INTERNAL = "internal"
    """Of another location, with approval."""


class Status(StrEnum):
    """What the outside sees."""

    PENDING = "pending"
    FULFILLED = "fulfilled"
    CANCELED = "canceled"


class Stage(StrEnum):
    """Where an order stands. `partly_received` and `received` follow from the goods; to a customer they went out."""

    DRAFT = "draft"
    APPROVAL = "approval"
    APPROVED = "approved"
    PLACED = "placed"
    PARTLY_RECEIVED = "partly_received"
    RECEIVED = "received"
    CLOSED = "closed"
    REJECTED = "rejected"
    CANCELED = "canceled"


RANKS: Final[Mapping[str, int]] = {
    Stage.DRAFT: 10,
    Stage.APPROVAL: 20,
    Stage.APPROVED: 30,
    Stage.PLACED: 40,
    Stage.REJECTED: 50,  # two who approve: one no is enough
    Stage.CANCELED: 60,
    Stage.CLOSED: 70,
}
"""Of the decisions, for the join of the field `stage`."""

STATUS: Final[Mapping[str, Status]] = {
    Stage.DRAFT: Status.PENDING,
    Stage.APPROVAL: Status.PENDING,
    Stage.APPROVED: Status.PENDING,
    Stage.PLACED: Status.PENDING,
    Stage.PARTLY_RECEIVED: Status.PENDING,
    Stage.RECEIVED: Status.FULFILLED,
    Stage.CLOSED: Status.FULFILLED,
    Stage.REJECTED: Status.CANCELED,
    Stage.CANCELED: Status.CANCELED,
}


class Verb(StrEnum):
    """What people do with an order."""

    AMEND = acts.AMEND
    SUBMIT = "submit"
    """Ask for approval."""
    APPROVE = "approve"
    REJECT = "reject"
    PLACE = "place"
    """From here it is owed: promised to the customer, or expected of the supplier."""
    FULFIL = "fulfil"
    """Goods moved: they came from the supplier, or went out as a sale. A part leaves an owing."""
    CANCEL = "cancel"
    DISPENSE = "dispense"
    """The same to a customer, on prescription."""
    REVERSE = acts.REVERSE
    """Take back an event of goods that was scanned or typed wrongly; after closing too."""
    CLOSE = "close"
    """Nothing more will move; what has not is no longer owed."""


SUPPLY, DISPENSE = "supply", "dispense"
_OWNER, _SENDER, _OFFICE = Party.OWNER, Party.SENDER, Party.OFFICE
_IN: Final = (Posting(_OWNER, Account.ON_HAND, 1),)
_OUT: Final = (Posting(_OWNER, Account.ON_HAND, -1),)

LEGS: Final[Mapping[Kind, Mapping[str, Leg]]] = {
    Kind.PURCHASE: {SUPPLY: Leg(MoveKind.RECEIVE, _OWNER, _IN)},
    Kind.CUSTOMER: {
        SUPPLY: Leg(MoveKind.SALE, _OWNER, _OUT),
        DISPENSE: Leg(MoveKind.DISPENSE, _OWNER, _OUT),
    },
    Kind.INTERNAL: {SUPPLY: Leg(None, _OWNER, ())},
}
BOOKS: Final[Mapping[Kind, Mapping[str, Book]]] = {
    Kind.PURCHASE: {},
    Kind.CUSTOMER: {RESERVED: bookkeeping.reserved_at(_OWNER)},
    Kind.INTERNAL: {},
}

OPEN: Final = (Stage.PLACED, Stage.PARTLY_RECEIVED)
"""The stages in which something is owed."""
_GOT: Final = (Stage.PARTLY_RECEIVED, Stage.RECEIVED)
_ENDED: Final = (Stage.CANCELED, Stage.REJECTED)
_OURS: Final = (_OWNER, _OFFICE)
_THEIRS: Final = (_SENDER, _OFFICE)


def _approved_by(parties: tuple[Party, ...]) -> tuple[Transition, ...]:
    return (
        transition(Verb.SUBMIT, {Stage.DRAFT}, {Stage.APPROVAL}, _OURS),
        transition(Verb.APPROVE, {Stage.APPROVAL}, {Stage.APPROVED}, parties),
        transition(Verb.REJECT, {Stage.APPROVAL}, {Stage.REJECTED}, parties),
    )


def _ended(*before: Stage, books: tuple[str, ...] = ()) -> tuple[Transition, ...]:
    return (
        transition(
            Verb.CANCEL, (Stage.DRAFT, Stage.PLACED, *before), {Stage.CANCELED}, _OURS, books=books
        ),
        transition(Verb.CLOSE, _GOT, {Stage.CLOSED}, _OURS, books=books),
    )


def _taken_back(
    parties: tuple[Party, ...], legs: tuple[str, ...], *ends: Stage, books: tuple[str, ...] = ()
) -> tuple[Transition, ...]:
    moved = (Stage.PLACED, Stage.PARTLY_RECEIVED)
    rows = (
        ({Stage.PARTLY_RECEIVED}, moved),
        ({Stage.RECEIVED}, (*moved, Stage.RECEIVED)),
        # Without goods it is what was decided.
        ({Stage.CLOSED}, (Stage.CLOSED, *ends)),
    )
    return tuple(
        transition(Verb.REVERSE, sources, targets, parties, legs=legs, books=books)
        for sources, targets in rows
    )


_SOLD: Final = {"legs": (SUPPLY,), "books": (RESERVED,)}
_DISPENSED: Final = {"legs": (DISPENSE,), "books": (RESERVED,)}
TABLES: Final[Mapping[Kind, tuple[Transition, ...]]] = {
    Kind.PURCHASE: (
        *staying(Verb.AMEND, (Stage.DRAFT, Stage.PLACED), _OURS),
        transition(Verb.AMEND, {Stage.PARTLY_RECEIVED}, _GOT, _OURS),
        *_approved_by((_OFFICE,)),
        transition(Verb.PLACE, (Stage.DRAFT, Stage.APPROVED), {Stage.PLACED}, _OURS),
        transition(Verb.FULFIL, OPEN, _GOT, (_OWNER,), legs=(SUPPLY,)),
        # What a supplier brings all the same is there: over-delivered, or after the order ended.
        *staying(Verb.FULFIL, (Stage.RECEIVED, Stage.CLOSED), (_OWNER,), legs=(SUPPLY,)),
        transition(Verb.FULFIL, _ENDED, {Stage.CLOSED}, (_OWNER,), legs=(SUPPLY,)),
        *_taken_back((_OWNER,), (SUPPLY,), *_ENDED),
        *_ended(Stage.APPROVAL, Stage.APPROVED),
    ),
    Kind.CUSTOMER: (
        *staying(Verb.AMEND, (Stage.DRAFT, Stage.PLACED), _OURS, books=(RESERVED,)),
        transition(Verb.AMEND, {Stage.PARTLY_RECEIVED}, _GOT, _OURS, books=(RESERVED,)),
        transition(Verb.PLACE, {Stage.DRAFT}, {Stage.PLACED}, _OURS, books=(RESERVED,)),
        transition(Verb.FULFIL, OPEN, _GOT, (_OWNER,), **_SOLD),
        transition(Verb.DISPENSE, OPEN, _GOT, (_OWNER,), **_DISPENSED),
        *_taken_back((_OWNER,), (SUPPLY, DISPENSE), Stage.CANCELED, books=(RESERVED,)),
        *_ended(books=(RESERVED,)),
    ),
    Kind.INTERNAL: (
        *staying(Verb.AMEND, (Stage.DRAFT,), _OURS),
        *_approved_by(_THEIRS),
        transition(Verb.PLACE, {Stage.APPROVED}, {Stage.PLACED}, _THEIRS),
        transition(Verb.FULFIL, OPEN, _GOT, (_OWNER, *_THEIRS), legs=(SUPPLY,)),
        *staying(Verb.FULFIL, (Stage.RECEIVED, Stage.CLOSED), _THEIRS, legs=(SUPPLY,)),
        *_taken_back((_OWNER, *_THEIRS), (SUPPLY,), *_ENDED),
        *_ended(Stage.APPROVAL, Stage.APPROVED),
    ),
}
PAIRS: Final[Mapping[tuple[str, str, str], tuple[Transition, ...]]] = {
    pair: rows for kind in Kind for pair, rows in pairs_of(kind, TABLES[kind]).items()
}
"""`(document kind, from, to)` to what leads there: legs, books, and who may."""
