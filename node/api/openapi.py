"""`GET /openapi.json`: the OpenAPI 3.1 document, made of the same routes, signatures and models that serve.

Rule: nothing is written here that a signature, a model or a docstring says already. The document holds nothing of the
shop, so it needs no token; it is made once, when the application is.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from node.api.answers import JSON_TYPE, to_json
from node.api.bodies import MERGE_PATCH, MSGPACK
from node.api.headers import header_of
from node.api.models import Body, Nothing
from node.api.problem_codes import problem_response, problems
from node.api.queries import Address, Query
from node.api.shown import ProblemShown
from node.api.typed import Answers, Operator, Route
from runtime.version import VERSION

DOCUMENT: Final = web.AppKey("DOCUMENT", bytes)
_REF: Final = "#/components/schemas/{model}"
_PROBLEM: Final = _REF.format(model=ProblemShown.__name__)
_SECURITY: Final = {
    "till": {"type": "http", "scheme": "bearer", "description": "From `everstock-node token`."},
    "session": {"type": "http", "scheme": "bearer", "description": "From `POST /v1/login`."},
    "operator": {
        "type": "http",
        "scheme": "bearer",
        "description": "From `operator.token` in the node's folder.",
    },
}

Document = Annotated[web.Response, Answers(dict[str, Any])]


async def show(request: web.Request) -> Document:
    """Show this document."""
    return web.Response(body=request.app[DOCUMENT], content_type=JSON_TYPE)


@cache
def document_bytes(routes: tuple[Route, ...]) -> bytes:
    """The document as it is sent."""
    return to_json(document(routes))


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Describe the routes."""
    kinds = [ProblemShown, *(kind for route in routes for kind in _described(route))]
    schemas, definitions = TypeAdapter.json_schemas(
        [(kind, "validation", TypeAdapter(kind)) for kind in kinds],
        ref_template=_REF,
        schema_generator=_Terse,
    )
    paths: dict[str, dict[str, Any]] = {}
    responses: dict[str, Any] = {}
    for route in routes:
        shapes = {kind: schemas[kind, "validation"] for kind in _described(route)}
        operation = _operation(route, shapes, responses)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Everstock node",
            "version": VERSION,
            "summary": "What happened to the goods, and what is on the shelves.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "responses": dict(sorted(responses.items())),
            "securitySchemes": _SECURITY,
        },
    }


class _Terse(GenerateJsonSchema):
    """Leaves out what only repeats a name or says that nothing is the default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _described(route: Route) -> Iterator[Any]:
    """The types of a route whose JSON Schemas stand among the components."""
    if (body := route.argument_of(Body)) not in {None, Nothing}:
        yield body
    if route.answers.model is not None:
        yield route.answers.model


def _operation(route: Route, shapes: Mapping[Any, Any], responses: dict[str, Any]) -> Any:
    name, verb = route.tag or route.handler.__module__.rpartition(".")[2], route.handler.__name__
    summary, _, description = (route.handler.__doc__ or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": f"{name}_{verb}",
        "tags": [name],
        "summary": summary.rstrip(".\n"),
        "description": " ".join(description.partition("Raises:")[0].split()),
        "security": _security(route),
        "parameters": [*_parameters(route)],
        "responses": {str(route.answers.status): _answer(route.answers, shapes)},
    }
    if (body := route.argument_of(Body)) not in {
        None,
        Nothing,
    }:  # `{}` is taken, but need not be sent
        schema = {"schema": shapes[body]}
        content = {JSON_TYPE: schema, MSGPACK: schema}
        if route.method == "PATCH":
            content[MERGE_PATCH] = schema
        is_needed = not issubclass(body, Nothing)
        operation["requestBody"] = {"required": is_needed, "content": content}
    for status, codes in sorted(problems(route).items()):
        name = "-".join([str(status), *sorted(codes)])
        responses[name] = problem_response(status, sorted(codes), _PROBLEM)
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.is_open:
        return []
    if Operator in route.arguments.values():
        return [{"operator": []}]
    return [{"till": []}, {"session": []}, {"operator": []}]


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for place, kind in (("path", Address), ("query", Query)):
        if model := route.argument_of(kind):
            schema = TypeAdapter(model).json_schema(ref_template=_REF, schema_generator=_Terse)
            required = schema.get("required", ())
            for name, shape in schema["properties"].items():
                shown = _without_null(shape)
                text = shown.pop("description", "")
                yield _parameter(name, place, text, shown, required=name in required)
    for hint in route.arguments.values():
        if header := header_of(hint):
            schema = TypeAdapter(hint).json_schema()
            required = header.required
            yield _parameter(header.name, "header", header.description, schema, required=required)


def _parameter(
    name: str, place: str, description: str, schema: Any, *, required: bool
) -> dict[str, Any]:
    found = {"name": name, "in": place, "required": required, "schema": schema}
    return {**found, "description": description} if description else found


def _without_null(shape: JsonSchemaValue) -> JsonSchemaValue:
    # A parameter is text; not to give it is how to say nothing.
    choices = [one for one in shape.get("anyOf", ()) if one != {"type": "null"}]
    rest = {name: value for name, value in shape.items() if name != "anyOf"}
    match choices:
        case []:
            return rest
        case [only]:
            return {**only, **rest}
        case _:
            return {"anyOf": choices, **rest}


def _answer(answers: Answers, shapes: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(answers.status).phrase}
    if answers.media_type is not None:
        schema = {"type": "string"} if answers.model is None else shapes[answers.model]
        text = {"schema": {"type": "string"}}
        others = dict.fromkeys(answers.or_as, text)
        found["content"] = {answers.media_type: {"schema": schema}, **others}
    if answers.headers:
        found["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in answers.headers.items()
        }
    return found
