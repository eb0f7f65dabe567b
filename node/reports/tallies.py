"""What one person did at one till in a day, added up.

Rules:
- A basket is what one person sold at one till under one reference; a sale without a reference is one by itself. So the
  baskets of all tills and people add up to those of the day, as does everything else here.
- Sold is what was sold or dispensed, as it was recorded; what was brought back or taken back that day stands beside it and
  is not taken off. Something is taken back on the day of its reversal.
- Worth is by today's prices of the catalogue, which keeps no other; money of two currencies is never added up.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from node.replica.movements import Recorded
from node.replica.usage import undoes_order
from node.reports.frame import Sums
from node.reports.sayings import Money, add_worth
from protocol.effects import Account, CounterEffect
from protocol.ids import OpId, ReplicaId, Seq
from protocol.movements import MOVE_PREFIX, MoveKind

_SOLD: Final = frozenset({MoveKind.SALE.operation_kind, MoveKind.DISPENSE.operation_kind})


class Act(StrEnum):
    """What a movement is in the day."""

    SALE = "sale"
    RETURN = "return"
    REVERSAL = "reversal"
    WASTE = "waste"
    OTHER = "other"


_ACTS: Final[Mapping[str, Act]] = {
    MoveKind.SALE.operation_kind: Act.SALE,
    MoveKind.DISPENSE.operation_kind: Act.SALE,
    MoveKind.CUSTOMER_RETURN.operation_kind: Act.RETURN,
    MoveKind.REVERSAL.operation_kind: Act.REVERSAL,
    MoveKind.WASTE.operation_kind: Act.WASTE,
}


class Entry(NamedTuple):
    """A movement of goods at one location. Times are UTC milliseconds."""

    op_id: OpId
    replica: ReplicaId
    seq: Seq
    device: str
    actor: str
    kind: str
    """As REST shows it."""
    act: Act
    is_of_sale: bool
    """Whether goods of it were sold, or taken back that were."""
    reference: str | None
    is_of_document: bool
    """Then its reference is the document's id, and no receipt's."""
    occurred_ms: int
    recorded_ms: int
    lines: tuple[tuple[str, int], ...]
    """SKU and delta of each line that changed what is on hand."""

    @property
    def units(self) -> int:
        """What it added to the shelves, in base units."""
        return sum(delta for _, delta in self.lines)


def entry_of(found: Recorded, taken_back: str | None, location: str) -> Entry | None:
    """A listed movement as an entry; None of one that moved no goods here.

    Args:
        found: the movement.
        taken_back: the kind of the operation that it reverses, where that is known.
        location: where the day is.
    """
    operation = found.operation
    lines = tuple(
        (effect.sku, effect.delta)
        for effect in operation.effects
        if isinstance(effect, CounterEffect)
        and effect.account == Account.ON_HAND
        and effect.location == location
    )
    if not lines:
        return None
    act = _ACTS.get(operation.kind, Act.OTHER)
    units = sum(delta for _, delta in lines)
    undoes_sale = taken_back in _SOLD or (act is Act.REVERSAL and undoes_order(operation, units))
    reference = operation.details.get("reference")
    return Entry(
        operation.op_id,
        found.replica,
        found.seq,
        operation.device,
        operation.actor,
        operation.kind.removeprefix(MOVE_PREFIX),
        act,
        act is Act.SALE or undoes_sale,
        reference if isinstance(reference, str) and reference else None,
        "collection" in operation.details,
        operation.occurred_at,
        operation.recorded_at,
        lines,
    )


class State(NamedTuple):
    """How an entry stands with the hub, and with the day."""

    is_unsent: bool
    is_set_aside: bool
    is_late: bool
    """Recorded when its day was over."""


COUNTS: Final = (
    *("sales", "lines", "units", "returns", "return_units", "reversals", "reversed_units"),
    *("waste", "waste_units", "others", "unpriced_lines", "unsent", "set_aside", "recorded_later"),
)
"""What is counted, beside baskets, by the name that it has in rows and totals."""
VALUES: Final = ("value", "return_value", "reversed_value", "waste_value")
"""What is worth something: of what was sold, brought back, taken back and thrown away."""
_UNITS: Final[Mapping[Act, tuple[str, str, str, int]]] = {
    Act.SALE: ("sales", "units", "value", -1),
    Act.RETURN: ("returns", "return_units", "return_value", 1),
    Act.REVERSAL: ("reversals", "reversed_units", "reversed_value", 1),
    Act.WASTE: ("waste", "waste_units", "waste_value", -1),
}


class Tally:
    """Entries added up."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.counts = dict.fromkeys(COUNTS, 0)
        self.values = {name: Sums() for name in VALUES}
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        self._baskets: set[tuple[str, str, str | OpId]] = set()

    @property
    def baskets(self) -> int:
        """How many there are."""
        return len(self._baskets)

    def add(self, entry: Entry, state: State, price: Callable[[str], Money | None]) -> None:
        """Add one; `price` tells what a unit of a SKU sells for."""
        at_ms = entry.occurred_ms
        self.first_ms = at_ms if self.first_ms is None else min(at_ms, self.first_ms)
        self.last_ms = at_ms if self.last_ms is None else max(at_ms, self.last_ms)
        self.counts["unsent"] += state.is_unsent
        self.counts["set_aside"] += state.is_set_aside
        self.counts["recorded_later"] += state.is_late
        if entry.act is Act.OTHER:
            self.counts["others"] += 1
            return
        count, units, value, sign = _UNITS[entry.act]
        self.counts[count] += 1
        if entry.act is Act.SALE:
            self._baskets.add((entry.device, entry.actor, entry.reference or entry.op_id))
            self.counts["lines"] += len(entry.lines)
        if entry.act is Act.REVERSAL and not entry.is_of_sale:
            return
        self.counts[units] += sign * entry.units
        for sku, delta in entry.lines:
            unit = price(sku)
            self.counts["unpriced_lines"] += unit is None
            add_worth(self.values[value], unit, sign * delta)
