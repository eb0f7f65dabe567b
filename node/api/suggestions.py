"""`/v1/orders/suggested`: what a location should order of whom, and drafts of it in one call.

Rule: the same function works out what is shown and what is drafted.
"""

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import ConfigDict, Field, create_model

from node.api.answers import JSON_TYPE, answer
from node.api.document_models import models_of
from node.api.headers import IdempotencyKey
from node.api.models import Body
from node.api.queries import Query
from node.api.shown import MadeShown, Shown
from node.api.typed import Answers, Route
from node.api.values import DAYS_MAX, Code, Days, Limit
from node.commands.requests import Caller
from node.commands.suggesting import Suggested, Wanted
from node.node import Node
from protocol.access.table import action
from protocol.declarations.paperwork import ORDERS
from protocol.limits import LIST_LIMIT_MAX

LEAD_DAYS: Final = 7
USED_DAYS: Final = 28
LEAD: Final = "Until goods ordered today can be sold."
USED: Final = "Over how many days what was sold and dispensed is counted; at least 1."


class SuggestedAsked(Query):
    """Of which location."""

    location: Code
    lead_days: Annotated[Days, Field(description=LEAD)] = LEAD_DAYS
    used_days: Annotated[Limit, Field(description=USED)] = USED_DAYS


class SuggestedBody(Body):
    """For which location."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"location": "S01"}]})

    location: Code
    lead_days: Annotated[int, Field(ge=0, le=DAYS_MAX, description=LEAD)] = LEAD_DAYS
    used_days: Annotated[int, Field(ge=1, le=LIST_LIMIT_MAX, description=USED)] = USED_DAYS


class SuggestedLine(Shown):
    """One line of an order to draft."""

    sku: str
    quantity: Annotated[int, Field(ge=1)]
    """Base units."""
    pack: str | None
    """What it is ordered in; null where it comes loose."""
    packs: Annotated[int, Field(ge=1)]
    """How many of it."""


class SuggestedOrder(Shown):
    """One order to draft."""

    supplier: str | None
    """Null for SKUs that nobody is said to deliver."""
    lines: list[SuggestedLine]


class SuggestedOrders(Shown):
    """What a location should order."""

    items: list[SuggestedOrder]


def _drafted() -> type[Shown]:
    one = create_model("OrderDrafted", __base__=models_of(ORDERS).shown)
    fields: dict[str, Any] = {"orders": (list[one], ...)}
    told = (
        "What was drafted, as each order is shown; the same bytes for every repeat of its request."
    )
    return create_model("DraftedOrders", __base__=MadeShown, __doc__=told, **fields)


DraftedOrders = _drafted()


async def show_suggested(
    node: Node, _caller: Caller, asked: SuggestedAsked
) -> Annotated[web.Response, Answers(SuggestedOrders)]:
    """Suggest what a location should order, by supplier.

    Of each SKU that has a level there and is below its minimum, or will be before goods ordered today can be sold: what
    brings it back, at least its reorder quantity, in whole packs. What is on its way or on an order counts.
    """
    wanted = Wanted(asked.location, asked.lead_days, asked.used_days)
    found = await node.workflows.suggested_orders(wanted)
    return answer({"items": [_order(one) for one in found]})


async def draft_suggested(
    node: Node, caller: Caller, key: IdempotencyKey, body: SuggestedBody
) -> Annotated[
    web.Response,
    Answers(
        DraftedOrders,
        status=201,
        headers={"Idempotency-Replayed": "`true` on a repeat: nothing was recorded now."},
    ),
]:
    """Draft the orders that are suggested for a location.

    At most 20; what is left is suggested again.
    """
    wanted = Wanted(body.location, body.lead_days, body.used_days)
    written = await node.workflows.draft_suggested(caller, wanted, key)
    headers = {"Idempotency-Replayed": "true"} if written.replayed else {}
    return web.Response(
        status=written.status, body=written.body, content_type=JSON_TYPE, headers=headers
    )


def _order(one: Suggested) -> dict[str, Any]:
    lines = [
        {
            "sku": line.sku,
            "quantity": line.quantity,
            "pack": one.packs[line.sku].name,
            "packs": line.packs,
        }
        for line in one.lines
    ]
    return {"supplier": one.supplier, "lines": lines}


SUGGESTION_ROUTES: Final = (
    Route(
        "GET", "/v1/orders/suggested", show_suggested, action=action("orders.read"), tag="orders"
    ),
    Route(
        "POST",
        "/v1/orders/suggested",
        draft_suggested,
        ("forbidden", "too_large"),
        action("orders.create"),
        tag="orders",
    ),
)
