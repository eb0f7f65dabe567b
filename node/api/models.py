"""The bodies of requests, as shapes: which fields there are and what each may hold.

Invariant: strict and closed. True is not 1, "5" and 5.0 are not 5, and an unknown field is refused rather than
ignored, so that a misspelt one is not a movement that was recorded without it. What depends on several fields at
once is in `translation`.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from node.api.values import (
    Code,
    Currency,
    Date,
    Delta,
    Details,
    Instant,
    Kind,
    Name,
    Note,
    Quantity,
    Reason,
    Reference,
)
from protocol.limits import BATCH_MOVEMENTS_MAX, LINES_MAX


class Body(BaseModel):
    """What every body has in common."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class UnitCost(Body):
    """Money: `amount` in the currency's minor unit."""

    amount: Quantity
    currency: Currency


class LineBody(Body):
    """One line of a movement."""

    sku: Code | None = None
    lot: Code | None = None
    delta: Delta | None = None
    counted: Quantity | None = None
    supplier: Name | None = None
    unit_cost: UnitCost | None = None
    expiry: Date | None = None
    # Known, so that whoever sends them reads why they are refused and not that they do not exist.
    pack: Any = None
    packs: Any = None
    barcode: Any = None


class MovementBody(Body):
    """`POST /v1/movements`."""

    kind: Kind
    location: Code
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX)]
    reference: Reference | None = None
    occurred_at: Instant | None = None
    reason: Reason | None = None
    note: Note | None = None
    details: Details = Field(default_factory=dict)


class BatchBody(Body):
    """`POST /v1/movements/batch`: each item is a MovementBody and a `key`, checked on its own."""

    movements: Annotated[list[Any], Field(max_length=BATCH_MOVEMENTS_MAX)]


class Nothing(Body):
    """A body that says nothing: `{}`, or none at all."""


class TokenBody(Body):
    """`POST /v1/operator/tokens` and its `/revoke`."""

    name: Name
