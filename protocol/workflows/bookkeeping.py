"""What a document's events do to counters, and the entries that bring its books to what it owes.

Invariants:
- `due`, what a document owes, is a function of the set of its events. An entry is the difference between what is due
  and what is booked, so after it they are equal; after a merge they may differ again, and `reconcile` writes the rest.
- An entry is itself an element of the document. So two authors who see the same events have the same fingerprint, write
  the same amounts under one op_id, and count once; and no fingerprint ever comes back.
- A leg's postings of goods between two places sum to zero; so do those of every book but `reserved` (a promise, no
  goods) and `counted` (a correction of what was never there).
"""

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from protocol.codec import pack
from protocol.documents import Document
from protocol.effects import Account, CounterEffect
from protocol.ids import Location
from protocol.limits import DELTA_MAX, DOCUMENT_EVENT_ITEMS_MAX
from protocol.movements import MoveKind
from protocol.workflows.progress import (
    BOOKED,
    MOVED,
    Amounts,
    Item,
    Progress,
    items_to_value,
    line_id,
    minus,
    pieces,
    read_event,
)
from protocol.workflows.steps import EDIT, FieldWrite, Party, Step

Due = Mapping[str, Amounts]
"""By book: what must be booked."""
Places = Mapping[Party, Location]
"""Which location each party writes."""


class Posting(NamedTuple):
    """What one unit does to one account."""

    place: Party
    account: Account
    sign: int


class Leg(NamedTuple):
    """A movement of goods, recorded by whoever writes `home`: an operation's first counter is of its own location."""

    kind: MoveKind | None
    """None where another document's operations move the goods, and this one only says so."""
    home: Party
    postings: tuple[Posting, ...]


class Book(NamedTuple):
    """A running amount that must equal what is due; entries are recorded by whoever writes `home`."""

    up: MoveKind
    down: MoveKind
    home: Party
    postings: tuple[Posting, ...]


RESERVED: Final = "reserved"
_UNDONE: Final = "~"


def reserved_at(place: Party) -> Book:
    """The book of what is promised at a place."""
    postings = (Posting(place, Account.RESERVED, 1),)
    return Book(MoveKind.RESERVE, MoveKind.RELEASE, place, postings)


def counters(
    places: Places, posted: Iterable[tuple[tuple[Posting, ...], Amounts]]
) -> tuple[CounterEffect, ...]:
    """The effects of amounts: for each item all its postings, so that the first effect is at home."""
    return tuple(
        CounterEffect(
            places[posting.place],
            item.sku,
            item.lot,
            posting.account,
            posting.sign * amount,
        )
        for postings, amounts in posted
        for item, amount in sorted(amounts.items())
        for posting in postings
    )


def move(
    places: Places,
    legs: Mapping[str, Leg],
    moved: Mapping[str, Amounts],
    event: str,
    **said: object,
) -> Step:
    """One event of goods, on one or several legs with one home: a fact of its own.

    Args:
        places: which location each party writes.
        legs: the document kind's movements.
        moved: what moved on each leg.
        event: unique for ever, such as the operation's own id; it names the element.
        said: what else the element says, such as `at`.
    """
    some = {name: amounts for name, amounts in moved.items() if amounts}
    first = legs[next(iter(some))]
    return Step(
        EDIT if first.kind is None else first.kind.operation_kind,
        places[first.home],
        counters(places, ((legs[leg].postings, some[leg]) for leg in some)),
        tuple(
            FieldWrite(f"{MOVED}{leg}/{event}{part}", {"items": piece, **said})
            for leg in some
            for part, piece in pieces(some[leg])
        ),
    )


def move_parcel(
    places: Places,
    legs: Mapping[str, Leg],
    moved: Mapping[str, Amounts],
    verb: str,
    parcel: str,
) -> tuple[Step, ...]:
    """The same for goods of a parcel that has a number: one step for each item, named, so that each counts once.

    Two clerks who scan one parcel agree item by item: what only one of them scanned counts, what both did counts
    once, and where they differ the first to reach the hub counts and the other is shown to people.
    """
    steps = []
    for item in sorted({item for amounts in moved.values() for item in amounts}):
        part = {leg: {item: amounts[item]} for leg, amounts in moved.items() if item in amounts}
        element = parcel_event(parcel, item)
        step = move(places, legs, part, element)
        name = (line_id(item.sku, item.planned), f"{verb}:{element}")
        steps.append(Step(step.kind, step.location, step.counters, step.writes, name))
    return tuple(steps)


