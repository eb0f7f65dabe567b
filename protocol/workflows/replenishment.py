"""What to order: for each SKU of a location what would bring it back above its minimum, in whole packs.

Invariant: what is already on its way counts, so the same suggestion is not made again once its orders are drafted; and
nothing is suggested of what nobody keeps on purpose.
"""

from collections.abc import Iterable
from typing import NamedTuple

from protocol.limits import DELTA_MAX


class Position(NamedTuple):
    """What is known of one SKU at one location. All quantities are base units."""

    sku: str
    supplier: str
    """"" where none is named."""
    available: int
    incoming: int
    """In transit to the location, and what open purchase orders still expect."""
    drafted: int
    """On purchase orders that are not placed yet."""
    minimum: int | None
    reorder_quantity: int
    """How much is ordered at a time; 0 orders just what is missing."""
    used: int
    """Sold and dispensed in the days that `suggest` is told of."""
    pack_size: int
    """Base units of the pack it is ordered in; 1 where it comes loose."""


class Suggestion(NamedTuple):
    """One line of an order to draft."""

    sku: str
    packs: int
    quantity: int
    """`packs` of the position's pack size, in base units."""


def suggest(
    positions: Iterable[Position], *, lead_days: int, used_days: int
) -> dict[str, tuple[Suggestion, ...]]:
    """By supplier, in order of supplier and SKU: what to order so that stock lasts.

    A SKU is ordered when what it has and will get is below its minimum, or will be before the goods are there: as
    much as its reorder quantity, or as is missing, whichever is more, rounded up to whole packs.

    Args:
        positions: what is known.
        lead_days: until goods ordered today can be sold.
        used_days: over how many days `used` was counted; at least 1.
    """
    found: dict[str, list[Suggestion]] = {}
    for position in sorted(positions, key=lambda one: (one.supplier, one.sku)):
        if position.minimum is None or position.minimum <= 0:
            continue
        # Rounded up: half a tablet a day is one in a day.
        used = -(-position.used * lead_days // used_days)
        has = position.available + position.incoming + position.drafted
        missing = position.minimum + used - has
        if missing <= 0:
            continue
        packs = -(-max(missing, position.reorder_quantity) // position.pack_size)
        packs = min(packs, DELTA_MAX // position.pack_size)
        line = Suggestion(position.sku, packs, packs * position.pack_size)
        found.setdefault(position.supplier, []).append(line)
    return {supplier: tuple(lines) for supplier, lines in found.items()}
