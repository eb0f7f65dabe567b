"""`/v1/lots/{sku}/{code}/...`: recalling a lot, answering a recall, and tracing where the lot went."""

from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import ConfigDict, Field, create_model

from node.api.answers import JSON_TYPE, answer
from node.api.document_models import models_of
from node.api.headers import IdempotencyKey
from node.api.models import Body
from node.api.queries import Address, Query
from node.api.shown import Count, Cursor, Day, Id, MovementShown, Shown, Time
from node.api.typed import Answers, Route
from node.api.values import Code, Limit, Reason
from node.api.values import Cursor as GivenCursor
from node.commands.depicting import tag_of
from node.commands.documents import Written
from node.commands.lots import Acknowledgement
from node.commands.requests import Caller
from node.node import Node
from node.recalls import TraceQuery
from protocol.access.table import action
from protocol.declarations.catalogue import LOTS
from protocol.ids import Location, Lot, Sku
from protocol.limits import DELTA_MAX, LIST_LIMIT_DEFAULT
from runtime.problems import Problem

_IN_ADDRESS = Annotated[Code, Field(description="As it is, percent-encoded.")]
_HEADERS: Final = {
    "ETag": "Names this state of the lot's document, for If-Match.",
    "Idempotency-Replayed": "`true` on a repeat: nothing was recorded now.",
}
_PROBLEMS: Final = ("forbidden", "too_large")


class LotAddress(Address):
    """The two codes in `/v1/lots/{sku}/{code}`."""

    sku: _IN_ADDRESS
    code: _IN_ADDRESS


class RecallBody(Body):
    """Why a lot is called back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Tablets of another strength in the blister"}]}
    )

    reason: Annotated[Reason, Field(min_length=1)]


class AcknowledgementBody(Body):
    """What a shop did about a recall."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"set_aside": 40}]})

    set_aside: Annotated[
        int, Field(ge=0, le=DELTA_MAX, description="Base units taken off the shelf.")
    ]
    location: Annotated[
        Code | None,
        Field(description="For which it is answered; left out where this node writes only one."),
    ] = None


class TraceAsked(Query):
    """Which page of the sales of a lot."""

    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: GivenCursor | None = None


class Acknowledged(Shown):
    """What a location answered to the recall that stands."""

    by: str
    at: Time
    set_aside: Count | None
    """Base units taken off the shelf."""


class HolderShown(Shown):
    """A location that has a lot, or once had some of it."""

    location: str
    on_hand: int
    reserved: int
    in_transit: int
    acknowledged: Acknowledged | None


class TakenShown(MovementShown):
    """A sale or a dispense of a lot, with its lines of that lot alone."""

    reversed_by: Id | None
    """The movement that took it back."""


LotActed: Final[Any] = create_model(
    "LotActed", __base__=models_of(LOTS).shown, __doc__="The lot as it is afterwards."
)


class Trace(Shown):
    """Where a lot is and was, and who got some of it."""

    sku: str
    code: str
    status: Literal["ok", "on_hold", "quarantined", "recalled"]
    expiry: Day | None
    note: str | None
    recalled_at: Time | None
    """When the recall that stands was made; null while none does."""
    locations: list[HolderShown]
    """By code; as far as this node reads."""
    unacknowledged: list[str]
    """Those of them that have not answered the recall."""
    movements_of: list[str]
    """The locations of which this node has the sales: ask another for the rest."""
    items: list[TakenShown]
    """Sales and dispenses of the lot, newest first."""
    next: Cursor | None


Acted = Annotated[web.Response, Answers(LotActed, headers=_HEADERS)]
Traced = Annotated[web.Response, Answers(Trace)]


async def recall(
    node: Node, caller: Caller, key: IdempotencyKey, address: LotAddress, body: RecallBody
) -> Acted:
    """Recall a lot.

    At the office alone, also a lot that nobody has described. Every shop refuses to sell it as soon as it has read this,
    and is listed as not having answered until it does. Changing `status` takes a recall back.
    """
    sku, lot = _codes(address)
    return _acted(await node.recalls.recall(caller, sku, lot, body.reason, key))


async def acknowledge(
    node: Node, caller: Caller, key: IdempotencyKey, address: LotAddress, body: AcknowledgementBody
) -> Acted:
    """Answer a recall.

    For a location that this node writes; the office may for any. A second answer takes the place of the first.
    """
    sku, lot = _codes(address)
    location = None if body.location is None else Location(body.location)
    given = Acknowledgement(location, body.set_aside)
    return _acted(await node.recalls.acknowledge(caller, sku, lot, given, key))


async def trace(node: Node, address: LotAddress, asked: TraceAsked) -> Traced:
    """Trace a lot.

    Every location that holds or held it, what each answered to its recall, and page by page every sale of it that this
    node knows: its own locations'.
    """
    sku, lot = _codes(address)
    found = await node.recalls.trace(TraceQuery(sku, lot, asked.limit, asked.cursor))
    if found is None:
        raise Problem("not_found", "Nobody has described or counted such a lot here.")
    return answer(found)


def lot_routes() -> tuple[Route, ...]:
    """The addresses under a lot."""
    under = "/v1/lots/{sku}/{code}"
    return (
        Route("POST", f"{under}/recall", recall, _PROBLEMS, action("lots.recall")),
        Route(
            "POST",
            f"{under}/acknowledge",
            acknowledge,
            (*_PROBLEMS, "not_found", "conflict"),
            action("lots.acknowledge"),
        ),
        Route("GET", f"{under}/trace", trace, ("not_found",), action("movements.read")),
    )


def _codes(address: LotAddress) -> tuple[Sku, Lot]:
    return Sku(address.sku), Lot(address.code)


def _acted(written: Written) -> web.Response:
    headers = {"ETag": tag_of(written.body)}
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(
        status=written.status, body=written.body, content_type=JSON_TYPE, headers=headers
    )
