"""`/v1/reports/transfer-differences`, `count-variance` and `lot-trace`: what became of parcels, counts and lots."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.shown import Count, Day, Id, Shown, Time
from node.api.stocktake_models import Worth
from node.api.values import Code, Instant
from node.commands.requests import Caller
from node.node import Node
from node.reports.count_variance import CountVariance
from node.reports.lot_trace import LotTrace
from node.reports.transfer_differences import TransferDifferences
from protocol.workflows.differences import Matter

_Matter = Literal["called_back", "conflicting_status", "damaged", "over", "short", "unannounced"]
_Until = Annotated[Instant | None, Field(description="Not included.")]


class TransferDifferencesAsked(ReportAsked):
    """Of which transfers, and in which rows; what is not given does not restrict."""

    by: Annotated[
        Literal["difference", "route", "sku", "route_sku"],
        Field(description="What a row is of; sums have a row for each matter."),
    ] = "difference"
    source: Code | None = None
    destination: Code | None = None
    sku: Code | None = None
    matter: _Matter | None = None
    since: Annotated[
        Instant | None, Field(description="By when something last happened to the transfer.")
    ] = None
    until: _Until = None


class TransferDifferenceRow(Shown):
    """Something that did not arrive as it was sent. What is not said of such a row is null."""

    transfer: str | None
    number: str | None
    source: str | None
    destination: str | None
    stage: str | None
    shipped_at: Time | None
    last_at: Time | None
    matter: _Matter
    sku: str | None
    name: str | None
    lot: str | None
    differences: Count
    """How many the row is of."""
    quantity: int | None
    """Base units; null of a document as a whole."""
    value: Worth | None
    """At today's selling price; null too where a sum is of two currencies."""
    value_at_cost: Worth | None


class TransferDifferencesTotals(Shown):
    """Of all that was asked for, in base units."""

    transfers: Count
    """That were shipped, or differ, in the period."""
    differing: Count
    short: Count
    over: Count
    damaged: Count
    unannounced: Count
    values: list[Worth]
    values_at_cost: list[Worth]


class CountVarianceAsked(ReportAsked):
    """Of which counts, and in which rows; what is not given does not restrict."""

    by: Annotated[
        Literal["line", "sku", "category", "location", "reason"],
        Field(description="What a row is of."),
    ] = "line"
    location: Code | None = None
    sku: Code | None = None
    since: Annotated[Instant | None, Field(description="By when the stocktake was finalised.")] = (
        None
    )
    until: _Until = None
    differing: Annotated[Literal["true", "false"], Field(description="Only lines that differ.")] = (
        "false"
    )


class CountVarianceRow(Shown):
    """A counted line by the count that stands, or a sum of such. What is not said of such a row is null."""

    stocktake: str | None
    number: str | None
    location: str | None
    finalised_at: Time | None
    finalised_by: str | None
    sku: str | None
    name: str | None
    category: str | None
    lot: str | None
    reason: str | None
    counted_by: str | None
    counted_at: Time | None
    verified_by: str | None
    """Who stood for it beside who counted: expressly, or by finalising."""
    round: int | None
    lines: Count
    """How many the row is of."""
    expected: int
    counted: int
    difference: int
    short: Count
    over: Count
    value: Worth | None
    """Of the difference at today's selling price; null too where a sum is of two currencies."""
    value_at_cost: Worth | None


class CountVarianceTotals(Shown):
    """Of all lines asked for, in base units."""

    stocktakes: Count
    lines: Count
    differing: Count
    short: Count
    over: Count
    difference: int
    values: list[Worth]
    values_at_cost: list[Worth]


class LotTraceAsked(ReportAsked):
    """Which lot."""

    sku: Code
    lot: Code


class LotTraceRow(Shown):
    """A location that has or had some of a lot, or a line of a movement of it. What is not said of such a row is null."""

    row: Literal["location", "movement"]
    location: str
    on_hand: int | None
    reserved: int | None
    in_transit: int | None
    taken: int | None
    """What customers have of it from there; null where this node does not keep the movements."""
    acknowledged_by: str | None
    """Who answered the recall that stands."""
    acknowledged_at: Time | None
    set_aside: int | None
    at: Time | None
    """When it happened, as the movement says."""
    kind: str | None
    """As in the list of movements: `sale`."""
    movement: Id | None
    delta: int | None
    reference: str | None
    reason: str | None
    actor: str | None
    device: str | None
    reverses: Id | None
    reversed_by: Id | None


class LotTraceTotals(Shown):
    """Of the whole lot, in base units."""

    sku: str
    name: str | None
    lot: str
    status: Literal["ok", "on_hold", "quarantined", "recalled"]
    expiry: Day | None
    note: str | None
    recalled_at: Time | None
    locations: Count
    unacknowledged: Count
    """Locations that did not answer the recall that stands."""
    on_hand: int
    in_transit: int
    set_aside: int
    sold: int | None
    """From the locations whose movements this node keeps; null, as the next three, where that is none of them."""
    dispensed: int | None
    returned: int | None
    reversed: int | None


TransferDifferencesReport: Final = report_model(
    "TransferDifferencesReport",
    TransferDifferenceRow,
    TransferDifferencesTotals,
    "What did not arrive as it was sent.",
)
CountVarianceReport: Final = report_model(
    "CountVarianceReport", CountVarianceRow, CountVarianceTotals, "What counts found."
)
LotTraceReport: Final = report_model(
    "LotTraceReport", LotTraceRow, LotTraceTotals, "What became of a lot."
)
_TRANSFERS: Final = Sheet("transfer-differences", TransferDifferenceRow)
_COUNTS: Final = Sheet("count-variance", CountVarianceRow)
_TRACE: Final = Sheet("lot-trace", LotTraceRow)


async def show_transfer_differences(
    node: Node, caller: Caller, request: web.Request, asked: TransferDifferencesAsked
) -> Annotated[web.Response, Reported(TransferDifferencesReport)]:
    """Report what did not arrive as it was sent.

    Short, over, damaged, unannounced and called back, transfer by transfer, or summed up by route or SKU.
    """
    matter = None if asked.matter is None else Matter(asked.matter)
    report = TransferDifferences(
        asked.by, asked.source, asked.destination, asked.sku, matter, asked.since, asked.until
    )
    return await send(node, caller, request, asked, report, _TRANSFERS)


async def show_count_variance(
    node: Node, caller: Caller, request: web.Request, asked: CountVarianceAsked
) -> Annotated[web.Response, Reported(CountVarianceReport)]:
    """Report what counts found.

    Every counted line of the stocktakes that were finalised in a period, or the shrinkage by SKU, category, location or
    reason. One stocktake under way has a report of its own, at `/v1/stocktakes/{id}/variance`.
    """
    report = CountVariance(
        asked.by,
        asked.location,
        asked.sku,
        asked.since,
        asked.until,
        differing=asked.differing == "true",
    )
    return await send(node, caller, request, asked, report, _COUNTS)


async def show_lot_trace(
    node: Node, caller: Caller, request: web.Request, asked: LotTraceAsked
) -> Annotated[web.Response, Reported(LotTraceReport)]:
    """Report what became of a lot.

    Every location that holds or held it with its answer to the recall, then every movement of it that this node keeps.
    """
    report = LotTrace(asked.sku, asked.lot)
    return await send(node, caller, request, asked, report, _TRACE)
