"""`/v1/stock`: what is on the shelves that this node may see, its own and the neighbours'."""

from aiohttp import web

from node.api.answers import answer, answer_page
from node.api.context import NODE
from node.api.queries import StockAsked, StockRowAsked, parameters, refuse_parameters
from node.replica.stock import StockQuery
from runtime.problems import Problem


async def show_list(request: web.Request) -> web.Response:
    """`GET /v1/stock`."""
    asked = parameters(request, StockAsked)
    if asked.below_minimum == "true" or asked.expiring_within_days is not None:
        # No row has a minimum or an expiry before there is a catalogue: the true answer is none.
        return answer_page([], None)
    query = StockQuery(
        location=asked.location, sku=asked.sku, q=asked.q, limit=asked.limit, cursor=asked.cursor
    )
    return answer_page(*await request.app[NODE].stock(query))


async def show(request: web.Request) -> web.Response:
    """`GET /v1/stock/{location}/{sku}`: one row with its lots."""
    refuse_parameters(request)
    asked = StockRowAsked.model_validate(dict(request.match_info))
    row = await request.app[NODE].stock_row(asked.location, asked.sku)
    if row is None:
        raise Problem("not_found", "Neither this location nor this SKU is known here.")
    return answer(row)
