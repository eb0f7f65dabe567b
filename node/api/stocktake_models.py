"""What the addresses under a stocktake take and answer.

Invariant: as everywhere, what is sent is strict and closed, and what is shown is described and never run over an answer.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from node.api.document_models import models_of
from node.api.models import Body, UnitCost
from node.api.queries import Address, Query
from node.api.shown import Count, Notice, Shown, Time
from node.api.values import Code, Currency
from protocol.declarations.kinds import Text
from protocol.declarations.paperwork import STOCKTAKES
from protocol.limits import REASON_CHARS_MAX
from protocol.workflows.count_sheet import Stage

_REASON: Final = Text(REASON_CHARS_MAX)


def _reason(text: str) -> str:
    if fault := _REASON.fault(text):
        raise PydanticCustomError("reason", "{fault}", {"fault": fault})
    return text


GivenReason = Annotated[str, AfterValidator(_reason), WithJsonSchema(_REASON.schema())]
LineId = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{16}$"})]


class StocktakeAddress(Address):
    """The id in `/v1/stocktakes/{id}/...`."""

    id: Annotated[
        str, AfterValidator(str.lower), WithJsonSchema({"type": "string", "format": "uuid"})
    ]


class VarianceAsked(Query):
    """In which form."""

    format: Annotated[
        Literal["json", "csv"] | None,
        Field(description="Without it, as `Accept` says; JSON if that says nothing."),
    ] = None


class LineBody(Body):
    """Which line of a stocktake: a SKU, and its lot if it was counted by lot."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sku": "85123A"}]})

    sku: Code
    lot: Code | None = None


class ReasonBody(LineBody):
    """Why a line differs."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sku": "85123A", "reason": "DAMAGED"}]}
    )

    reason: GivenReason


class FinaliseBody(Body):
    """How to end it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "RECOUNTED"}]})

    reason: Annotated[
        GivenReason | None, Field(description="For every difference without a reason of its own.")
    ] = None


class CountShown(Shown):
    """One count of one line."""

    round: Annotated[int, Field(ge=1)]
    """1 is the first count; each recount is a round."""
    counted: Count
    expected: int | None
    """What was shown on hand when it was counted. Null while it is kept from whoever counts blind."""
    difference: int | None
    """Counted less expected."""
    counted_by: str
    """A token's name and its node's: `till-1@S01`."""
    counted_at: Time


class CountedLine(CountShown):
    """The line just counted."""

    line: LineId
    sku: str
    lot: str | None


class Worth(Shown):
    """Money, which may be less than nothing: `amount` in the currency's minor unit."""

    amount: int
    currency: Currency


class VarianceLine(CountedLine):
    """A line by the count that stands."""

    name: str | None
    price: UnitCost | None
    """Of one base unit."""
    value: Worth | None
    """What the difference is worth at that price; null without one."""
    cost: UnitCost | None
    """Shown to the office's operators alone, as is `value_at_cost`."""
    value_at_cost: Worth | None
    reason: str | None
    verified_by: str | None
    """Who stands for this count beside whoever counted: expressly, or by finalising."""
    recount_asked: bool
    """Whether it is still to be counted again."""
    needs_second_person: bool | None
    """Whether the difference is above the location's limit and nobody stands for it yet."""
    rounds: list[CountShown]


class CountLimits(Shown):
    """Above which difference of one line a person who did not count it must stand for it; null for none."""

    units: int | None
    value: UnitCost | None


class VarianceTotals(Shown):
    """All lines together; what a blind count hides is null or empty."""

    lines: Count
    awaited: Count
    """Lines still to be counted again."""
    differing: Count | None
    units_over: Count | None
    units_short: Count | None
    values: list[Worth]
    """Of the differences at selling prices, a sum for each currency."""
    values_at_cost: list[Worth]


class Variance(Shown):
    """What a stocktake found: expected and counted, line by line."""

    id: str
    location: str
    number: str | None
    """What people call it: short and final."""
    name: str | None
    stage: Literal[tuple(Stage)]  # type: ignore[valid-type] # the enumeration's own words
    blind: bool
    hidden: bool
    """Whether what is expected is kept from this caller for now."""
    limits: CountLimits
    totals: VarianceTotals
    lines: list[VarianceLine]


def _acted(name: str, told: str, **more: Any) -> type[Shown]:
    fields: dict[str, Any] = {**more, "warnings": (list[Notice], ...)}
    return create_model(name, __base__=models_of(STOCKTAKES).shown, __doc__=told, **fields)


StocktakeActed = _acted("StocktakeActed", "A stocktake after what was done with it.")
StocktakeCounted = _acted(
    "StocktakeCounted", "A stocktake, and the line just counted.", line=(CountedLine, ...)
)
