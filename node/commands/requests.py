"""What callers ask for, already well-formed: the surfaces check shapes, the commands check meaning.

Invariant: a request holds only checked codes and ranges (see `protocol.limits`), so that a command never has to doubt
its types; two requests that mean the same are equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind


class Authority(StrEnum):
    """What a token may do, until people sign in at tills."""

    TILL = "till"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name its token carries. Idempotency keys are scoped to it."""

    name: str
    authority: Authority


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says in place of a SKU or of base units: what was scanned, how many packs."""

    barcode: str | None = None
    """As it came from the scanner."""
    pack: str | None = None
    packs: int | None = None
    """Signed as `delta` is; of a count, what was counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a movement; exactly one of `delta` and `counted` is given, once `commands.scanning` has seen `said`."""

    sku: Sku
    """"" where only a barcode says which."""
    lot: Lot
    delta: int | None = None
    counted: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    """`supplier`, `unit_cost`, `expiry` of goods received: kept with the operation, no effect on stock."""
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement to record. Times are UTC milliseconds."""

    kind: MoveKind
    location: Location
    lines: tuple[Line, ...]
    reference: str | None = None
    occurred_at_ms: int | None = None
    """None: now."""
    reason: str | None = None
    note: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    override_lot: bool = False
    """Whether lots that may not be used are sold all the same, for the reason given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a recording command answers; the body is JSON, kept as sent so that a repeat gets the same bytes."""

    movement_id: str
    status: int
    body: bytes
    replayed: bool


class Refusal(Exception):
    """The caller's fault, in one sentence, with a code of API.md. Nothing was recorded.

    Where several faults share a code, `fault` is the stable name of this one. `errors` say where in the request, each
    with `loc`, `msg` and `type`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        fault: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.fault = fault
        self.errors = tuple(errors)
