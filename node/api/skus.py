"""`/v1/skus`: what it has beside the addresses of every collection: search, scans, placeholders, linking a barcode.

Rule: what is asked for as of any collection is answered by what answers for all of them; only what is the catalogue's own
is here.
"""

from typing import Annotated, Any, Final, Literal, Self

from aiohttp import web
from pydantic import ConfigDict, Field, WithJsonSchema, create_model, model_validator
from pydantic_core import PydanticCustomError

from node.api.answers import JSON_TYPE
from node.api.document_models import TIME_SCHEMA, models_of
from node.api.documents import list_handler
from node.api.headers import IdempotencyKey
from node.api.models import Body
from node.api.queries import Address
from node.api.shown import Count, Day, Shown
from node.api.typed import Answers, Route
from node.api.values import Code, Name, Reference, Scan
from node.commands.depicting import tag_of
from node.commands.linking import Link
from node.commands.requests import Caller
from node.node import Node
from protocol.access.table import action
from protocol.barcodes import Fault, Form
from protocol.declarations.catalogue import SKUS
from protocol.declarations.kinds import nullable
from runtime.problems import Problem

_MODELS: Final = models_of(SKUS)
_list_by_id: Final = list_handler(SKUS, _MODELS)
_TAG: Final = {"ETag": "Names this state of the document, for If-Match."}
_RECORDED: Final = {
    **_TAG,
    "Idempotency-Replayed": "`true` on a repeat: nothing was recorded now.",
}
_ARCHIVED: Final = {"true": True, "false": False, "any": None, None: False}


class SkusAsked(_MODELS.listed):  # type: ignore[name-defined, misc] # it is made of the declaration
    """Which SKUs to list; what is not given does not restrict."""

    q: Annotated[
        Reference | None,
        Field(
            description="Words of a code, name, category, strength or barcode, or what they begin with: the best first. "
            "Case and diacritics make no difference."
        ),
    ] = None
    barcode: Annotated[
        Scan | None,
        Field(
            description="A scan: an EAN, UPC or GTIN of any length, a code of the shop's own, or a GS1 element string."
        ),
    ] = None
    unconfirmed: Annotated[
        Literal["true", "false"],
        Field(
            description="Only with a barcode that a shop linked and the office has not confirmed."
        ),
    ] = "false"

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        ways = [name for name in ("q", "barcode") if getattr(self, name) is not None]
        ways += ["unconfirmed"] if self.unconfirmed == "true" else []
        others = [
            name
            for name in ("changed_since", *SKUS.filters, *([] if ways == ["q"] else ["archived"]))
            if getattr(self, name) is not None
        ]
        if ways and (len(ways) > 1 or others):
            named = " and ".join([*ways, *others])
            raise PydanticCustomError("ways", "{named} are not asked together", {"named": named})
        return self


class ScanChoice(Shown):
    """A SKU that a scan may mean."""

    sku: str
    pack: str | None
    """What the barcode is on; null for the base unit."""
    units: Count | None
    """Base units that one scan stands for; null where nobody has described the pack."""
    replaces: str | None
    """The SKU that the barcode is on, where it was replaced by this one."""


class ScanShown(Shown):
    """What a scan says; what the code does not say is null."""

    form: Form
    text: str
    """What to store it as."""
    gtin: str | None
    """14 digits."""
    lot: str | None
    serial: str | None
    expiry: Day | None
    best_before: Day | None
    quantity: Count | None
    """How many of the article are in what was scanned."""
    weight_g: Count | None
    sscc: str | None
    fault: Fault | None
    """What is wrong with the code."""
    choices: list[ScanChoice]
    """One where it is clear, several where somebody must choose, none for an unknown one."""


