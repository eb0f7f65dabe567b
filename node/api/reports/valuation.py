"""`/v1/reports/valuation`: what the stock is worth, by SKU, category or location, each currency by itself."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.reports.stock_status import Category, SupplierId
from node.api.shown import Count, Shown
from node.api.stocktake_models import Worth
from node.api.values import Code
from node.commands.requests import Caller
from node.node import Node
from node.reports.positions import Wanted
from node.reports.valuation import At, By, Valuation
from protocol.limits import TOTAL_MAX

BelowZero = Annotated[int, Field(ge=-TOTAL_MAX, le=0)]


class ValuationAsked(ReportAsked):
    """Of what, in which rows, and at what."""

    by: Annotated[
        Literal["sku", "category", "location"],
        Field(description="What a row is of; of each currency in it there is one."),
    ] = "sku"
    at: Annotated[
        Literal["cost", "price"],
        Field(description="What a base unit counts. Costs are shown to the office's operators."),
    ] = "cost"
    location: Code | None = None
    sku: Code | None = None
    category: Category | None = None
    supplier: SupplierId | None = None
    unpriced: Annotated[
        Literal["true", "false"], Field(description="Only what nobody said the worth of.")
    ] = "false"


class ValuationRow(Shown):
    """What there is of something in one currency, and what it is worth; SKUs of which there is nothing are not in it."""

    sku: str | None
    name: str | None
    category: str | None
    location: str | None
    currency: str | None
    """Null for what nobody said the worth of: then every value is null, and not 0."""
    unit_value: int | None
    """Of one base unit of one SKU, in minor units; so are all values."""
    skus: Count
    quantity: Count
    """Base units at the locations that have any."""
    value: int | None
    below_zero: BelowZero
    """Base units at the locations that show less than nothing, which are not taken off the rest."""
    below_zero_value: int | None


class Unpriced(Shown):
    """What nobody said the worth of."""

    skus: Count
    quantity: Count
    below_zero: BelowZero
    names: list[str]
    """The first of these SKUs; `unpriced=true` lists them all."""


class ValuationTotals(Shown):
    """The same of all that was asked for."""

    at: Literal["cost", "price"]
    skus: Count
    quantity: Count
    below_zero: BelowZero
    values: list[Worth]
    """A sum for each currency."""
    below_zero_values: list[Worth]
    unpriced: Unpriced


ValuationReport = report_model(
    "ValuationReport", ValuationRow, ValuationTotals, "What the stock is worth."
)
_SHEET: Final = Sheet("valuation", ValuationRow)


async def show_valuation(
    node: Node, caller: Caller, request: web.Request, asked: ValuationAsked
) -> Annotated[web.Response, Reported(ValuationReport)]:
    """Report what the stock is worth.

    On hand times what a base unit costs today by the catalogue, or sells for with `at=price`. No currency is converted.
    What is in transit is not in it, nor what a lot was bought at.
    """
    wanted = Wanted(asked.location, asked.sku, asked.category, asked.supplier)
    only_unpriced = asked.unpriced == "true"
    report = Valuation(wanted, By(asked.by), At(asked.at), only_unpriced=only_unpriced)
    return await send(node, caller, request, asked, report, _SHEET)
