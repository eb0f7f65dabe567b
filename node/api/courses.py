"""From what is sent to an order or a transfer to what its command takes, and from what that answers to an answer.

Rule: the tag of an answer is that of the document as `GET` shows it: the warnings are of the act and in no tag.
"""

from collections.abc import Sequence
from typing import Final

import orjson
from aiohttp import web

from node.api.answers import JSON_TYPE, to_json
from node.api.course_models import (
    AcknowledgedBody,
    AskedBody,
    FulfilledBody,
    GoodsBody,
    PlanBody,
    ReceivedBody,
    ReversedBody,
    TakenBody,
)
from node.api.goods_lines import DeliveredLine, GoodsLine, PlanLine
from node.api.models import Body
from node.commands.courses import Goods, Request
from node.commands.depicting import tag_of
from node.commands.documents import Written
from protocol.ids import NO_LOT, Lot, Sku
from protocol.workflows.progress import LineKey
from runtime.problems import Problem

PROBLEMS: Final = (
    "forbidden",
    "not_found",
    "conflict",
    "too_large",
    "insufficient_stock",
    "lot_not_usable",
    "witness_required",
    "unknown_barcode",
    "ambiguous_barcode",
    "unavailable",
)
"""What a verb that moves goods may answer beside what every address may."""
RECORDED: Final = {
    "ETag": "Names this state of the document, for If-Match.",
    "Idempotency-Replayed": "`true` on a repeat: nothing was recorded now.",
}


def request_of(verb: str, body: Body) -> Request:
    """Translate what was sent under a verb.

    Raises: Problem `validation_failed` for an override without a reason.
    """
    match body:
        case ReceivedBody():
            damaged = tuple(map(_goods, body.damaged))
            return Request(verb, _lines(body.lines), damaged, parcel=body.parcel or "")
        case TakenBody():
            lines, parcel, override = _lines(body.lines), body.parcel or "", _override(body)
            return Request(verb, lines, parcel=parcel, override=override, witness=body.witness)
        case GoodsBody():
            return Request(verb, _lines(body.lines), parcel=body.parcel or "")
        case FulfilledBody():
            parcel, event, override = body.parcel or "", body.transfer or "", _override(body)
            lines = _lines(body.lines)
            return Request(
                verb,
                lines,
                parcel=parcel,
                event=event.lower(),
                override=override,
                witness=body.witness,
            )
        case PlanBody():
            return Request(verb, plan=tuple(map(_planned, body.lines)))
        case ReversedBody():
            return Request(verb, event=body.event)
        case AskedBody():
            return Request(verb, who=body.who, until_ms=body.acknowledge_by)
        case AcknowledgedBody():
            return Request(verb, who=body.who)
        case _:
            return Request(verb)


def answer_acted(written: Written) -> web.Response:
    """The document as it is afterwards, as the bytes that were first answered."""
    shown = orjson.loads(written.body)
    del shown["warnings"]
    headers = {"ETag": tag_of(to_json(shown))}
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(
        status=written.status, body=written.body, content_type=JSON_TYPE, headers=headers
    )


def _override(body: TakenBody | FulfilledBody) -> str | None:
    if not body.override_lot:
        return None
    if reason := (body.reason or "").strip():
        return reason
    fault = {"loc": ["reason"], "msg": "is required to override a lot", "type": "missing"}
    raise Problem("validation_failed", "A lot is overridden for a reason.", errors=[fault])


def _lines(lines: Sequence[GoodsLine] | None) -> tuple[Goods, ...] | None:
    return None if lines is None else tuple(map(_goods, lines))


def _goods(line: GoodsLine) -> Goods:
    facts: dict[str, object] = {}
    if isinstance(line, DeliveredLine):
        cost, expiry = line.unit_cost, line.expiry
        facts |= {} if cost is None else {"unit_cost": cost.model_dump()}
        facts |= {} if expiry is None else {"expiry": expiry}
    planned = None if line.planned_lot is None else Lot(line.planned_lot)
    sku, lot = Sku(line.sku or ""), Lot(line.lot or NO_LOT)
    return Goods(sku, line.units, lot, planned, facts, line.said)


def _planned(line: PlanLine) -> tuple[LineKey, int] | Goods:
    sku, lot = Sku(line.sku or ""), Lot(line.lot or NO_LOT)
    if line.said is not None:
        return Goods(sku, line.units, lot, said=line.said)
    assert line.quantity is not None, "a line without packs has one"
    return LineKey(sku, lot), line.quantity
