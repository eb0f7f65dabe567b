"""What the verbs under an order and a transfer take and answer.

Invariant: as everywhere, what is sent is strict and closed, and what is shown is described and never run over an answer.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, create_model

from node.api.document_models import models_of
from node.api.goods_lines import TEA, DeliveredLine, GoodsLine, PlanLine
from node.api.models import Body
from node.api.queries import Address
from node.api.shown import Notice, Shown
from node.api.values import Code, Instant, Name, Reason
from protocol.declarations.paperwork import ORDERS, TRANSFERS
from protocol.limits import DOCUMENT_EVENT_ITEMS_MAX, DOCUMENT_LINES_MAX

_Id = Annotated[
    str, AfterValidator(str.lower), WithJsonSchema({"type": "string", "format": "uuid"})
]
_TransferId = Annotated[
    str,
    Field(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
]
_ParcelNumber = Annotated[
    Code | None,
    Field(
        description="The number on the parcel, where it has one: each of its items then counts once, whoever scans it "
        "and however often."
    ),
]


class CourseAddress(Address):
    """The id in `/v1/transfers/{id}/...` and `/v1/orders/{id}/...`."""

    id: _Id


def _example(*examples: dict[str, Any], **more: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples), **more})


_Lines = Annotated[
    list[GoodsLine] | None,
    Field(max_length=DOCUMENT_EVENT_ITEMS_MAX, description="Not given: all that is left."),
]
_Delivered = Annotated[
    list[DeliveredLine] | None,
    Field(max_length=DOCUMENT_EVENT_ITEMS_MAX, description="Not given: all that is left."),
]


class GoodsBody(Body):
    """Which goods."""

    model_config = _example({"lines": [TEA]}, {"lines": [TEA], "parcel": "P-4711"}, {})

    lines: _Lines = None
    parcel: _ParcelNumber = None


_OVERRIDE: Final[dict[str, Any]] = {
    "if": {"properties": {"override_lot": {"const": True}}, "required": ["override_lot"]},
    "then": {
        "properties": {"reason": {"type": "string", "pattern": r"\S"}},
        "required": ["reason"],
    },
}
_Override = Annotated[
    bool,
    Field(
        description="Let lots go all the same that have expired, or are held, quarantined or recalled. The operator "
        "alone, with a reason; each such line keeps why."
    ),
]
_OverrideReason = Annotated[Reason | None, Field(description="Why a lot is overridden.")]
_Witness = Annotated[
    Name | None,
    Field(
        description="The second person who saw it. Without one, who is not the one who records it, nothing goes to a "
        "customer of a SKU whose catalogue entry says `witness`."
    ),
]


class TakenBody(GoodsBody):
    """Which goods leave the shelf."""

    model_config = _example({"lines": [TEA]}, {}, allOf=[_OVERRIDE])

    override_lot: _Override = False
    reason: _OverrideReason = None
    witness: _Witness = None


class ReceivedBody(GoodsBody):
    """Which goods arrived whole, and which are damaged: those are written off."""

    model_config = _example({"lines": [TEA], "damaged": [{**TEA, "quantity": 3}]}, {})

    damaged: Annotated[list[GoodsLine], Field(max_length=DOCUMENT_EVENT_ITEMS_MAX)] = Field(
        default_factory=list
    )


class FulfilledBody(Body):
    """Which goods came or went out."""

    model_config = _example(
        {
            "lines": [
                {
                    **TEA,
                    "unit_cost": {"amount": 255, "currency": "GBP"},
                    "expiry": "2027-06-30",
                }
            ]
        },
        {},
        allOf=[_OVERRIDE],
    )

    lines: _Delivered = None
    parcel: _ParcelNumber = None
    transfer: Annotated[
        _TransferId | None,
        Field(
            description="Of an internal order: the transfer that delivered; told twice it counts once."
        ),
    ] = None
    override_lot: _Override = False
    reason: _OverrideReason = None
    witness: _Witness = None


class PlanBody(Body):
    """Lines to add or change; those that are not named stay as they are."""

    model_config = _example({"lines": [TEA]})

    lines: Annotated[list[PlanLine], Field(min_length=1, max_length=DOCUMENT_LINES_MAX)]


class ReversedBody(Body):
    """Which goods to take back: the `event` that the document shows, or the id of its movement."""

    model_config = _example({"event": "0f8fad5b-d9cb-469f-a165-70867728950e"})

    event: Name


class AskedBody(Body):
    """By when somebody has to say that it was seen; nobody has to if it is not given."""

    model_config = _example({"acknowledge_by": "2026-12-01T12:00:00Z"}, {})

    acknowledge_by: Instant | None = None
    who: Annotated[
        Code | None,
        Field(description="Not given: `supplier`, `customer`, or the location that is to deliver."),
    ] = None


class AcknowledgedBody(Body):
    """Who has seen it."""

    model_config = _example({"who": "supplier"}, {})

    who: Annotated[
        Code | None,
        Field(description="Not given: `supplier`, `customer`, or the location that is to deliver."),
    ] = None


def _acted(name: str, shown: type[Shown], meaning: str) -> type[Shown]:
    fields: dict[str, Any] = {"warnings": (list[Notice], ...)}
    return create_model(name, __base__=shown, __doc__=meaning, **fields)


_AS_ANSWERED: Final = "as it is afterwards; the same bytes for every repeat of its request."
TransferActed = _acted("TransferActed", models_of(TRANSFERS).shown, f"The transfer {_AS_ANSWERED}")
OrderActed = _acted("OrderActed", models_of(ORDERS).shown, f"The order {_AS_ANSWERED}")