def parcel_event(parcel: str, item: Item) -> str:
    """The event of one item of a numbered parcel, the same whoever scans it."""
    # The lot as a digest too: a field's name has room for two codes, and the parcel's number is one.
    return f"{parcel}:{line_id(item.sku, item.planned)}:{line_id(item.sku, item.lot)}"


def move_back(
    document: Document,
    places: Places,
    legs: Mapping[str, Leg],
    parties: Collection[Party],
    event: str,
) -> tuple[Step, ...]:
    """Take one event of goods back, what was scanned or typed wrongly: a step for each leg that it moved on.

    Gives none when there is no such event, or nothing of it is left to take back.

    Each is named by its leg and the event, as its element is, so a leg of it that two people take back is taken back
    once. The leg belongs to the name: the item of a numbered parcel is one event when it is sent, received and sent
    back, at two places that do not wait for each other.

    Args:
        document: as the actor sees it.
        places: which location each party writes.
        legs: the document kind's movements.
        parties: whose goods they may be.
        event: as it was named when it was recorded.
    """
    if event.endswith(_UNDONE):
        return ()
    undone = f"{event}{_UNDONE}"
    steps = []
    for name, leg in legs.items():
        is_ours = not leg.postings or leg.home in parties
        amounts = read_event(document, name, event)
        if not amounts or not is_ours or read_event(document, name, undone):
            continue
        step = move(places, legs, {name: minus({}, amounts)}, undone)
        ships = step.kind == MoveKind.TRANSFER_SHIP.operation_kind
        # Only shipping may write the other place's account, also when it is taken back.
        kind = step.kind if ships or step.kind == EDIT else MoveKind.REVERSAL.operation_kind
        named = ("", f"reverse:{name}:{event}")
        steps.append(Step(kind, step.location, step.counters, step.writes, named))
    return tuple(steps)


def settle(
    progress: Progress, places: Places, books: Mapping[str, Book], due: Due, cause: str
) -> tuple[Step, ...]:
    """The entries that one transition asks for, named by it: two who make the same transition book it once.

    Args:
        progress: the document after the transition.
        places: which location each party writes.
        books: the document kind's books.
        due: what the document owes by now.
        cause: the transition; one that can happen only once in the document's life.
    """
    steps = []
    for name, book in books.items():
        difference = _difference(progress, due, name)
        if difference:
            # The amounts belong to the name: two who release different rests must not be one operation with two bodies.
            amounts = blake2b(pack(items_to_value(difference)), digest_size=8).hexdigest()
            kind = _kind(book, difference)
            steps.append(_entry(places, name, book, difference, kind, f"{cause}:{amounts}"))
    return tuple(steps)


def reconcile(
    progress: Progress, places: Places, books: Mapping[str, Book], due: Due
) -> tuple[Step, ...]:
    """The entries that merged events ask for; none when the books are right.

    Each is for the node that writes the step's location, or an office node where none does.
    """
    return tuple(
        _entry(
            places,
            name,
            book,
            difference,
            MoveKind.RECONCILE,
            f"reconcile:{progress.fingerprint}",
        )
        for name, book in books.items()
        if (difference := _difference(progress, due, name))
    )


def _difference(progress: Progress, due: Due, name: str) -> Amounts:
    difference = minus(due.get(name, {}), progress.booked.get(name, {}))
    # What one operation cannot hold is left to the next reconcile.
    return {
        item: max(-DELTA_MAX, min(DELTA_MAX, amount))
        for item, amount in list(difference.items())[:DOCUMENT_EVENT_ITEMS_MAX]
    }


def _kind(book: Book, difference: Amounts) -> MoveKind:
    # A count corrects both ways in one operation.
    if book.up is book.down or all(amount > 0 for amount in difference.values()):
        return book.up
    if all(amount < 0 for amount in difference.values()):
        return book.down
    return MoveKind.RECONCILE


def _entry(
    places: Places,
    name: str,
    book: Book,
    amounts: Amounts,
    kind: MoveKind,
    transition: str,
) -> Step:
    return Step(
        kind.operation_kind,
        places[book.home],
        counters(places, [(book.postings, amounts)]),
        tuple(
            FieldWrite(f"{BOOKED}{name}/{transition}{part}", piece)
            for part, piece in pieces(amounts)
        ),
        (name, transition),
    )
