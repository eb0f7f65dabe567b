"""Transfers: goods go from one location to another, and nothing of them is ever nowhere.

Invariants:
- Every leg and book takes from one account what it gives to another: the lines of a transfer sum to zero over on_hand,
  in_transit and loss of the two places, after any subset of its operations.
- In transit for this transfer is what was shipped less what arrived, turned back or was written off; `closed` demands
  that nothing is, so whatever is left is due on the book `short` (less than nothing when more came than was sent).
- The sender writes what it sent, the receiver what it got; neither copies the other's document, so nothing is mirrored.
  Goods count at every stage: a parcel may arrive before the news that it was sent, or turn up after closing.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from protocol.documents import Document
from protocol.effects import Account
from protocol.movements import MoveKind
from protocol.workflows import acts, bookkeeping
from protocol.workflows.acts import Act, decision, first_steps, mark
from protocol.workflows.bookkeeping import RESERVED, Book, Due, Leg, Places, Posting
from protocol.workflows.progress import Amounts, Item, Progress, minus, plus, read_progress
from protocol.workflows.steps import (
    Fault,
    FieldWrite,
    Party,
    Step,
    StepRefused,
    after,
    find_transition,
    pairs_of,
    staying,
    transition,
)

KIND: Final = "transfer"


class Stage(StrEnum):
    """Where a transfer stands. Those after `shipped` follow from the goods; no field holds them but `closed`."""

    DRAFT = "draft"
    ALLOCATED = "allocated"
    CANCELLED = "cancelled"
    SHIPPED = "shipped"
    PARTLY_RECEIVED = "partly_received"
    RECEIVED = "received"
    RETURNING = "returning"
    """Called back: what had not arrived is on its way to the sender."""
    CLOSED = "closed"


RANKS: Final[Mapping[str, int]] = {
    Stage.DRAFT: 10,
    Stage.ALLOCATED: 20,
    Stage.CANCELLED: 30,
    Stage.SHIPPED: 40,  # the goods have left, whoever cancelled meanwhile
    Stage.CLOSED: 90,
}
"""Of the decisions, for the join of the field `stage`."""


class Verb(StrEnum):
    """What people do with a transfer."""

    AMEND = acts.AMEND
    ALLOCATE = "allocate"
    CANCEL = "cancel"
    SHIP = "ship"
    RECEIVE = "receive"
    CALL_BACK = "call_back"
    """The sender asks for the goods; the receiver turns them back."""
    TURN_BACK = "turn_back"
    RECEIVE_BACK = "receive_back"
    CLOSE = "close"
    REVERSE = acts.REVERSE
    """Take back an event of one's own that was scanned or typed wrongly; after closing too."""


SHIP, RECEIVE, DAMAGE = "ship", "receive", "damage"
TURN_BACK, RECEIVE_BACK, DAMAGE_BACK = "turn_back", "receive_back", "damage_back"
SHORT, SHORT_BACK = "short", "short_back"
_FROM, _TO, _OFFICE = Party.SENDER, Party.RECEIVER, Party.OFFICE


def _leg(kind: MoveKind, taken: tuple[Party, Account], given: tuple[Party, Account]) -> Leg:
    return Leg(kind, taken[0], (Posting(*taken, -1), Posting(*given, 1)))


_IN, _BACK = (_TO, Account.IN_TRANSIT), (_FROM, Account.IN_TRANSIT)
LEGS: Final[Mapping[str, Leg]] = {
    SHIP: _leg(MoveKind.TRANSFER_SHIP, (_FROM, Account.ON_HAND), _IN),
    RECEIVE: _leg(MoveKind.TRANSFER_RECEIVE, _IN, (_TO, Account.ON_HAND)),
    DAMAGE: _leg(MoveKind.TRANSFER_RECEIVE, _IN, (_TO, Account.LOSS)),
    TURN_BACK: _leg(MoveKind.TRANSFER_SHIP, _IN, _BACK),
    RECEIVE_BACK: _leg(MoveKind.TRANSFER_RECEIVE, _BACK, (_FROM, Account.ON_HAND)),
    DAMAGE_BACK: _leg(MoveKind.TRANSFER_RECEIVE, _BACK, (_FROM, Account.LOSS)),
}
_CLOSE: Final = MoveKind.TRANSFER_CLOSE
BOOKS: Final[Mapping[str, Book]] = {
    RESERVED: bookkeeping.reserved_at(_FROM),
    SHORT: Book(_CLOSE, _CLOSE, _TO, _leg(_CLOSE, _IN, (_TO, Account.LOSS)).postings),
    SHORT_BACK: Book(_CLOSE, _CLOSE, _FROM, _leg(_CLOSE, _BACK, (_FROM, Account.LOSS)).postings),
}

