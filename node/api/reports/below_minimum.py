"""`/v1/reports/below-minimum`: what a location has too little of, and what to order of whom."""

from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.reports.stock_status import Category, SupplierId
from node.api.shown import Count, Shown
from node.api.suggestions import LEAD, LEAD_DAYS, USED, USED_DAYS
from node.api.values import Code, Days, Limit
from node.commands.requests import Caller
from node.commands.suggesting import Wanted
from node.node import Node
from node.reports.below_minimum import BelowMinimum


class BelowMinimumAsked(ReportAsked):
    """Of which location, and how far ahead."""

    location: Code
    lead_days: Annotated[Days, Field(description=LEAD)] = LEAD_DAYS
    used_days: Annotated[Limit, Field(description=USED)] = USED_DAYS
    category: Category | None = None
    supplier: SupplierId | None = None


class BelowMinimumRow(Shown):
    """One SKU, in base units; what is null is not known of a SKU without a level there."""

    supplier: str | None
    supplier_name: str | None
    location: str
    sku: str
    name: str | None
    category: str | None
    minimum: int
    available: int
    below: bool
    """Whether less is available than the minimum; if not, it will be before goods ordered today can be sold."""
    missing: Count
    incoming: int | None
    """In transit, and what open purchase orders still expect."""
    drafted: Count | None
    """On purchase orders that are not placed yet."""
    used: Count | None
    """Sold and dispensed in the days asked for."""
    order_quantity: Annotated[int, Field(ge=1)] | None
    """What is suggested to order; null where nothing is."""
    pack: str | None
    """What it is ordered in; null where it comes loose."""
    packs: Annotated[int, Field(ge=1)] | None
    """How many of it."""


class BelowMinimumTotals(Shown):
    """How many of what."""

    below: Count
    """SKUs of which less is available than the minimum."""
    to_order: Count
    """SKUs of which something is suggested to order."""
    suppliers: Count
    """From how many; what nobody is said to deliver counts as one."""


BelowMinimumReport = report_model(
    "BelowMinimumReport", BelowMinimumRow, BelowMinimumTotals, "What a location has too little of."
)
_SHEET: Final = Sheet("below-minimum", BelowMinimumRow)


async def show_below_minimum(
    node: Node, caller: Caller, request: web.Request, asked: BelowMinimumAsked
) -> Annotated[web.Response, Reported(BelowMinimumReport)]:
    """Report what is below its minimum, and what to order.

    By supplier, and as `/v1/orders/suggested` suggests at the same moment, in whole packs. Of SKUs that are below a minimum
    of the catalogue and have no level at the location nothing is suggested. SKUs without a level that were never counted
    there are not in it.
    """
    order = Wanted(asked.location, asked.lead_days, asked.used_days)
    report = BelowMinimum(order, asked.category, asked.supplier)
    return await send(node, caller, request, asked, report, _SHEET)
