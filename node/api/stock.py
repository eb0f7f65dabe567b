"""`/v1/stock`: what is on the shelves that this node may see, its own and the neighbours'."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from aiohttp import web

from node.api.answers import answer, answer_page
from node.api.queries import StockAddress, StockAsked
from node.api.shown import StockPage, StockRowWithLots
from node.api.typed import Answers
from node.node import Node
from node.replica.stock import StockQuery
from runtime.problems import Problem

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)

Page = Annotated[web.Response, Answers(StockPage)]
Row = Annotated[web.Response, Answers(StockRowWithLots)]


async def show_list(node: Node, asked: StockAsked) -> Page:
    """List stock by location and SKU.

    Every location in this node's scope is there: a shop sees the neighbour's shelf. A page that is searched for what is
    low or expires may have fewer rows than `limit` and yet a `next`. Lots that have expired are among those that expire.
    """
    query = StockQuery(
        location=asked.location,
        sku=asked.sku,
        q=asked.q,
        below_minimum=asked.below_minimum == "true",
        expiring_by=_day(node.documents.now_ms(), asked.expiring_within_days),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return answer_page(*await node.reading.stock(query))


def _day(now_ms: int, within_days: int | None) -> str | None:
    """The last of so many days from now, in UTC: a lot's last day is the same everywhere."""
    if within_days is None:
        return None
    today = (_FIRST + timedelta(milliseconds=now_ms)).date()
    return (today + min(timedelta(days=within_days), date.max - today)).isoformat()


async def show(node: Node, address: StockAddress) -> Row:
    """Show one SKU at one location, with its lots.

    A pair that nobody ever touched has zeros, if either is known.
    """
    row = await node.reading.stock_row(address.location, address.sku)
    if row is None:
        raise Problem("not_found", "Neither this location nor this SKU is known here.")
    return answer(row)