_BEFORE: Final = (Stage.DRAFT, Stage.ALLOCATED)
_HALFWAY: Final = (Stage.SHIPPED, Stage.PARTLY_RECEIVED)
_ARRIVED: Final = (Stage.PARTLY_RECEIVED, Stage.RECEIVED)
_GOT: Final = {"legs": (RECEIVE, DAMAGE), "books": (RESERVED, SHORT)}
_GOT_BACK: Final = {"legs": (RECEIVE_BACK, DAMAGE_BACK), "books": (SHORT_BACK,)}
_SENT_WRONG: Final = {
    "legs": (SHIP, RECEIVE_BACK, DAMAGE_BACK),
    "books": (SHORT, SHORT_BACK),
}
_GOT_WRONG: Final = {
    "legs": (RECEIVE, DAMAGE, TURN_BACK),
    "books": (RESERVED, SHORT, SHORT_BACK),
}

TABLE: Final = (
    *staying(Verb.AMEND, {Stage.DRAFT}, (_FROM, _TO, _OFFICE)),
    *staying(Verb.AMEND, {Stage.ALLOCATED}, (_FROM, _OFFICE), books=(RESERVED,)),
    transition(
        Verb.ALLOCATE, {Stage.DRAFT}, {Stage.ALLOCATED}, (_FROM, _OFFICE), books=(RESERVED,)
    ),
    transition(Verb.CANCEL, _BEFORE, {Stage.CANCELLED}, (_FROM, _OFFICE), books=(RESERVED,)),
    transition(Verb.SHIP, _BEFORE, {Stage.SHIPPED}, (_FROM,), legs=(SHIP,), books=(RESERVED,)),
    *staying(Verb.SHIP, _HALFWAY, (_FROM,), legs=(SHIP,)),
    transition(Verb.SHIP, {Stage.RECEIVED}, _ARRIVED, (_FROM,), legs=(SHIP,)),
    # Before its news has come, goods may be there; nobody sends them away for that.
    transition(Verb.RECEIVE, (*_BEFORE, Stage.CANCELLED), {Stage.RECEIVED}, (_TO,), **_GOT),
    transition(Verb.RECEIVE, _HALFWAY, _ARRIVED, (_TO,), **_GOT),
    *staying(Verb.RECEIVE, (Stage.RECEIVED, Stage.RETURNING, Stage.CLOSED), (_TO,), **_GOT),
    *staying(Verb.CALL_BACK, _HALFWAY, (_FROM, _OFFICE)),
    transition(
        Verb.TURN_BACK,
        (*_HALFWAY, Stage.RETURNING),
        {Stage.RETURNING},
        (_TO,),
        legs=(TURN_BACK,),
    ),
    *staying(Verb.RECEIVE_BACK, (Stage.RETURNING, Stage.CLOSED), (_FROM,), **_GOT_BACK),
    transition(
        Verb.CLOSE, (*_HALFWAY, Stage.RECEIVED), {Stage.CLOSED}, (_TO, _OFFICE), books=(SHORT,)
    ),
    transition(
        Verb.CLOSE, {Stage.RETURNING}, {Stage.CLOSED}, (_FROM, _OFFICE), books=(SHORT, SHORT_BACK)
    ),
    *staying(
        Verb.REVERSE,
        (Stage.SHIPPED, Stage.RECEIVED, Stage.RETURNING, Stage.CLOSED),
        (_FROM,),
        **_SENT_WRONG,
    ),
    transition(Verb.REVERSE, {Stage.PARTLY_RECEIVED}, _ARRIVED, (_FROM,), **_SENT_WRONG),
    transition(Verb.REVERSE, {Stage.PARTLY_RECEIVED}, _HALFWAY, (_TO,), **_GOT_WRONG),
    # All that is left may be a decision of before anything arrived.
    transition(
        Verb.REVERSE,
        {Stage.RECEIVED},
        (*_BEFORE, Stage.CANCELLED, *_HALFWAY, Stage.RECEIVED),
        (_TO,),
        **_GOT_WRONG,
    ),
    transition(
        Verb.REVERSE,
        {Stage.RETURNING},
        (*_HALFWAY, Stage.RECEIVED, Stage.RETURNING),
        (_TO,),
        **_GOT_WRONG,
    ),
    *staying(Verb.REVERSE, {Stage.CLOSED}, (_TO,), **_GOT_WRONG),
)
PAIRS: Final = pairs_of(KIND, TABLE)
"""`(document kind, from, to)` to what leads there: legs, books, and who may."""


def read(document: Document) -> Progress:
    """What the transfer says."""
    return read_progress(document, Stage.DRAFT)


