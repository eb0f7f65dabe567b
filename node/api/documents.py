"""`/v1/skus`, `/v1/locations` and every other declared collection: the same five addresses for each.

Rule: a handler knows no collection. What it takes and answers are the models made of the declaration, so that a new
collection is served, described and tested without a line here.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import quote

from aiohttp import web

from node.api.answers import JSON_TYPE
from node.api.document_models import (
    DocumentModels,
    Listed,
    address_names,
    filters_of,
    given,
    models_of,
)
from node.api.document_rows import row_route
from node.api.headers import IdempotencyKey, IfMatch
from node.api.models import Body
from node.api.queries import Address
from node.api.typed import Answers, Route
from node.commands.depicting import tag_of
from node.commands.documents import Written
from node.commands.requests import Caller
from node.live.events import since_of
from node.node import Node
from node.replica.documents import DocumentQuery
from protocol.access.table import action
from protocol.declarations import COLLECTIONS
from protocol.declarations.naming import codes_of, id_of
from protocol.declarations.vocabulary import Collection
from runtime.problems import Problem

_TAG: Final = {"ETag": "Names this state of the document, for If-Match."}
_RECORDED: Final = {
    **_TAG,
    "Idempotency-Replayed": "`true` on a repeat: nothing was recorded now.",
}
_MAKING: Final = ("forbidden", "conflict", "too_large")
_EDITING: Final = (*_MAKING, "not_found", "precondition_failed")
_VERBS: Final = {"GET": "read", "POST": "create", "PATCH": "change", "DELETE": "change"}
_OF_SCANS: Final = ("unknown_barcode", "ambiguous_barcode", "unavailable")


def document_routes() -> tuple[Route, ...]:
    """The addresses of every collection."""
    return tuple(
        route
        for one in COLLECTIONS.values()
        for route in _routes(one)
        if route.method == "GET" or not one.by_acts_alone
    )


def _routes(collection: Collection) -> tuple[Route, ...]:
    models = models_of(collection)
    every = f"/v1/{collection.name}"
    one = "/".join([every, *(f"{{{name}}}" for name in address_names(collection))])

    scans = _OF_SCANS if any(entries.scanned for entries in collection.entries) else ()

    def route(method: str, path: str, handler: Any, *problems: str) -> Route:
        right = action(f"{collection.name}.{_VERBS[method]}")
        return Route(method, path, handler, problems, right, is_narrowed=True, tag=collection.name)

    return (
        route("GET", every, list_handler(collection, models)),
        route("POST", every, _create(collection, models), *_MAKING, *scans),
        row_route(collection, models),
        route("GET", one, _show(collection, models), "not_found"),
        route("PATCH", one, _change(collection, models), *_EDITING, *scans),
        route("DELETE", one, _archive(collection, models), *_EDITING),
    )


def list_handler(collection: Collection, models: DocumentModels) -> Callable[..., Any]:
    """What lists a collection by id, or by what changed."""

    async def show_list(node: Node, caller: Caller, asked: Listed) -> web.Response:
        since = None if asked.changed_since is None else since_of(asked.changed_since)
        archived = {"true": True, "false": False, "any": None}[
            asked.archived or ("false" if since is None else "any")
        ]
        query = DocumentQuery(
            collection,
            filters_of(collection, asked),
            archived,
            None if since is None else (since.life, since.n),
            asked.limit,
            asked.cursor,
        )
        page = await node.documents.page(caller, query)
        return web.Response(body=page, content_type=JSON_TYPE)

    return _typed(
        show_list,
        f"""List {collection.name}.

        By id, or with `changed_since` those that changed here since, oldest change first. A page may have fewer than
        `limit` and yet a `next`.
        """,
        asked=models.listed,
        answers=Answers(models.page),
    )


def _create(collection: Collection, models: DocumentModels) -> Callable[..., Any]:
    async def create(node: Node, caller: Caller, key: IdempotencyKey, body: Body) -> web.Response:
        return _recorded(
            collection, await node.documents.create(caller, collection, given(body), key)
        )

    return _typed(
        create,
        f"""Create a {collection.one}.

        {collection.meaning} Who may: {collection.writers.value}.
        """,
        body=models.created,
        answers=Answers(
            models.shown,
            status=201,
            headers={"Location": "The document's address.", **_RECORDED},
        ),
    )


def _show(collection: Collection, models: DocumentModels) -> Callable[..., Any]:
    async def show(node: Node, caller: Caller, address: Address) -> web.Response:
        body = await node.documents.one(caller, collection, _id(collection, address))
        if body is None:
            raise Problem("not_found", f"There is no such {collection.one} here.")
        headers = {"ETag": tag_of(body)}
        return web.Response(body=body, content_type=JSON_TYPE, headers=headers)

    return _typed(
        show,
        f"Show one {collection.one}, also an archived one.",
        address=models.address,
        answers=Answers(models.shown, headers=_TAG),
    )


def _change(collection: Collection, models: DocumentModels) -> Callable[..., Any]:
    async def change(
        node: Node,
        caller: Caller,
        key: IdempotencyKey,
        if_match: IfMatch,
        address: Address,
        body: Body,
    ) -> web.Response:
        id_ = _id(collection, address)
        return _recorded(
            collection,
            await node.documents.change(caller, collection, id_, given(body), key, if_match),
        )

    return _typed(
        change,
        f"""Change a {collection.one}.

        A merge patch (RFC 7396): what is not there stays, null clears or takes out. Each field joins on its own with what
        others change meanwhile. Who may: {collection.writers.value}.
        """,
        address=models.address,
        body=models.changed,
        answers=Answers(models.shown, headers=_RECORDED),
    )


def _archive(collection: Collection, models: DocumentModels) -> Callable[..., Any]:
    async def archive(
        node: Node, caller: Caller, key: IdempotencyKey, if_match: IfMatch, address: Address
    ) -> web.Response:
        id_ = _id(collection, address)
        return _recorded(
            collection, await node.documents.archive(caller, collection, id_, key, if_match)
        )

    return _typed(
        archive,
        f"""Archive a {collection.one}.

        It stays readable and is left out of lists. Changing `archived` to false takes it back.
        """,
        address=models.address,
        answers=Answers(models.shown, headers=_RECORDED),
    )


def _typed(handler: Any, told: str, *, answers: Answers, **hints: Any) -> Callable[..., Any]:
    """A handler with the types of its collection in the place of those that all have in common."""
    handler.__doc__ = told
    handler.__annotations__ = {
        **handler.__annotations__,
        **hints,
        "return": Annotated[web.Response, answers],
    }
    found: Callable[..., Any] = handler
    return found


def _id(collection: Collection, address: Address) -> str:
    return id_of([getattr(address, name) for name in address_names(collection)])


def _recorded(collection: Collection, written: Written) -> web.Response:
    headers = {"ETag": tag_of(written.body)}
    if written.status == web.HTTPCreated.status_code:
        headers["Location"] = f"/v1/{collection.name}/{_in_address(collection, written.id)}"
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(
        status=written.status, body=written.body, content_type=JSON_TYPE, headers=headers
    )


def _in_address(collection: Collection, id_: str) -> str:
    codes = codes_of(collection, id_).values() or [id_]
    return "/".join(quote(code, safe="") for code in codes)
