"""Transfers as a table: their stages and verbs, what each verb may do, and who may.

Invariant: every leg, and every book but `reserved`, takes from one account what it gives to another.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from protocol.effects import Account
from protocol.movements import MoveKind
from protocol.workflows import acts, bookkeeping
from protocol.workflows.bookkeeping import RESERVED, Book, Leg, Posting
from protocol.workflows.steps import Party, pairs_of, staying, transition

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