def stage_of(progress: Progress) -> str:
    """Where it stands: the decision, unless goods say otherwise. A decision of a newer version is given as it is."""
    arrived = plus(progress.goods(RECEIVE), progress.goods(DAMAGE))
    if progress.stage == Stage.CLOSED:
        return Stage.CLOSED
    if progress.goods(TURN_BACK):
        return Stage.RETURNING
    if arrived:
        waiting = minus(progress.goods(SHIP), arrived)
        left = any(amount > 0 for amount in waiting.values())
        return Stage.PARTLY_RECEIVED if left else Stage.RECEIVED
    return Stage.SHIPPED if progress.goods(SHIP) else progress.stage


def incoming(progress: Progress) -> Amounts:
    """What is on its way to the receiver for this transfer: its share of the account in_transit, less than 0 at times."""
    gone = (progress.goods(leg) for leg in (RECEIVE, DAMAGE, TURN_BACK))
    return minus(progress.goods(SHIP), *gone, progress.booked.get(SHORT, {}))


def due(progress: Progress) -> Due:
    """What the transfer owes on each book, from the set of its events."""
    stage = stage_of(progress)
    reserved: dict[Item, int] = {}
    if stage == Stage.ALLOCATED:
        reserved = progress.planned()
    if stage != Stage.CLOSED:
        return {RESERVED: reserved, SHORT: {}, SHORT_BACK: {}}
    goods = progress.goods
    there = minus(goods(SHIP), goods(RECEIVE), goods(DAMAGE), goods(TURN_BACK))
    back = minus(goods(TURN_BACK), goods(RECEIVE_BACK), goods(DAMAGE_BACK))
    return {RESERVED: reserved, SHORT: there, SHORT_BACK: back}


def act(
    document: Document, places: Places, parties: Collection[Party], command: Act
) -> tuple[Step, ...]:
    """The operations of one act, in order: what happened first, then what the books ask for.

    A step whose location the actor's device does not write is left to that location's node, which comes to it by
    `reconcile`.

    Raises:
        StepRefused: the table does not allow it, or its goods are not the transfer's.
    """
    if places[_FROM] == places[_TO]:
        raise StepRefused(Fault.SAME_PLACE, "goods are transferred from one location to another")
    progress = read(document)
    row = find_transition(TABLE, command.verb, stage_of(progress), parties)
    if command.verb == Verb.TURN_BACK:
        _check_there(progress, command.items)
    home = places[_TO if not {_FROM, _OFFICE} & row.parties.intersection(parties) else _FROM]
    first = first_steps(
        document, places, home, parties, command, LEGS, _moved(command), _writes(progress, command)
    )
    later = read(after(document, first))
    if command.verb == Verb.AMEND or command.parcel:
        # Neither happens only once, so what it asks for is named by all that has happened.
        return (*first, *bookkeeping.reconcile(later, places, BOOKS, due(later)))
    # A decision is taken once in a document's life, goods move once in an event's.
    by_event = _moved(command) or command.verb == Verb.REVERSE
    cause = f"{command.verb}/{command.event}" if by_event else command.verb
    return (*first, *bookkeeping.settle(later, places, BOOKS, due(later), cause))


def reconcile(document: Document, places: Places) -> tuple[Step, ...]:
    """What merged events ask for; each step is for the node that writes its location."""
    progress = read(document)
    return bookkeeping.reconcile(progress, places, BOOKS, due(progress))


def _moved(command: Act) -> Mapping[str, Amounts]:
    match command.verb:
        case Verb.SHIP:
            return {SHIP: command.items}
        case Verb.RECEIVE:
            return {RECEIVE: command.items, DAMAGE: command.damaged}
        case Verb.TURN_BACK:
            return {TURN_BACK: command.items}
        case Verb.RECEIVE_BACK:
            return {RECEIVE_BACK: command.items, DAMAGE_BACK: command.damaged}
        case _:
            return {}


def _writes(progress: Progress, command: Act) -> tuple[FieldWrite, ...]:
    match command.verb:
        case Verb.ALLOCATE:
            return decision(command, Stage.ALLOCATED, RANKS)
        case Verb.CANCEL:
            return decision(command, Stage.CANCELLED, RANKS)
        case Verb.CLOSE:
            return decision(command, Stage.CLOSED, RANKS)
        case Verb.SHIP if Stage.SHIPPED not in progress.decided:
            return decision(command, Stage.SHIPPED, RANKS)
        case Verb.CALL_BACK:
            return (mark(command, Verb.CALL_BACK),)
        case _:
            return ()


def _check_there(progress: Progress, items: Amounts) -> None:
    there = incoming(progress)
    for item, amount in items.items():
        if amount > there.get(item, 0):
            raise StepRefused(Fault.BAD_QUANTITY, "more than is on its way cannot be turned back")
