"""What people ask of an order or a transfer: lines of goods, a parcel's number, an event to take back.

Invariant: a request holds only checked codes and ranges, as in `requests`; two requests that mean the same are equal,
but for lines that were not given: those mean all that is left, and what that is, is worked out in the transaction.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from node.commands.recording import Seen
from node.commands.requests import Said
from protocol.codec import with_sorted_keys
from protocol.documents import Document
from protocol.ids import NO_LOT, Lot, Sku
from protocol.workflows.bookkeeping import parcel_event
from protocol.workflows.progress import (
    Amounts,
    Item,
    LineKey,
    Progress,
    minus,
    read_event,
)

_OF_ONE_LINE: Final = frozenset({"pack", "packs", "barcode"})
_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Goods(NamedTuple):
    """Some of one lot."""

    sku: Sku
    quantity: int | None
    """Base units; None where only `said` says how many."""
    lot: Lot = NO_LOT
    planned: Lot | None = None
    """The lot of the line that they are for, NO_LOT for the line that leaves the lot open; None to find the line."""
    facts: Mapping[str, object] = MappingProxyType({})
    """`unit_cost`, `expiry` of goods received, `pack`, `barcode`: kept with the operation, no effect on stock."""
    said: Said | None = None
    """What was scanned, or how many packs, until `commands.scanned_goods` has worked it out."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be done with a document. What a verb has no use for is left as it is."""

    verb: str
    lines: tuple[Goods, ...] | None = None
    """None for all that is left."""
    damaged: tuple[Goods, ...] = ()
    parcel: str = ""
    event: str = ""
    """To take back; or, of an internal request, the transfer that delivered."""
    plan: tuple[tuple[LineKey, int] | Goods, ...] = ()
    """Lines to add or change, as goods where they say what was scanned; 0 takes one out."""
    who: str | None = None
    """Who is asked to answer, or does; None for the other side."""
    until_ms: int | None = None
    """By when they are to answer, UTC milliseconds; None asks nobody."""
    override: str | None = None
    """Why lots that may not be used leave all the same; None: they do not."""
    witness: str | None = None
    """The second person who saw goods leave."""

    def plain(self) -> list[object]:
        """As plain values, for comparing a repeat with the first request."""
        lines = None if self.lines is None else [_plain(one) for one in self.lines]
        damaged = [_plain(one) for one in self.damaged]
        plan = [_plain(one) if isinstance(one, Goods) else [*one[0], one[1]] for one in self.plan]
        found = [lines, damaged, self.parcel, self.event, plan, self.who, self.until_ms]
        override = [] if self.override is None else [self.override]
        return [*found, *override, *([] if self.witness is None else ["witness", self.witness])]


def note_facts(seen: Seen, request: Request) -> None:
    """Have what is said of goods beside their quantity be kept with the operation that moves them.

    Of several lines that are one in the end, so many packs each, none says how many packs it was.
    """
    for one in request.lines or ():
        before = seen.facts.get((one.sku, one.lot))
        if before is not None:
            several = {**before, **one.facts}
            seen.facts[one.sku, one.lot] = {
                name: value for name, value in several.items() if name not in _OF_ONE_LINE
            }
        elif one.facts:
            seen.facts[one.sku, one.lot] = one.facts


def plan_of(request: Request) -> dict[LineKey, int]:
    """The lines of the plan by what names them, once all are in base units."""
    return dict(one for one in request.plan if not isinstance(one, Goods))


def event_name(given: str) -> str:
    """The name of an event: a movement's id without its dashes, or that of an item of a parcel as it is."""
    return given.replace("-", "").lower() if _UUID.fullmatch(given) else given


def amounts(goods: Iterable[Goods], progress: Progress) -> dict[Item, int]:
    """Goods by item and line: of the line that asks for their lot, else of the one that leaves the lot open."""
    found: dict[Item, int] = {}
    for one in goods:
        planned = one.planned
        if planned is None:
            is_asked_for = progress.lines.get(LineKey(one.sku, one.lot), 0) > 0
            planned = one.lot if is_asked_for else NO_LOT
        item = Item(one.sku, one.lot, planned)
        assert one.quantity is not None, "worked out, if a line did not say it"
        found[item] = found.get(item, 0) + one.quantity
    return found


def lines_or_rest(
    request: Request, progress: Progress, rest: Amounts, damaged: Amounts
) -> dict[Item, int]:
    """The goods that were named; when none were, all that is left but what is damaged."""
    if request.lines is not None:
        return amounts(request.lines, progress)
    left = minus(rest, damaged)
    return {item: amount for item, amount in left.items() if amount > 0}


def not_scanned_yet(
    seen: Seen, parcel: str, goods: Mapping[str, dict[Item, int]]
) -> dict[str, dict[Item, int]]:
    """Of a parcel's goods, by every leg of the verb, those that nobody has scanned; what was is left out, and said.

    Whatever part of the act they play, the first scan stands: an item that one clerk took in and another finds broken
    is one item.
    """
    fresh: dict[str, dict[Item, int]] = {leg: {} for leg in goods}
    for leg, items in goods.items():
        for item, quantity in items.items():
            before = _scanned(seen.document, goods, parcel_event(parcel, item))
            if not before:
                fresh[leg][item] = quantity
                continue
            same = before.get(leg, {}).get(item) == quantity
            seen.notices.append(
                {
                    "code": "already_scanned" if same else "scanned_otherwise",
                    "sku": item.sku,
                    "detail": "this parcel was scanned before, and counts as it was then",
                }
            )
    return fresh


def _scanned(document: Document, legs: Iterable[str], event: str) -> dict[str, dict[Item, int]]:
    read = {leg: read_event(document, leg, event) for leg in legs}
    return {leg: items for leg, items in read.items() if items}


def _plain(goods: Goods) -> list[object]:
    # Nothing for a line in base units, as it was before lines could say anything else.
    said = [] if goods.said is None else [goods.said.barcode, goods.said.pack, goods.said.packs]
    return [*goods[:4], with_sorted_keys(goods.facts), *said]
