"""`/v1/reports/stock-status`: what there is, by position, lot, SKU, location, category or supplier, with the chain's totals."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.shown import Count, Day, Shown
from node.api.values import Code, Name
from node.commands.requests import Caller
from node.node import Node
from node.reports.positions import Wanted
from node.reports.stock_status import By, StockStatus

Category = Name
SupplierId = Annotated[Code, Field(description="The id of a supplier.")]
Standing = Literal["ok", "on_hold", "quarantined", "recalled", "expired"]


class StockStatusAsked(ReportAsked):
    """Of what, and in which rows."""

    by: Annotated[
        Literal["position", "lot", "sku", "location", "category", "supplier"],
        Field(description="What a row is of; a position is one SKU at one location."),
    ] = "position"
    location: Code | None = None
    sku: Code | None = None
    category: Category | None = None
    supplier: SupplierId | None = None
    below_minimum: Annotated[
        Literal["true", "false"],
        Field(description="Only positions of which less is available than their minimum."),
    ] = "false"


class StockFigures(Shown):
    """Quantities of all that a row is of, in base units."""

    on_hand: int
    reserved: int
    granted: int
    held: int
    """On hand of lots that are expired, held or recalled."""
    available: int
    """On hand without what is reserved, granted or held."""
    incoming: int


class StockStatusRow(Shown):
    """What there is of something. What is not said of such a row is null."""

    sku: str | None
    name: str | None
    location: str | None
    lot: str | None
    expiry: Day | None
    standing: Standing | None
    category: str | None
    supplier: str | None
    supplier_name: str | None
    minimum: int | None
    """Of a position: by its level there, else by the catalogue."""
    skus: Count | None
    positions: Count | None
    below: Count | None
    """Positions of which less is available than their minimum."""
    negative: Count | None
    """Positions of which there is less than nothing."""
    on_hand: int
    reserved: int
    granted: int
    held: int
    available: int
    incoming: int


class StockStatusTotals(StockFigures):
    """The same of all that was asked for."""

    skus: Count
    positions: Count
    below: Count
    negative: Count


StockStatusReport = report_model(
    "StockStatusReport", StockStatusRow, StockStatusTotals, "What there is."
)
_SHEET: Final = Sheet("stock-status", StockStatusRow)


async def show_stock_status(
    node: Node, caller: Caller, request: web.Request, asked: StockStatusAsked
) -> Annotated[web.Response, Reported(StockStatusReport)]:
    """Report what there is.

    Of every SKU at every location where it was ever counted and that this node reads; the notes say which it does not.
    The rows of one report add up to its totals, however they are cut. A page that is searched may have fewer rows than
    `limit` and yet a `next`.
    """
    wanted = Wanted(asked.location, asked.sku, asked.category, asked.supplier)
    report = StockStatus(wanted, By(asked.by), only_below=asked.below_minimum == "true")
    return await send(node, caller, request, asked, report, _SHEET)
