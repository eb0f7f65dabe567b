"""From which lots goods are sold, and which lots are not sold at all.

Invariants:
- What is sold or dispensed without a lot, of a SKU whose lots are tracked, is split into those that expire first, in the
  transaction that records it and against what is shown in it. Nothing is refused for want of a lot: what no usable
  lot covers is recorded without one, and said.
- A line that names a lot that may not be used is refused, unless somebody who may takes it upon themselves, which is
  recorded with the line. Expiry is judged by the day on which it was sold, all else by what is known now.
- A SKU whose lots are not tracked costs no statement here.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from node.commands.requests import Caller, Line, Movement, Refusal
from node.commands.rights import has_right, why_not
from node.commands.shelves import Shelves
from node.replica.lots import Lots
from protocol.access.table import action
from protocol.effects import Account, CounterEffect
from protocol.ids import NO_LOT, Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.operation import Operation
from protocol.picking import LotStock, Part, Standing, pick

_MAY_OVERRIDE: Final = action("stock.override_lot")
PICKED: Final = frozenset({MoveKind.SALE, MoveKind.DISPENSE})
"""What leaves for a customer. What is thrown away, sent back or counted may be of any lot."""
OVERRIDE: Final = "lot_override"
"""What a line says on which somebody sold a lot that may not be used: why it may not."""
_IS: Final[Mapping[Standing, str]] = {
    Standing.ON_HOLD: "is on hold",
    Standing.QUARANTINED: "is quarantined",
    Standing.RECALLED: "is recalled",
    Standing.EXPIRED: "has expired",
}


def refuse_unusable(
    said: Lots,
    location: Location,
    named: Sequence[tuple[Sku, Lot]],
    loc_of: Callable[[int], list[str | int]] = lambda at: ["lines", at, "lot"],
) -> None:
    """Refuse lines that take goods of a lot that may not be used there.

    Args:
        said: what is known of lots, and what day it is.
        location: where the goods lie.
        named: the SKU and lot of each line, in their order; `NO_LOT` for none.
        loc_of: where the line at a place is in the request.

    Raises:
        Refusal: `lot_not_usable`; its errors say of each line which, and why.
    """
    if unusable := find_unusable(said, location, named):
        why = next(iter(unusable.values()))
        raise Refusal(
            "lot_not_usable",
            f"goods of a lot that {_IS[why]} do not leave",
            errors=[
                {"loc": loc_of(at), "msg": _IS[why], "type": why.value}
                for at, why in unusable.items()
            ],
        )


def find_unusable(
    said: Lots, location: Location, named: Sequence[tuple[Sku, Lot]]
) -> dict[int, Standing]:
    """The lines, by their place from 0, that name a lot that may not be used at a location, and why."""
    by_sku: dict[Sku, set[Lot]] = {}
    for sku, lot in named:
        if lot != NO_LOT:
            by_sku.setdefault(sku, set()).add(lot)
    standings = {sku: said.standings(location, sku, lots) for sku, lots in by_sku.items()}
    return {
        at: standings[sku][lot]
        for at, (sku, lot) in enumerate(named)
        if lot != NO_LOT and standings[sku][lot] is not Standing.OK
    }


class Picker:
    """What becomes of one movement's lines. Asked line by line, each after what the one before took was taken."""

    def __init__(
        self,
        db: sqlite3.Connection,
        caller: Caller,
        movement: Movement,
        shelves: Shelves,
        now_ms: int,
    ) -> None:
        """Look at the lots that its lines name.

        Raises:
            Refusal: `lot_not_usable`; `forbidden` when the caller may not override that.
        """
        self.uncovered: list[Sku] = []
        """Of which more was sold than usable lots, and stock without a lot, had."""
        self._shelves = shelves
        self._location = movement.location
        self._is_picked = movement.kind in PICKED
        sold_ms = now_ms if movement.occurred_at_ms is None else movement.occurred_at_ms
        self._said = Lots(db, min(sold_ms, now_ms))
        self._overridden: Mapping[int, Standing] = {}
        if movement.override_lot and not has_right(caller, _MAY_OVERRIDE):
            raise Refusal("forbidden", why_not(caller, _MAY_OVERRIDE))
        if self._is_picked and any(line.lot != NO_LOT for line in movement.lines):
            named = [(line.sku, line.lot) for line in movement.lines]
            if movement.override_lot:
                self._overridden = find_unusable(self._said, self._location, named)
            else:
                refuse_unusable(self._said, self._location, named)

    def parts(self, at: int, line: Line) -> Sequence[Line]:
        """What is recorded of the line at a place from 0: itself, or as many as it takes lots."""
        if not self._is_picked:
            return (line,)
        if line.lot != NO_LOT:
            why = self._overridden.get(at)
            return (
                line if why is None else replace(line, facts={**line.facts, OVERRIDE: why.value}),
            )
        if not line.delta:
            return (line,)
        picked = usable_parts(self._shelves, self._said, self._location, line.sku, -line.delta)
        if picked is None:
            return (line,)
        without_lot = self._shelves.in_lot(line.sku, NO_LOT)
        if picked[-1].lot == NO_LOT and picked[-1].quantity > without_lot:
            self.uncovered.append(line.sku)
        # What a line says of itself (the pack that was scanned) is said once, beside its first part.
        return [
            replace(line, lot=lot, delta=-quantity, facts={} if number else line.facts)
            for number, (lot, quantity) in enumerate(picked)
        ]


def with_lots_checked(
    db: sqlite3.Connection, now_ms: int, operation: Operation, override: str | None
) -> Operation:
    """An operation by which goods leave a shelf, saying of each lot that may not be used why it leaves all the same.

    Args:
        db: the transaction that records it.
        now_ms: UTC milliseconds.
        operation: as its document's table made it.
        override: the reason given; None refuses such lots.

    Raises:
        Refusal: `lot_not_usable`; the `loc` of its errors is the SKU and the lot.
    """
    goods = [
        effect
        for effect in operation.effects
        if isinstance(effect, CounterEffect) and effect.account == Account.ON_HAND
    ]
    if not goods:
        return operation
    # An event that is taken back is of the same kind, and brings goods.
    named = [(effect.sku, effect.lot if effect.delta < 0 else NO_LOT) for effect in goods]
    said, location = Lots(db, now_ms), goods[0].location
    if override is None:
        refuse_unusable(said, location, named, lambda at: list(named[at]))
        return operation
    held = operation.details.get("lines")
    lines = dict(held) if isinstance(held, Mapping) else {}
    for at, why in find_unusable(said, location, named).items():
        lines[str(at)] = {**lines.get(str(at), {}), OVERRIDE: why.value}
    details = {**operation.details, "reason": override, **({"lines": lines} if lines else {})}
    return operation._replace(details=details)


def usable_parts(
    shelves: Shelves, said: Lots, location: Location, sku: Sku, quantity: int
) -> tuple[Part, ...] | None:
    """The lots to take; None where a SKU's lots are not tracked."""
    shelves.in_lot(sku, NO_LOT)
    if not shelves.left(sku).is_lot_tracked:
        return None
    on_hand = shelves.in_lots(sku)
    facts = said.facts(sku, on_hand)
    lots = [LotStock(lot, amount, facts[lot]) for lot, amount in on_hand.items()]
    return pick(lots, quantity, said.today(location))
