"""What customers took from a location: how fast its goods go.

Invariants: read from the list of movements, so it is what happened here and what was pulled of the location's others. What
came back counts against it, and so does what was taken back because it was typed wrongly, on the day on which it was.
"""

import sqlite3
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from node.replica.history import Line, happened, lines
from protocol.declarations.paperwork import ORDERS
from protocol.limits import USED_MOVEMENTS_MAX
from protocol.movements import MoveKind
from protocol.operation import Operation
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "usage.sql")


class Use(StrEnum):
    """What a line says of usage."""

    SOLD = "sold"
    DISPENSED = "dispensed"
    RETURNED = "returned"
    REVERSED = "reversed"
    """One of the other three, taken back."""


_BY_KIND: Final = {
    MoveKind.SALE.operation_kind: Use.SOLD,
    MoveKind.DISPENSE.operation_kind: Use.DISPENSED,
    MoveKind.CUSTOMER_RETURN.operation_kind: Use.RETURNED,
}


def use_of(line: Line) -> tuple[Use, int] | None:
    """What a line says of usage, and of how many base units; None for what has nothing to do with customers."""
    use, delta = _use_of(line), line.effect.delta
    if use is None:
        return None
    return use, -delta if use in (Use.SOLD, Use.DISPENSED) else delta


def undoes_order(operation: Operation, delta: int) -> bool:
    """Whether a reversal takes back, in an order, what had gone to a customer.

    What comes in again went out to a customer, what goes out again had come from a supplier.
    """
    return operation.details.get("collection") == ORDERS.name and delta > 0


def net(uses: Mapping[Use, int]) -> int:
    """What customers have of it in the end."""
    out = uses.get(Use.SOLD, 0) + uses.get(Use.DISPENSED, 0)
    return out - uses.get(Use.RETURNED, 0) - uses.get(Use.REVERSED, 0)


def used(db: sqlite3.Connection, location: str, since_ms: int) -> dict[str, int]:
    """Base units by SKU that were sold and dispensed since, from at most the newest `USED_MOVEMENTS_MAX` movements."""
    found: dict[str, int] = {}
    asked = {"location": location, "since": since_ms, "limit": USED_MOVEMENTS_MAX}
    for line in lines(map(happened, db.execute(_SQL["used"], asked))):
        if use_of(line) is not None:
            effect = line.effect
            found[effect.sku] = found.get(effect.sku, 0) - effect.delta
    return {sku: max(units, 0) for sku, units in found.items()}


def _use_of(line: Line) -> Use | None:
    operation, taken_back = line.happened.movement.operation, line.happened.taken_back
    if operation.kind != MoveKind.REVERSAL.operation_kind:
        return _BY_KIND.get(operation.kind)
    if taken_back is not None:
        return Use.REVERSED if taken_back in _BY_KIND else None
    return Use.REVERSED if undoes_order(operation, line.effect.delta) else None
