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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.commands.shelves import Shelves
from node.replica.lots import Lots
from protocol.ids import NO_LOT, Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.picking import LotStock, Standing, pick

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


def refuse_unusable(said: Lots, location: Location, named: Sequence[tuple[Sku, Lot]]) -> None:
    """Refuse lines that take goods of a lot that may not be used there.

    Args:
        said: what is known of lots, and what day it is.
        location: where the goods lie.
        named: the SKU and lot of each line, in their order; `NO_LOT` for none.

    Raises:
        Refusal: `lot_not_usable`; its errors say of each line which, and why.
    """
    if unusable := find_unusable(said, location, named):
        at, why = next(iter(unusable.items()))
        raise Refusal(
            "lot_not_usable",
            f"the lot that line {at + 1} names {_IS[why]}",
            errors=[
                {"loc": ["lines", at, "lot"], "msg": _IS[why], "type": why.value}
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
        if movement.override_lot and caller.authority is not Authority.OPERATOR:
            raise Refusal("forbidden", "a till does not sell a lot that may not be used")
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
        without_lot = self._shelves.in_lot(line.sku, NO_LOT)
        if not line.delta or not self._shelves.left(line.sku).is_lot_tracked:
            return (line,)
        on_hand = self._shelves.in_lots(line.sku)
        facts = self._said.facts(line.sku, on_hand)
        lots = [LotStock(lot, amount, facts[lot]) for lot, amount in on_hand.items()]
        picked = pick(lots, -line.delta, self._said.today(self._location))
        if picked[-1].lot == NO_LOT and picked[-1].quantity > without_lot:
            self.uncovered.append(line.sku)
        # What a line says of itself (the pack that was scanned) is said once, beside its first part.
        return [
            replace(line, lot=lot, delta=-quantity, facts={} if number else line.facts)
            for number, (lot, quantity) in enumerate(picked)
        ]
