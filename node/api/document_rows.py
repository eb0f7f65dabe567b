"""`POST /v1/skus/batch` and the same of every collection: rows of a list, each created or changed as if it came alone.

Rule: as for all documents, no collection is named here; what a row may hold follows from the declaration.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from node.api.answers import JSON_TYPE, to_json
from node.api.bodies import as_object
from node.api.document_models import DocumentModels, given
from node.api.models import Body
from node.api.refusals import problem_of_refusal
from node.api.shown import ItemRefused, Shown
from node.api.translation import idempotency_key
from node.api.typed import Answers, Route
from node.api.values import DescribedAs, KeyText
from node.commands.requests import Caller, Refusal
from node.commands.saving import Row, Saved
from node.node import Node
from protocol.access.table import action
from protocol.declarations.vocabulary import Collection, Set
from protocol.limits import BATCH_DOCUMENTS_MAX
from runtime.problems import Problem, problem_of

_REPLAYED = {"Idempotency-Replayed": "`true` when every row is a repeat: nothing was recorded now."}
_DRAWN = {"type": "string", "format": "uuid", "description": "Of one that is there; none: new."}


def _is_drawn(text: str) -> str:
    return str(UUID(text)).lower()


class RowSaved(Shown):
    """Which document a row is about, and what became of it."""

    id: str
    outcome: Literal["created", "changed", "unchanged"]


class SavedResult(Shown):
    """A row that was saved: by this request, or `repeated` from an earlier one under the same key."""

    status: Annotated[int, Field(ge=200, le=299)]
    repeated: bool
    document: RowSaved


class RowResults(Shown):
    """One result for each row, in the order of the request."""

    results: list[SavedResult | ItemRefused]


def row_model(collection: Collection, models: DocumentModels) -> type[Body]:
    """What one row may hold: its key, what names the document, and any fields; null clears."""
    fields: dict[str, Any] = {"key": (KeyText, ...)}
    if not collection.identity:
        drawn = Annotated[str, AfterValidator(_is_drawn), WithJsonSchema(_DRAWN)]
        fields["id"] = (drawn, None)
    once = {one.name for one in collection.fields if one.set is Set.AT_CREATION}
    for name in models.created.model_fields:
        if name in once or name in collection.identity:
            fields[name] = _as_in(models.created, name, required=name in collection.identity)
    example: dict[str, Any] = {"key": "row-7", **collection.example}
    return create_model(
        f"{collection.model}Row",
        __base__=(
            type(
                "Base",
                (models.changed,),
                {"model_config": ConfigDict(json_schema_extra={"examples": [example]})},
            )
        ),
        __doc__=f"What is said of one {collection.one}, new or there already.",
        **fields,
    )


def row_route(collection: Collection, models: DocumentModels) -> Route:
    """The address that takes rows."""
    model = row_model(collection, models)

    async def save_rows(node: Node, caller: Caller, body: Body) -> web.Response:
        rows: list[Row | Problem] = []
        for raw in body.documents:  # type: ignore[attr-defined]
            rows.append(_row(collection, model, raw))
            # A thousand rows are checked for a tenth of a second: others may go in between.
            await asyncio.sleep(0)
        sent = [row for row in rows if isinstance(row, Row)]
        saved = iter(await node.documents.save(caller, collection, sent))
        return _answer([row if isinstance(row, Problem) else next(saved) for row in rows])

    save_rows.__doc__ = f"""Create or change several {collection.name}.

    In order, each as if alone: a row whose document is not there creates it, one whose document is there changes the
    fields that it names and that differ. One that is refused spoils no other. A key counts once, so a list that is sent
    again changes nothing. Tills go first meanwhile.
    """
    save_rows.__annotations__ = {
        **save_rows.__annotations__,
        "body": _body_model(collection, model),
        "return": Annotated[web.Response, Answers(RowResults, headers=_REPLAYED)],
    }
    handler: Callable[..., Any] = save_rows
    return Route(
        "POST",
        f"/v1/{collection.name}/batch",
        handler,
        ("disk_full",),
        action(f"{collection.name}.create"),
        tag=collection.name,
    )


def _body_model(collection: Collection, model: type[Body]) -> type[Body]:
    rows = Annotated[
        list[Annotated[Any, DescribedAs(model)]], Field(max_length=BATCH_DOCUMENTS_MAX)
    ]
    fields: dict[str, Any] = {"documents": (rows, ...)}
    return create_model(
        f"{collection.model}Rows",
        __base__=Body,
        __doc__=f"Several {collection.name}. Each is checked on its own: a bad one spoils no other.",
        **fields,
    )


def _as_in(model: type[BaseModel], name: str, *, required: bool) -> tuple[Any, Any]:
    """A field as another model has it, required or not."""
    found = model.model_fields[name]
    hint: Any = found.annotation
    for each in found.metadata:
        hint = Annotated[hint, each]
    return hint, ... if required else None


def _row(collection: Collection, model: type[Body], raw: object) -> Row | Problem:
    try:
        members = as_object(raw)
        key = idempotency_key([members.get("key")])
        asked = given(model.model_validate(members))
    except (Problem, ValidationError) as error:
        return problem_of(error)
    del asked["key"]
    drawn = None if collection.identity else asked.pop("id", None)
    return Row(key, asked, None if drawn is None else str(drawn))


def _answer(results: list[Saved | Refusal | Problem]) -> web.Response:
    saved = [one for one in results if isinstance(one, Saved)]
    all_repeated = bool(saved) and all(one.repeated for one in saved)
    content = b'{"results":[' + b",".join(map(_result, results)) + b"]}"
    return web.Response(
        body=content,
        content_type=JSON_TYPE,
        headers={"Idempotency-Replayed": "true"} if all_repeated else {},
    )


def _result(outcome: Saved | Refusal | Problem) -> bytes:
    match outcome:
        case Saved(status=status, body=body, repeated=repeated):
            repeats = b"true" if repeated else b"false"
            return b'{"status":%d,"repeated":%s,"document":%s}' % (status, repeats, body)
        case Refusal():
            return _result(problem_of_refusal(outcome))
        case Problem():
            return to_json({"status": outcome.status, "problem": outcome.body()})
