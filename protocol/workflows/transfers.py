"""Transfers: goods go from one location to another, and nothing of them is ever nowhere.

Invariants:
- Every leg and book takes from one account what it gives to another: the lines of a transfer sum to zero over on_hand,
  in_transit and loss of the two places, after any subset of its operations.
- In transit for this transfer is what was shipped less what arrived, turned back or was written off; `closed` demands
  that nothing is, so whatever is left is due on the book `short` (less than nothing when more came than was sent).
- Goods of which one end says the lot and the other does not are the same goods: what of a line is without a lot is set
  against its lots before anything is called short, over or still on its way. The accounts keep what each end wrote.
- The sender writes what it sent, the receiver what it got; neither copies the other's document, so nothing is mirrored.
  Goods count at every stage: a parcel may arrive before the news that it was sent, or turn up after closing.
"""

from collections.abc import Collection, Mapping

from protocol.documents import Document
from protocol.ids import NO_LOT
from protocol.workflows import bookkeeping
from protocol.workflows.acts import Act, cause_of, decision, first_steps, mark
from protocol.workflows.bookkeeping import RESERVED, Due, Places
from protocol.workflows.progress import Amounts, Item, Progress, minus, plus, read_progress
from protocol.workflows.steps import (
    Fault,
    FieldWrite,
    Party,
    Step,
    StepRefused,
    after,
    find_transition,
)
from protocol.workflows.transfer_table import (
    BOOKS,
    DAMAGE,
    DAMAGE_BACK,
    LEGS,
    RANKS,
    RECEIVE,
    RECEIVE_BACK,
    SHIP,
    SHORT,
    SHORT_BACK,
    TABLE,
    TURN_BACK,
    Stage,
    Verb,
)

__all__ = [
    "Act",
    "Stage",
    "Verb",
    "act",
    "due",
    "in_lots_of",
    "incoming",
    "matched",
    "read",
    "reconcile",
    "stage_of",
]


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
        waiting = matched(minus(progress.goods(SHIP), arrived))
        left = any(amount > 0 for amount in waiting.values())
        return Stage.PARTLY_RECEIVED if left else Stage.RECEIVED
    return Stage.SHIPPED if progress.goods(SHIP) else progress.stage


def incoming(progress: Progress) -> Amounts:
    """What is on its way to the receiver for this transfer: its share of the account in_transit, less than 0 at times."""
    gone = (progress.goods(leg) for leg in (RECEIVE, DAMAGE, TURN_BACK))
    return minus(progress.goods(SHIP), *gone, progress.booked.get(SHORT, {}))


def matched(left: Amounts) -> dict[Item, int]:
    """What is left of goods, too many or too few, where a lot that only one end named makes no difference."""
    found = dict(left)
    for item in sorted(one for one in left if one.lot == NO_LOT):
        for other in sorted(one for one in left if one.line == item.line and one != item):
            if found[item] * found[other] < 0:
                sign = 1 if found[item] > 0 else -1
                same = sign * min(abs(found[item]), abs(found[other]))
                found[item] -= same
                found[other] += same
    return {item: amount for item, amount in found.items() if amount}


def in_lots_of(items: Amounts, rest: Amounts) -> dict[Item, int]:
    """Goods that are named without a lot, in the lots of their line that `rest` says are there, by code.

    What is there without a lot comes first; what of it is nowhere stays without one.
    """
    there = minus(rest, {item: amount for item, amount in items.items() if item.lot != NO_LOT})
    found: dict[Item, int] = {}
    for item, amount in sorted(items.items()):
        left = amount
        if item.lot == NO_LOT:
            for one in sorted(other for other in there if other.line == item.line):
                taken = max(0, min(left, there[one]))
                found[one] = found.get(one, 0) + taken
                left -= taken
        found[item] = found.get(item, 0) + left
    return {item: amount for item, amount in found.items() if amount}


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
    if places[Party.SENDER] == places[Party.RECEIVER]:
        raise StepRefused(Fault.SAME_PLACE, "goods are transferred from one location to another")
    progress = read(document)
    row = find_transition(TABLE, command.verb, stage_of(progress), parties)
    if command.verb == Verb.TURN_BACK:
        _check_there(progress, command.items)
    home = places[
        Party.RECEIVER
        if not {Party.SENDER, Party.OFFICE} & row.parties.intersection(parties)
        else Party.SENDER
    ]
    first = first_steps(
        document, places, home, parties, command, LEGS, _moved(command), _writes(progress, command)
    )
    later = read(after(document, first))
    if command.verb == Verb.AMEND or command.parcel:
        # Neither happens only once, so what it asks for is named by all that has happened.
        return (*first, *bookkeeping.reconcile(later, places, BOOKS, due(later)))
    cause = cause_of(command, _moved(command), first)
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
    there = matched(incoming(progress))
    for item, amount in items.items():
        if amount > there.get(item, 0):
            raise StepRefused(Fault.BAD_QUANTITY, "more than is on its way cannot be turned back")
