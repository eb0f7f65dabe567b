"""Error answers, through a real server on a free port."""

import json
import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel, ConfigDict

from runtime.problems import (
    STATUS_BY_CODE,
    Problem,
    problem_of,
    problem_of_http,
    problems_middleware,
)
from runtime.store import SchemaTooNew, StoreFull, StoreUnavailable

MEMBERS = {"type", "title", "status", "code", "detail", "errors"}


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    quantity: int


def validation_error(text: str) -> Exception:
    try:
        Body.model_validate_json(text)
    except ValueError as error:
        return error
    raise AssertionError


RAISED = {
    "problem": (Problem("insufficient_stock", "Only 3 left."), 409, "insufficient_stock"),
    "status": (Problem("conflict", "Changed meanwhile.", status=412), 412, "conflict"),
    "validation": (validation_error('{"quantity": "5", "x": 1}'), 422, "validation_failed"),
    "full": (StoreFull("no room"), 507, "disk_full"),
    "unavailable": (StoreUnavailable("SELECT secret"), 503, "unavailable"),
    "newer": (SchemaTooNew("version 9"), 503, "unavailable"),
    "forbidden": (web.HTTPForbidden(), 403, "forbidden"),
    "unauthenticated": (web.HTTPUnauthorized(), 401, "unauthenticated"),
    "conflict": (web.HTTPConflict(), 409, "conflict"),
    "bad": (web.HTTPBadRequest(), 400, "bad_request"),
    "teapot": (web.HTTPExpectationFailed(), 417, "bad_request"),
    "large": (web.HTTPRequestEntityTooLarge(1, 2), 413, "too_large"),
    "media": (web.HTTPUnsupportedMediaType(), 415, "unsupported_media_type"),
    "busy": (web.HTTPTooManyRequests(headers={"Retry-After": "7"}), 429, "rate_limited"),
    "broken": (web.HTTPInternalServerError(), 500, "internal"),
    "gateway": (web.HTTPBadGateway(), 502, "internal"),
    "bug": (RuntimeError("SELECT secret FROM t"), 500, "internal"),
    "key": (KeyError("secret"), 500, "internal"),
    "timeout": (TimeoutError("secret"), 500, "internal"),
}


async def raises(request: web.Request) -> web.Response:
    raise RAISED[request.match_info["name"]][0]


async def reads(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise RuntimeError("in the middle")


async def moved(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


@pytest.fixture
async def client(aiohttp_client) -> TestClient:
    app = web.Application(middlewares=[problems_middleware], client_max_size=1_000)
    app.router.add_get("/raise/{name}", raises)
    app.router.add_post("/read", reads)
    app.router.add_get("/half", breaks_off)
    app.router.add_get("/moved", moved)
    return await aiohttp_client(TestServer(app, port=0))


@pytest.mark.parametrize("name", RAISED)
async def test_whatever_is_raised_has_one_shape(client: TestClient, name: str) -> None:
    _, status, code = RAISED[name]
    answer = await client.get(f"/raise/{name}")
    body = json.loads(await answer.text())
    assert answer.content_type == "application/problem+json"
    assert (answer.status, body["status"], body["code"]) == (status, status, code)
    assert body.keys() == MEMBERS
    assert body["type"] == f"urn:everstock:problem:{code}"
    assert body["detail"].endswith(".")
    assert "secret" not in json.dumps(body)


async def test_a_problem_says_what_it_was_given(client: TestClient) -> None:
    body = json.loads(await (await client.get("/raise/problem")).text())
    assert (body["detail"], body["title"], body["errors"]) == (
        "Only 3 left.",
        "Insufficient stock",
        [],
    )


async def test_validation_names_places_and_never_values(client: TestClient) -> None:
    body = json.loads(await (await client.get("/raise/validation")).text())
    assert body["errors"] == [
        {"loc": ["quantity"], "msg": "Input should be a valid integer", "type": "int_type"},
        {"loc": ["x"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"},
    ]


def test_an_answer_to_a_flood_of_mistakes_is_short() -> None:
    flood = json.dumps({"k" * 10_000 + str(number): 1 for number in range(200)})
    problem = problem_of(validation_error(flood))
    assert len(problem.errors) == 100
    assert len(json.dumps(problem.body())) < 30_000


async def test_headers_that_tell_what_to_do_are_kept(client: TestClient) -> None:
    assert (await client.get("/raise/busy")).headers["Retry-After"] == "7"
    assert (await client.get("/raise/unavailable")).headers["Retry-After"] == "1"
    wrong = await client.post("/half")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET,HEAD")


async def test_an_unknown_address_a_wrong_method_and_a_large_body_are_problems(
    client: TestClient,
) -> None:
    for answer, status, code in (
        (await client.get("/none"), 404, "not_found"),
        (await client.put("/read"), 405, "method_not_allowed"),
        (await client.post("/read", data=b"x" * 2_000), 413, "too_large"),
    ):
        body = json.loads(await answer.text())
        assert (answer.status, body["code"], body.keys()) == (status, code, MEMBERS)


async def test_a_bug_is_logged_under_the_id_the_caller_gets(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        body = json.loads(await (await client.get("/raise/bug")).text())
    incident = body["detail"].rstrip(".").rpartition(" ")[2]
    assert len(incident) == 12
    assert f"unforeseen error {incident}" in caplog.text
    assert "SELECT secret FROM t" in caplog.text


async def test_a_redirect_is_no_problem(client: TestClient) -> None:
    answer = await client.get("/moved", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")


async def test_a_half_sent_answer_is_cut_not_followed_by_another(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/half")
    with pytest.raises(Exception, match=r"not enough data|TransferEncodingError"):
        await answer.read()
    assert "was cut short" in caplog.text


@pytest.mark.parametrize("status", sorted(set(STATUS_BY_CODE.values())))
def test_an_error_of_the_library_is_told_by_a_code_of_its_status(status: int) -> None:
    error = web.HTTPException()
    error.set_status(status)
    assert STATUS_BY_CODE[problem_of_http(error).code] == status


def test_every_code_has_a_status_of_an_error() -> None:
    assert all(400 <= status < 600 for status in STATUS_BY_CODE.values())
    with pytest.raises(KeyError):
        Problem("no_such_code", "A bug.")
