"""Which lots goods are taken from, and which may not be used: first expired, first out.

Invariants:
- What is asked for is always handed out in full: what no usable lot covers is of no lot, since goods that a customer
  holds in the hand were on the shelf, whatever the books say of their lots.
- Nothing is taken from a lot that is held or expired, nor more from a lot than is there. The same lots give the same
  parts in whatever order they are named.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from protocol.ids import NO_LOT, Lot


class Standing(StrEnum):
    """Whether a lot may be used, and if not, why. All but `expired` is what its document says."""

    OK = "ok"
    ON_HOLD = "on_hold"
    QUARANTINED = "quarantined"
    RECALLED = "recalled"
    EXPIRED = "expired"


class LotFacts(NamedTuple):
    """What the document of a lot says; what nobody described may be used, with no last day."""

    status: Standing = Standing.OK
    expiry: str | None = None
    """The last day on which it may be used, YYYY-MM-DD."""


class LotStock(NamedTuple):
    """A lot on one shelf."""

    code: Lot
    on_hand: int
    facts: LotFacts = LotFacts()


class Part(NamedTuple):
    """So many base units of one lot, or of none."""

    lot: Lot
    quantity: int


UNDESCRIBED: Final = LotFacts()


def facts_of(status: object, expiry: object) -> LotFacts:
    """What two fields of a lot's document say, as they are held.

    A status that this version does not know is one of a newer version, and none that allows what no version forbade:
    such a lot is held.
    """
    day = expiry if isinstance(expiry, str) else None
    if status is None:
        return LotFacts(Standing.OK, day)
    known = (Standing.OK, Standing.ON_HOLD, Standing.QUARANTINED, Standing.RECALLED)
    return LotFacts(next((one for one in known if one == status), Standing.ON_HOLD), day)


def standing(facts: LotFacts, today: str) -> Standing:
    """Whether a lot may be used on a day, YYYY-MM-DD where it lies. What somebody decided is told before its age."""
    if facts.status is not Standing.OK:
        return facts.status
    is_expired = facts.expiry is not None and facts.expiry < today
    return Standing.EXPIRED if is_expired else Standing.OK


def folded(code: str) -> str:
    """A lot's code as people mistake it for another: without case and spaces. Codes themselves differ by both."""
    return "".join(code.split()).casefold()


def pick(lots: Iterable[LotStock], quantity: int, today: str) -> tuple[Part, ...]:
    """Split a quantity into lots: the first to expire goes first, those without a last day go last, equals by code.

    Args:
        lots: those on the shelf, each once; one without goods, or of no lot, gives nothing.
        quantity: base units, 0 or more.
        today: YYYY-MM-DD at the location.

    Returns:
        Parts of more than 0, at most one for each lot, that of no lot at the end. One part for a quantity of 0: what
        was recorded as a line stays one.
    """
    usable = [
        lot
        for lot in lots
        if lot.code != NO_LOT and lot.on_hand > 0 and standing(lot.facts, today) is Standing.OK
    ]
    usable.sort(key=lambda lot: (lot.facts.expiry is None, lot.facts.expiry or "", lot.code))
    parts: list[Part] = []
    left = quantity
    for lot in usable:
        if left == 0:
            break
        taken = min(left, lot.on_hand)
        parts.append(Part(lot.code, taken))
        left -= taken
    if left or not parts:
        parts.append(Part(NO_LOT, left))
    return tuple(parts)
