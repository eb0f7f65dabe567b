"""`/v1/exceptions`: what people have to look at, what to do about each, and what they said became of it.

Rule: nothing is put on the list or taken off it here. It follows from what this node shows; to resolve one is to say so, with
a name and a note, which stay at `/v1/resolutions`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from aiohttp import web
from pydantic import ConfigDict, Field, WithJsonSchema

from node.api.answers import JSON_TYPE, answer, answer_page
from node.api.headers import IdempotencyKey
from node.api.models import Body
from node.api.queries import Address, Query
from node.api.shown import Cursor, Id, Shown, Time
from node.api.typed import Answers, Route
from node.api.values import Code, Limit, Note
from node.api.values import Cursor as CursorText
from node.commands.requests import Caller
from node.commands.rights import sees
from node.exceptions.listed import ExceptionQuery
from node.node import Node
from protocol.access.table import action
from protocol.findings.finding import Code as FindingCode
from protocol.limits import LIST_LIMIT_DEFAULT
from runtime.problems import Problem

_READ: Final = action("exceptions.read")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION: Final = "^[0-9a-f]{16}$"
_REPLAYED: Final = {"Idempotency-Replayed": "`true` on a repeat: nothing was recorded now."}
_HERE: Final = "There is no such exception here."
State = Literal["open", "resolved", "mended"]
ExceptionCode: TypeAlias = Literal[tuple(code.value for code in FindingCode)]  # type: ignore[valid-type] # its own words


class ExceptionsAsked(Query):
    """Which exceptions to list; what is not given does not restrict."""

    state: Annotated[
        State | None,
        Field(description="`mended` ended by itself, because what was shown is no longer so."),
    ] = None
    code: ExceptionCode | None = None
    location: Annotated[
        Code | None, Field(description="Either end of what is about two locations.")
    ] = None
    sku: Code | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: CursorText | None = None


class ExceptionAddress(Address):
    """The id in `/v1/exceptions/{id}`. What is no id names no exception."""

    id: Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


class ResolutionBody(Body):
    """What became of an exception."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"note": "Counted again: they had fallen behind the rack."}]
        }
    )

    note: Annotated[Note, Field(min_length=1)]
    version: Annotated[
        str | None,
        Field(
            pattern=_VERSION,
            description="The version that was looked at: of another one nothing is said, and it is a conflict.",
        ),
    ] = None


class Said(Shown):
    """What a person said of an exception."""

    by: str
    """Whose token it was."""
    node: str
    at: Time
    note: str
    version: str
    """Of which version it was said."""
    sentence: str
    """What the exception said then."""


class ExceptionShown(Shown):
    """Something that a person has to look at."""

    id: Id
    """Of what it is about: the same at every node, and each time that it is so again."""
    code: ExceptionCode
    state: State
    """Resolved while somebody said so of this very version."""
    version: Annotated[str, Field(pattern=_VERSION)]
    """Names what was found: another quantity is another version, and open again."""
    matter: str | None
    """Of a difference what differs, as the document's `differences` say; of a barcode the barcode."""
    location: str | None
    """Null for the whole chain."""
    other_location: str | None
    """Of a transfer or an internal order, its other end."""
    sku: str | None
    lot: str | None
    collection: str | None
    """Of the document that it is about, which is at `/v1/{collection}/{document}`."""
    document: str | None
    operation: Id | None
    quantity: int | None
    """Base units, where it is about a quantity."""
    sentence: str
    """What was found, for a person."""
    what_to_do: str
    """What mends it, for a person."""
    since: Time
    """When this node noticed it."""
    mended_at: Time | None
    """When this node noticed that it is no longer so."""
    resolutions: list[Said]
    """Of all its versions, oldest first."""


class ExceptionPage(Shown):
    """Exceptions, noticed last first."""

    items: list[ExceptionShown]
    next: Cursor | None


Page = Annotated[web.Response, Answers(ExceptionPage)]
One = Annotated[web.Response, Answers(ExceptionShown)]
Resolved = Annotated[web.Response, Answers(ExceptionShown, headers=_REPLAYED)]


async def show_list(node: Node, asked: ExceptionsAsked) -> Page:
    """List what people have to look at.

    A shop lists what is about its own locations and about the whole chain, the office everything. An exception is noticed
    within a second or two of what it is about, and ends by itself once that is mended.
    """
    query = ExceptionQuery(
        asked.state,
        None if asked.code is None else FindingCode(asked.code),
        asked.location,
        asked.sku,
        asked.limit,
        asked.cursor,
    )
    return answer_page(*await node.exceptions.page(query))


async def show(node: Node, caller: Caller, address: ExceptionAddress) -> One:
    """Show one exception, also one that was mended."""
    found = await node.exceptions.one(_id(address))
    if found is None or not sees(caller, _READ, _of(found)):
        raise Problem("not_found", _HERE)
    return answer(found)


async def resolve(
    node: Node,
    caller: Caller,
    key: IdempotencyKey,
    address: ExceptionAddress,
    body: ResolutionBody,
) -> Resolved:
    """Say what became of an exception.

    Who, when and of what stays at every node that lists it, also what was said before. It is open again once something else
    is found: another quantity, another day. For an operator at a node that writes its location, or at the office.
    """
    written = await node.exceptions.resolve(caller, _id(address), body.note, body.version, key)
    headers = {"Idempotency-Replayed": "true"} if written.replayed else {}
    return web.Response(body=written.body, content_type=JSON_TYPE, headers=headers)


EXCEPTION_ROUTES: Final = (
    Route("GET", "/v1/exceptions", show_list, action=action("exceptions.read")),
    Route("GET", "/v1/exceptions/{id}", show, ("not_found",), action("exceptions.read")),
    Route(
        "POST",
        "/v1/exceptions/{id}/resolve",
        resolve,
        ("forbidden", "not_found", "conflict", "too_large"),
        action("exceptions.resolve"),
    ),
)


def _of(shown: Mapping[str, object]) -> frozenset[str]:
    named = (shown["location"], shown["other_location"])
    return frozenset(str(place) for place in named if place is not None)


def _id(address: ExceptionAddress) -> str:
    text = address.id.lower()
    if _ID.fullmatch(text) is None:
        raise Problem("not_found", _HERE)
    return text
