"""Orders: goods asked of a supplier, promised to a customer, or asked of another location.

Invariants:
- Outside an order is exactly `pending`, `fulfilled` or `canceled`; inside it has a stage. Goods that moved outweigh the
  decision to cancel: what went out stays out, the rest is no longer owed, and the order counts as fulfilled so far.
- A customer's order promises, on the book `reserved`, what was ordered and has not gone out, while it is placed and
  nothing else; it never promises less than nothing. A supplier's order expects what has not come; it books nothing.
- An internal request moves no goods: a transfer does, and its number is the event that says so here.
"""

from collections.abc import Collection, Mapping
from typing import Final

from protocol.documents import Document
from protocol.workflows import bookkeeping
from protocol.workflows.acts import Act, cause_of, decision, first_steps
from protocol.workflows.bookkeeping import Due, Places
from protocol.workflows.order_table import (
    BOOKS,
    DISPENSE,
    LEGS,
    OPEN,
    RANKS,
    STATUS,
    SUPPLY,
    TABLES,
    Kind,
    Stage,
    Status,
    Verb,
)
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
    after,
    find_transition,
)

__all__ = [
    "Act",
    "Kind",
    "Stage",
    "Status",
    "Verb",
    "act",
    "due",
    "fulfilled_at",
    "owed",
    "read",
    "reconcile",
    "stage_of",
    "status_of",
]


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
    return _rest(progress) if stage_of(progress) in OPEN else {}


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
        document,
        places,
        places[Party.OWNER],
        parties,
        command,
        legs,
        _moved(command),
        _writes(command),
    )
    later = read(after(document, first))
    if command.verb == Verb.AMEND or command.parcel:
        # Neither happens only once, so what it asks for is named by all that has happened.
        return (*first, *bookkeeping.reconcile(later, places, books, due(later, kind)))
    cause = cause_of(command, _moved(command), first)
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
