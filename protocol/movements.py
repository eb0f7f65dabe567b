"""The kinds of movement and which way each may go.

Invariant: the table below is the only place that knows a kind's sign; every surface asks it. A count line is turned
into a delta by the node that took the scan and is exempt; so is a reversal, which mirrors what it reverses.
"""

from enum import StrEnum
from typing import Final, NamedTuple

MOVE_PREFIX: Final = "move."
"""How the kind of every operation begins that is a movement."""


class MoveKind(StrEnum):
    """What happened to the goods. `move.<kind>` is the operation's kind."""

    OPENING = "opening"
    RECEIVE = "receive"
    SALE = "sale"
    DISPENSE = "dispense"
    CUSTOMER_RETURN = "customer_return"
    SUPPLIER_RETURN = "supplier_return"
    ADJUST = "adjust"
    WASTE = "waste"
    COUNT = "count"
    TRANSFER_SHIP = "transfer_ship"
    TRANSFER_RECEIVE = "transfer_receive"
    TRANSFER_CLOSE = "transfer_close"
    RESERVE = "reserve"
    RELEASE = "release"
    REVERSAL = "reversal"
    RECONCILE = "reconcile"

    @property
    def operation_kind(self) -> str:
        """The operation's kind on the wire."""
        return f"{MOVE_PREFIX}{self.value}"


class Sign(StrEnum):
    """Which deltas a kind takes; 0 is always taken."""

    IN = "in"
    OUT = "out"
    EITHER = "either"


class KindRule(NamedTuple):
    """What a kind asks of its lines."""

    sign: Sign
    needs_reason: bool
    device_alone: bool
    """Whether it can be recorded without a document (an order, a transfer, a promise)."""


RULES: Final = {
    MoveKind.OPENING: KindRule(Sign.IN, needs_reason=False, device_alone=True),
    MoveKind.RECEIVE: KindRule(Sign.IN, needs_reason=False, device_alone=True),
    MoveKind.SALE: KindRule(Sign.OUT, needs_reason=False, device_alone=True),
    MoveKind.DISPENSE: KindRule(Sign.OUT, needs_reason=False, device_alone=True),
    MoveKind.CUSTOMER_RETURN: KindRule(Sign.IN, needs_reason=False, device_alone=True),
    MoveKind.SUPPLIER_RETURN: KindRule(Sign.OUT, needs_reason=False, device_alone=True),
    MoveKind.ADJUST: KindRule(Sign.EITHER, needs_reason=True, device_alone=True),
    MoveKind.WASTE: KindRule(Sign.OUT, needs_reason=True, device_alone=True),
    MoveKind.COUNT: KindRule(Sign.EITHER, needs_reason=False, device_alone=True),
    MoveKind.REVERSAL: KindRule(Sign.EITHER, needs_reason=False, device_alone=True),
    MoveKind.TRANSFER_SHIP: KindRule(Sign.EITHER, needs_reason=False, device_alone=False),
    MoveKind.TRANSFER_RECEIVE: KindRule(Sign.EITHER, needs_reason=False, device_alone=False),
    MoveKind.TRANSFER_CLOSE: KindRule(Sign.EITHER, needs_reason=False, device_alone=False),
    MoveKind.RESERVE: KindRule(Sign.EITHER, needs_reason=False, device_alone=False),
    MoveKind.RELEASE: KindRule(Sign.EITHER, needs_reason=False, device_alone=False),
    MoveKind.RECONCILE: KindRule(Sign.EITHER, needs_reason=False, device_alone=False),
}


def sign_fault(kind: MoveKind, delta: int) -> str | None:
    """Why a line of `kind` cannot change stock by `delta`; None when it can."""
    match RULES[kind].sign:
        case Sign.IN if delta < 0:
            return f"a {kind} line cannot be negative"
        case Sign.OUT if delta > 0:
            return f"a {kind} line cannot be positive"
        case _:
            return None
