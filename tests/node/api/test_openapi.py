"""The document is valid OpenAPI 3.1, says what is served and nothing else, and the answers are what it says."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter

from node.api import playground, shown
from node.api.openapi import document
from node.api.problem_codes import MEANING
from node.api.queries import MovementsAsked, StockAsked
from node.api.routes import routes
from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from runtime.guards import HEADERS
from runtime.problems import STATUS_BY_CODE
from tests.node.api.caller import ApiCaller, Http, movement, sale

DOCUMENT = document(routes())
WITHOUT_BODY = (
    "/status",
    "/lan/off",
    "/start",
    "/submit",
    "/cancel",
    "/acknowledge",
    "/erase",
    "/key",
    "/read",
    "/logout",
)
COURSES_WITHOUT_BODY = ("/allocate", "/call_back", "/cancel", "/close", "/approve", "/reject")
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def resolved(value: Any) -> Any:
    """What stands at the end of a $ref."""
    while isinstance(value, dict) and "$ref" in value:
        place: Any = DOCUMENT
        for part in value["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        value = place
    return value


def schema_in_document(schema: Any) -> dict[str, Any]:
    """A schema that can be used alone."""
    return {"allOf": [schema], "components": DOCUMENT["components"]}


def examples(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each (schema, example) within a part of the document."""
    if isinstance(value, dict):
        if isinstance(value.get("schema"), dict) and "example" in value:
            yield value["schema"], value["example"]
        if isinstance(value.get("examples"), list):
            yield from ((value, example) for example in value["examples"])
        for inner in value.values():
            yield from examples(inner)
    if isinstance(value, list):
        for inner in value:
            yield from examples(inner)


def test_the_document_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references
    for reference in references:
        assert resolved({"$ref": reference})


@pytest.mark.parametrize("with_playground", [True, False])
async def test_the_document_names_exactly_the_routes_served(
    with_playground: bool, node: Node
) -> None:
    app = make_app(node, NodeSettings(playground=with_playground))
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = document(routes(with_playground=with_playground))["paths"]
    assert served == {(m.upper(), path) for path, methods in described.items() for m in methods}
    await node.close()


async def test_the_node_sends_this_document_without_a_token(http: Http) -> None:
    async with http.get("/openapi.json") as response:
        assert response.status == 200
        assert await response.json() == json.loads(json.dumps(DOCUMENT))


@pytest.mark.parametrize(
    ("path", "model"), [("/v1/movements", MovementsAsked), ("/v1/stock", StockAsked)]
)
def test_a_lists_parameters_are_its_models_fields(path: str, model: Any) -> None:
    given = DOCUMENT["paths"][path]["get"]["parameters"]
    assert [one["name"] for one in given if one["in"] == "query"] == list(model.model_fields)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_is_told_in_full(path: str, method: str, operation: Any) -> None:
    assert operation["summary"]
    parts = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
    assert parts == {part.split("}")[0] for part in path.split("{")[1:]}
    codes = {
        code
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for code in resolved(response)["content"]["application/problem+json"]["schema"][
            "properties"
        ]["code"]["enum"]
    }
    assert codes <= set(STATUS_BY_CODE)
    assert codes >= {"foreign_host", "foreign_origin", "internal"}
    assert ("unauthenticated" in codes) == (bool(operation["security"]) or path == "/v1/login")
    if method == "post":
        content = operation.get("requestBody", {}).get("content", {})
        assert set(content) in ({"application/json", "application/msgpack"}, set())
        on_course = path.startswith(("/v1/transfers/", "/v1/orders/"))
        without = COURSES_WITHOUT_BODY if on_course else WITHOUT_BODY
        has_none = path.endswith(without) and not path.startswith("/v1/lots/")
        assert bool(content) != has_none
        assert codes >= {"malformed_body", "too_large", "unsupported_media_type"}
    if "operator" in path:
        assert operation["security"] == [{"operator": []}]
        assert "forbidden" in codes


def test_every_code_has_a_meaning() -> None:
    assert set(MEANING) == set(STATUS_BY_CODE)


def test_each_example_fits_its_schema() -> None:
    found = list(examples(DOCUMENT))
    assert len(found) > 10
    for schema, example in found:
        jsonschema.Draft202012Validator(
            schema_in_document(schema), format_checker=jsonschema.FormatChecker()
        ).validate(example)


