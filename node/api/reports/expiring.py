"""`/v1/reports/expiring`: the lots that have expired or will soon, where they lie, and what is at risk with them."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.reports.stock_status import Category, Standing, SupplierId
from node.api.shown import Count, Day, Shown
from node.api.stocktake_models import Worth
from node.api.values import Code, Days
from node.commands.requests import Caller
from node.node import Node
from node.reports.expiring import Expiring
from node.reports.positions import Wanted
from protocol.limits import ALERT_EXPIRING_DAYS


class ExpiringAsked(ReportAsked):
    """Of what, and how soon."""

    days: Annotated[
        Days,
        Field(
            description="How many days ahead; usual are 30 and 90. 0 is what may be used today for the last time."
        ),
    ] = ALERT_EXPIRING_DAYS
    location: Code | None = None
    sku: Code | None = None
    category: Category | None = None
    supplier: SupplierId | None = None


class ExpiringRow(Shown):
    """Goods of one lot on one shelf."""

    expiry: Day
    """The last day on which it may be used."""
    days_left: int
    """From today, where it lies; less than 0 once it has expired."""
    expired: bool
    location: str
    sku: str
    name: str | None
    category: str | None
    lot: str
    standing: Standing
    """Whether it may be sold there today."""
    on_hand: Annotated[int, Field(ge=1)]
    valued_at: Literal["cost", "price"] | None
    """What a unit counts: what it costs, or where that is not known or not to be seen, what it sells for; null for neither."""
    currency: str | None
    unit_value: int | None
    """Of one base unit, in minor units, as `value`."""
    value: int | None


class RiskValue(Worth):
    """A sum of one currency, at cost or at selling price."""

    valued_at: Literal["cost", "price"]


class Risk(Shown):
    """What is at risk with some lots."""

    lots: Count
    quantity: Count
    values: list[RiskValue]
    """Never added together."""
    unpriced_lots: Count
    """Lots of SKUs that nobody priced, which are in none of the values."""
    unpriced_quantity: Count


class RiskAt(Shown):
    """What is at risk at one location."""

    location: str
    expired: Risk
    expiring: Risk


class ExpiringTotals(Shown):
    """All that was asked for."""

    expired: Risk
    expiring: Risk
    locations: list[RiskAt]
    """Those that have any, by code."""
    undated_lots: Count
    """Lots on the shelves of which nobody said the last day: they are not in this report."""


ExpiringReport = report_model(
    "ExpiringReport", ExpiringRow, ExpiringTotals, "The lots that have expired or will soon."
)
_SHEET: Final = Sheet("expiring", ExpiringRow)


async def show_expiring(
    node: Node, caller: Caller, request: web.Request, asked: ExpiringAsked
) -> Annotated[web.Response, Reported(ExpiringReport)]:
    """Report what has expired and what will.

    The lots on hand, soonest first, with what is at risk with them. What belongs to no lot has no last day and is not in
    it.
    """
    wanted = Wanted(asked.location, asked.sku, asked.category, asked.supplier)
    return await send(node, caller, request, asked, Expiring(wanted, asked.days), _SHEET)
