"""`/v1/reports/movement-history`, `usage` and `stock-as-of`: what moved, how fast, and what lay where at an instant."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.shown import Count, Id, Shown, Time
from node.api.values import Code, Instant, Kind
from node.commands.requests import Caller
from node.node import Node
from node.reports.movement_history import MovementHistory
from node.reports.stock_as_of import StockAsOf
from node.reports.usage import DAYS_DEFAULT, Usage

_Since = Annotated[Instant | None, Field(description="By when it happened.")]
_Until = Annotated[Instant | None, Field(description="Not included.")]


class MovementHistoryAsked(ReportAsked):
    """Whose history; what is not given does not restrict."""

    sku: Code
    location: Code | None = None
    lot: Annotated[Code | Literal[""] | None, Field(description="Empty for goods without one.")] = (
        None
    )
    kind: Annotated[Kind | None, Field(description="Of the rows; the balance is of all.")] = None
    since: _Since = None
    until: _Until = None


class MovementHistoryRow(Shown):
    """The opening balance of a location, a line of a movement there, or the closing balance."""

    row: Literal["opening", "movement", "closing"]
    location: str
    at: Time | None
    """When it happened, as the movement says; of an opening null where no beginning was asked for."""
    recorded_at: Time | None
    movement: Id | None
    kind: str | None
    """As in the list of movements: `sale`."""
    lot: str | None
    delta: int | None
    """Base units."""
    reference: str | None
    reason: str | None
    actor: str | None
    device: str | None
    reverses: Id | None
    balance: int
    """After it, of all kinds; the last one without `until` is what is on hand."""


class MovementHistoryTotals(Shown):
    """Of all kinds, in base units."""

    opening: int
    added: Count
    taken: Count
    closing: int
    on_hand: int
    """Now, whatever `until` says."""


class UsageAsked(ReportAsked):
    """Whose usage; what is not given does not restrict."""

    location: Annotated[
        Code | None, Field(description="Else every location whose movements this node keeps.")
    ] = None
    sku: Code | None = None
    since: Annotated[
        Instant | None, Field(description=f"Else {DAYS_DEFAULT} days before the end.")
    ] = None
    until: Annotated[Instant | None, Field(description="Not included; now, unless given.")] = None
    each: Annotated[
        Literal["whole", "day", "week", "month"],
        Field(description="Of what there is a row: the period, or each day, week or month of it."),
    ] = "whole"


class UsageRow(Shown):
    """A SKU that customers took, in base units."""

    location: str
    sku: str
    name: str | None
    since: Time
    until: Time
    """Not included. Days, weeks and months are by the time zone of the location."""
    sold: int
    dispensed: int
    returned: int
    reversed: int
    """Taken back because it was typed wrongly; less than 0 where that was a return."""
    used: int
    """Sold and dispensed, less what was returned and reversed."""
    per_day: str | None
    """A decimal."""
    days_out_of_stock: str
    """A decimal: how long nothing was on hand."""
    per_day_in_stock: str | None
    """The same by the days on which there was some; null when there never was."""
    on_hand: int


class UsageTotals(Shown):
    """Of all rows."""

    since: Time
    until: Time
    days: str
    """A decimal."""
    skus: Count
    sold: int
    dispensed: int
    returned: int
    reversed: int
    used: int


class StockAsOfAsked(ReportAsked):
    """When, and whose stock; what is not given does not restrict."""

    as_of: Annotated[Instant, Field(description="What happened at it is included.")]
    location: Annotated[
        Code | None, Field(description="Else every location whose movements this node keeps.")
    ] = None
    sku: Code | None = None


class StockAsOfRow(Shown):
    """A SKU and lot at a location, in base units."""

    location: str
    sku: str
    name: str | None
    lot: str | None
    on_hand: int
    """Then."""
    on_hand_now: int
    change: int
    """Since."""
    unexplained: int | None
    """What is on hand now and not what the movements held here come to; null where that was not looked at."""


class StockAsOfTotals(Shown):
    """Of all rows."""

    at: Time
    skus: Count
    """With anything on hand then, counted at each location."""
    on_hand: int
    on_hand_now: int
    movements_since: Count


MovementHistoryReport: Final = report_model(
    "MovementHistoryReport",
    MovementHistoryRow,
    MovementHistoryTotals,
    "What happened to a SKU, with its balance.",
)
UsageReport: Final = report_model(
    "UsageReport", UsageRow, UsageTotals, "What customers took of each SKU."
)
StockAsOfReport: Final = report_model(
    "StockAsOfReport", StockAsOfRow, StockAsOfTotals, "What was on hand at an instant."
)
_HISTORY: Final = Sheet("movement-history", MovementHistoryRow)
_USAGE: Final = Sheet("usage", UsageRow)
_AS_OF: Final = Sheet("stock-as-of", StockAsOfRow)


async def show_movement_history(
    node: Node, caller: Caller, request: web.Request, asked: MovementHistoryAsked
) -> Annotated[web.Response, Reported(MovementHistoryReport)]:
    """Report what happened to a SKU.

    By location: the opening balance, every movement by when it happened, the closing balance. It is walked back from what
    is on hand, so it ends there also where this node does not hold every movement: a note names such locations.
    """
    kind = None if asked.kind is None else asked.kind.operation_kind
    report = MovementHistory(asked.sku, asked.location, asked.lot, kind, asked.since, asked.until)
    return await send(node, caller, request, asked, report, _HISTORY)


async def show_usage(
    node: Node, caller: Caller, request: web.Request, asked: UsageAsked
) -> Annotated[web.Response, Reported(UsageReport)]:
    """Report what customers took.

    What was sold and dispensed, less what came back or was taken back, of the locations whose movements this node keeps.
    """
    report = Usage(asked.location, asked.sku, asked.since, asked.until, asked.each)
    return await send(node, caller, request, asked, report, _USAGE)


async def show_stock_as_of(
    node: Node, caller: Caller, request: web.Request, asked: StockAsOfAsked
) -> Annotated[web.Response, Reported(StockAsOfReport)]:
    """Report the stock of an instant.

    What is on hand now, less what happened since, by when movements say that they happened: what a till sends late, or
    somebody enters later, changes what was there before. Refused for locations whose movements this node does not keep.
    """
    report = StockAsOf(asked.as_of, asked.location, asked.sku)
    return await send(node, caller, request, asked, report, _AS_OF)