@pytest.mark.parametrize("example", DOCUMENT["components"]["schemas"]["MovementBody"]["examples"])
async def test_each_example_of_a_movement_is_recorded(example: Any, till: ApiCaller) -> None:
    assert (await till.record("k", example)).status == 201


@pytest.mark.parametrize(
    "body",
    [
        sale(("A1", 1)),
        movement("waste", ("A1", -1)),
        movement("waste", ("A1", -1), reason=" "),
        movement("count", ("A1", -1)),
        movement("reversal", ("A1", -1)),
        {"kind": "sale", "location": "S01", "lines": [{"sku": "A1", "counted": 1}]},
        {"kind": "sale", "location": "S01", "lines": [{"delta": -1}]},
        {"kind": "sale", "location": "S01", "lines": [{"sku": "A1", "delta": -1, "supplier": "x"}]},
        sale(("A1", -1), occurred_at="1969-12-31T23:59:59Z"),
        sale(("A1", -1), details={"sealed": 1}),
        sale(("A\n1", -1)),
    ],
)
async def test_the_schema_refuses_what_the_node_refuses(body: Any, till: ApiCaller) -> None:
    """Goal: the rules that join several fields are in the document too."""
    schema = schema_in_document({"$ref": "#/components/schemas/MovementBody"})
    validator = jsonschema.Draft202012Validator(schema)
    assert not validator.is_valid(body)
    assert (await till.record("k", body)).code == "validation_failed"


async def test_answers_have_exactly_the_fields_that_are_described(
    till: ApiCaller, operator: ApiCaller
) -> None:
    goods = {"sku": "A1", "lot": "L1", "delta": 5, "supplier": "Lakeside", "expiry": "2030-01-31"}
    goods["unit_cost"] = {"amount": 1, "currency": "EUR"}
    received = {"kind": "receive", "location": "S01", "lines": [goods], "details": {"a": [1]}}
    counted = {"kind": "count", "location": "S01", "lines": [{"sku": "A1", "counted": 3}]}
    recorded = (await till.record("r", received)).json()
    batch = await till.record_batch([{"key": "c", **counted}, {}])
    address = f"/v1/movements/{recorded['id']}/reverse"
    back = await till.ask("POST", address, headers={"Idempotency-Key": "back"}, json={})
    made = await operator.ask("POST", "/v1/operator/tokens", json={"name": "till-2"})
    ended = await operator.ask("POST", "/v1/operator/tokens/revoke", json={"name": "till-2"})
    for model, answer in (
        (shown.MovementRecorded, recorded),
        (shown.MovementRecorded, back.json()),
        (shown.BatchResults, batch.json()),
        (shown.MovementShown, await till.get(f"/v1/movements/{recorded['id']}")),
        (shown.MovementPage, await till.get("/v1/movements")),
        (shown.StockPage, await till.get("/v1/stock")),
        (shown.StockRowWithLots, await till.get("/v1/stock/S01/A1")),
        (shown.SyncStatus, await till.get("/v1/sync")),
        (shown.ScopeDigest, await till.get("/v1/digest", scope="stock:S01")),
        (shown.Health, await till.get("/healthz")),
        (shown.Readiness, await till.get("/readyz")),
        (shown.TokenMade, made.json()),
        (shown.TokensRevoked, ended.json()),
        (shown.ProblemShown, (await till.ask("GET", "/nowhere")).json()),
    ):
        TypeAdapter(model).validate_python(answer, strict=False, extra="forbid")


async def test_the_playground_is_served_without_a_token_and_names_no_other_machine(
    http: Http,
) -> None:
    for path in ("/docs", *(f"/docs/{name}" for name in playground.FILES)):
        async with http.get(path) as response:
            assert response.status == 200, path
            policy = response.headers["Content-Security-Policy"]
            assert policy == f"{HEADERS['Content-Security-Policy']}; img-src 'self' data:"
            if path.rpartition("/")[2] in {"docs", "page.js", "page.css"}:
                assert "//" not in (await response.text()).replace(" // ", " ")
    async with http.get("/docs/page.html") as response:
        assert response.status == 401


async def test_the_playground_can_be_switched_off(node: Node, aiohttp_client: Any) -> None:
    http = await aiohttp_client(make_app(node, NodeSettings(playground=False)))
    till = ApiCaller(http, await node.callers.create_token("till-1"))
    for path in ("/docs", "/docs/page.js"):
        async with http.get(path) as response:
            assert response.status == 401
        assert (await till.ask("GET", path)).code == "not_found"
    assert "/docs" not in (await till.get("/openapi.json"))["paths"]