_FOUND: Final[dict[str, Any]] = {
    "scanned": (
        Annotated[ScanShown | None, Field(description="Only where `barcode` was asked for.")],
        None,
    )
}
SkuPage: Final[Any] = create_model("SkuPage", __base__=_MODELS.page, __doc__="Some SKUs.", **_FOUND)
_ONE: Final[dict[str, Any]] = {
    "updated_at": (Annotated[Any, WithJsonSchema(nullable(TIME_SCHEMA))], ...),
    "placeholder": (
        Annotated[
            Literal[True] | None,
            Field(description="Only where nobody has described it: stock is all that knows it."),
        ],
        None,
    ),
}
SkuOne: Final[Any] = create_model("SkuOne", __base__=_MODELS.shown, __doc__=SKUS.meaning, **_ONE)


class SkuAddress(Address):
    """The code in `/v1/skus/{code}`."""

    code: Annotated[Code, Field(description="As it is, percent-encoded.")]


class LinkBody(Body):
    """A barcode that came up on a SKU."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"barcode": "5901234123457", "pack": "box of 20"}]}
    )

    barcode: Annotated[
        Scan, Field(description="As it was scanned; of a GS1 code its article is linked.")
    ]
    pack: Annotated[
        Name | None, Field(description="The pack that it is on; null for the base unit.")
    ] = None


List = Annotated[web.Response, Answers(SkuPage)]
One = Annotated[web.Response, Answers(SkuOne, headers=_TAG)]
Linked = Annotated[web.Response, Answers(_MODELS.shown, headers=_RECORDED)]


async def show_list(node: Node, caller: Caller, asked: SkusAsked) -> List:
    """List SKUs, search them, or find those of a scan.

    By id, or with `changed_since` those that changed here since, oldest change first; a page may then have fewer than
    `limit` and yet a `next`. With `q` the best first. With `barcode` those that it is on, a replaced one's place taken by
    the one in use, and in `scanned` what else the code says.
    """
    if asked.barcode is not None:
        body = await node.scanning.scan(caller, asked.barcode)
    elif asked.q is not None:
        archived = _ARCHIVED[asked.archived]
        body = await node.scanning.search(
            caller, asked.q, archived=archived, limit=asked.limit, cursor=asked.cursor
        )
    elif asked.unconfirmed == "true":
        body = await node.scanning.to_confirm(caller, limit=asked.limit, cursor=asked.cursor)
    else:
        listed: web.Response = await _list_by_id(node, caller, asked)
        return listed
    return web.Response(body=body, content_type=JSON_TYPE)


async def show(node: Node, caller: Caller, address: SkuAddress) -> One:
    """Show one SKU, also an archived one.

    One that was counted and that nobody has described yet has a `placeholder`.
    """
    body = await node.scanning.one(caller, address.code)
    if body is None:
        raise Problem("not_found", "There is no such SKU here.")
    return web.Response(body=body, content_type=JSON_TYPE, headers={"ETag": tag_of(body)})


async def link(
    node: Node, caller: Caller, key: IdempotencyKey, address: SkuAddress, body: LinkBody
) -> Linked:
    """Link a barcode to a SKU.

    On the spot and offline, by tills too; it counts at once. Until the office confirms it, by linking it as well or by
    taking it out of `unconfirmed_barcodes`, it is listed with `?unconfirmed=true`. What the office has linked stays.
    """
    asked = Link(body.barcode, body.pack)
    written = await node.scanning.link(caller, address.code, asked, key)
    headers = {"ETag": tag_of(written.body)}
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(
        status=written.status, body=written.body, content_type=JSON_TYPE, headers=headers
    )


def sku_routes() -> tuple[Route, ...]:
    """What takes the place of the collection's own addresses, and the one beside them."""
    problems = ("forbidden", "not_found", "conflict", "too_large")
    return (
        Route("GET", "/v1/skus", show_list, action=action("skus.read"), is_narrowed=True),
        Route("GET", "/v1/skus/{code}", show, ("not_found",), action("skus.read")),
        Route("POST", "/v1/skus/{code}/barcodes", link, problems, action("skus.link")),
    )
