"""`/v1/stock`: what is on the shelves that this node may see, its own and the neighbours'."""

from typing import Annotated

from aiohttp import web

from node.api.answers import answer, answer_page
from node.api.queries import StockAddress, StockAsked
from node.api.shown import StockPage, StockRowWithLots
from node.api.typed import Answers
from node.node import Node
from node.replica.stock import StockQuery
from runtime.problems import Problem

Page = Annotated[web.Response, Answers(StockPage)]
Row = Annotated[web.Response, Answers(StockRowWithLots)]


async def show_list(node: Node, asked: StockAsked) -> Page:
    """List stock by location and SKU.

    Every location in this node's scope is there: a shop sees the neighbour's shelf.
    """
    if asked.below_minimum == "true" or asked.expiring_within_days is not None:
        # No row has a minimum or an expiry before there is a catalogue: the true answer is none.
        return answer_page([], None)
    query = StockQuery(
        location=asked.location, sku=asked.sku, q=asked.q, limit=asked.limit, cursor=asked.cursor
    )
    return answer_page(*await node.reading.stock(query))


async def show(node: Node, address: StockAddress) -> Row:
    """Show one SKU at one location, with its lots.

    A pair that nobody ever touched has zeros, if either is known.
    """
    row = await node.reading.stock_row(address.location, address.sku)
    if row is None:
        raise Problem("not_found", "Neither this location nor this SKU is known here.")
    return answer(row)
