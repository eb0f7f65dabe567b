"""Orders: goods asked of a supplier, promised to a customer, or asked of another location.

Invariants:
- Outside an order is exactly `pending`, `fulfilled` or `canceled`; inside it has a stage. Goods that moved outweigh the
  decision to cancel: what went out stays out, the rest is no longer owed, and the order counts as fulfilled so far.
- A customer's order promises, on the book `reserved`, what was ordered and has not gone out, while it is placed and
  nothing else; it never promises less than nothing. A supplier's order expects what has not come; it books nothing.
- An internal request moves no goods: a transfer does, and its number is the event that says so here.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from protocol.documents import Document
from protocol.effects import Account
from protocol.movements import MoveKind
from protocol.workflows import acts, bookkeeping
from protocol.workflows.acts import Act, decision, first_steps
from protocol.workflows.bookkeeping import RESERVED, Book, Due, Leg, Places, Posting
from protocol.workflows.progress import (
    DECIDED,
    MOVED,
    Amounts,
    Item,
    LineKey,
    Progress,
    per_line,
    read_progress,
)
from protocol.workflows.steps import (
    Fault,
    FieldWrite,
    Party,
    Step,
    StepRefused,
    Transition,
    after,
    find_transition,
    pairs_of,
    staying,
    transition,
)


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

_OPEN: Final = (Stage.PLACED, Stage.PARTLY_RECEIVED)
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
        transition(Verb.FULFIL, _OPEN, _GOT, (_OWNER,), legs=(SUPPLY,)),
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
        transition(Verb.FULFIL, _OPEN, _GOT, (_OWNER,), **_SOLD),
        transition(Verb.DISPENSE, _OPEN, _GOT, (_OWNER,), **_DISPENSED),
        *_taken_back((_OWNER,), (SUPPLY, DISPENSE), Stage.CANCELED, books=(RESERVED,)),
        *_ended(books=(RESERVED,)),
    ),
    Kind.INTERNAL: (
        *staying(Verb.AMEND, (Stage.DRAFT,), _OURS),
        *_approved_by(_THEIRS),
        transition(Verb.PLACE, {Stage.APPROVED}, {Stage.PLACED}, _THEIRS),
        transition(Verb.FULFIL, _OPEN, _GOT, (_OWNER, *_THEIRS), legs=(SUPPLY,)),
        *staying(Verb.FULFIL, (Stage.RECEIVED, Stage.CLOSED), _THEIRS, legs=(SUPPLY,)),
        *_taken_back((_OWNER, *_THEIRS), (SUPPLY,), *_ENDED),
        *_ended(Stage.APPROVAL, Stage.APPROVED),
    ),
}
PAIRS: Final[Mapping[tuple[str, str, str], tuple[Transition, ...]]] = {
    pair: rows for kind in Kind for pair, rows in pairs_of(kind, TABLES[kind]).items()
}
"""`(document kind, from, to)` to what leads there: legs, books, and who may."""


def read(document: Document) -> Progress:
    """What the order says."""
    return read_progress(document, Stage.DRAFT)


def stage_of(progress: Progress) -> str:
    """Where it stands: the decision, unless goods say otherwise. A decision of a newer version is given as it is."""
    moved = _moved_per_line(progress)
    if progress.stage not in RANKS or not any(amount > 0 for amount in moved.values()):
        return progress.stage
    if progress.stage in (Stage.CANCELED, Stage.REJECTED, Stage.CLOSED):
        return Stage.CLOSED
    return Stage.PARTLY_RECEIVED if _rest(progress) else Stage.RECEIVED


def status_of(progress: Progress) -> Status:
    """What the outside sees of it."""
    return STATUS.get(stage_of(progress), Status.PENDING)


def fulfilled_at(document: Document) -> int | None:
    """When the last of its goods moved, or it was closed, in UTC milliseconds; None while it is not fulfilled.

    Goods of numbered parcels do not say when, since everybody who scans them must say the same.
    """
    if status_of(read(document)) is not Status.FULFILLED:
        return None
    told = (
        state.value.get("at")
        for name, state in document.fields.items()
        if name.startswith(MOVED) or name == f"{DECIDED}{Stage.CLOSED}"
        if isinstance(state.value, Mapping)
    )
    return max((at for at in told if type(at) is int), default=None)


def owed(progress: Progress) -> Amounts:
    """What has been placed and has not moved: promised to a customer, expected of a supplier; else nothing."""
    return _rest(progress) if stage_of(progress) in _OPEN else {}


def due(progress: Progress, kind: Kind) -> Due:
    """What the order owes on each of its kind's books, from the set of its events."""
    return {book: owed(progress) for book in BOOKS[kind]}


def act(
    document: Document, kind: Kind, places: Places, parties: Collection[Party], command: Act
) -> tuple[Step, ...]:
    """The operations of one act, in order: what happened first, then what the books ask for.

    Raises:
        StepRefused: the table does not allow it, or its goods are not the order's.
    """
    progress = read(document)
    find_transition(TABLES[kind], command.verb, stage_of(progress), parties)
    legs, books = LEGS[kind], BOOKS[kind]
    if kind is not Kind.PURCHASE and any(item.line not in progress.lines for item in command.items):
        raise StepRefused(Fault.UNKNOWN_LINE, "the order has no such line")
    first = first_steps(
        document, places, places[_OWNER], parties, command, legs, _moved(command), _writes(command)
    )
    later = read(after(document, first))
    if command.verb == Verb.AMEND or command.parcel:
        # Neither happens only once, so what it asks for is named by all that has happened.
        return (*first, *bookkeeping.reconcile(later, places, books, due(later, kind)))
    # A decision is taken once in a document's life, goods move once in an event's.
    by_event = _moved(command) or command.verb == Verb.REVERSE
    cause = f"{command.verb}/{command.event}" if by_event else command.verb
    return (*first, *bookkeeping.settle(later, places, books, due(later, kind), cause))


def reconcile(document: Document, kind: Kind, places: Places) -> tuple[Step, ...]:
    """What merged events ask for; the steps are for the node that writes the order's location."""
    progress = read(document)
    return bookkeeping.reconcile(progress, places, BOOKS[kind], due(progress, kind))


def _moved(command: Act) -> Mapping[str, Amounts]:
    match command.verb:
        case Verb.FULFIL:
            return {SUPPLY: command.items}
        case Verb.DISPENSE:
            return {DISPENSE: command.items}
        case _:
            return {}


_DECISIONS: Final[Mapping[str, Stage]] = {
    Verb.SUBMIT: Stage.APPROVAL,
    Verb.APPROVE: Stage.APPROVED,
    Verb.REJECT: Stage.REJECTED,
    Verb.PLACE: Stage.PLACED,
    Verb.CANCEL: Stage.CANCELED,
    Verb.CLOSE: Stage.CLOSED,
}


def _writes(command: Act) -> tuple[FieldWrite, ...]:
    stage = _DECISIONS.get(command.verb)
    return () if stage is None else decision(command, stage, RANKS)


def _moved_per_line(progress: Progress) -> Mapping[LineKey, int]:
    return per_line(progress.goods(SUPPLY), progress.goods(DISPENSE))


def _rest(progress: Progress) -> dict[Item, int]:
    moved = _moved_per_line(progress)
    rest = {item: amount - moved.get(item.line, 0) for item, amount in progress.planned().items()}
    return {item: amount for item, amount in rest.items() if amount > 0}
