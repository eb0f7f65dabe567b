"""Who is let in, and how everyone else is told: tokens, hosts, origins, methods, addresses."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping

import pytest

from node.api.routes import routes
from protocol.declarations import COLLECTIONS
from tests.node.api.caller import ApiCaller, Http, Reply, sale
from tests.node.enrolled import Shop

OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs", "/docs/{file}"}
SIGNING_IN = {"/v1/signup", "/v1/login"}
ROUTES = routes()
GUARDED = [route for route in ROUTES if route.path not in OPEN | SIGNING_IN]
ADDRESSES = [(route.method, route.path) for route in GUARDED]
SOME_ID = "00000000-0000-0000-0000-000000000000"


def _path(pattern: str) -> str:
    named = {"id": SOME_ID, "location": "S01", "sku": "A1", "code": "L1", "collection": "skus"}
    return pattern.format(**named, name="storage", date="2026-11-21")


async def _ask(
    http: Http, method: str, path: str, headers: Mapping[str, str] | None = None
) -> Reply:
    data = {"Content-Type": "application/json"} if method in {"POST", "PATCH"} else {}
    async with http.request(method, path, headers={**data, **(headers or {})}) as response:
        return await Reply.read(response)


def test_the_routes_are_all_there() -> None:
    assert {route.path for route in ROUTES} >= OPEN | SIGNING_IN
    by_hand = sum(not one.by_acts_alone for one in COLLECTIONS.values())
    addresses = 6 * by_hand + 2 * (len(COLLECTIONS) - by_hand)
    verbs_and_reports, people = 87, 18
    assert len(GUARDED) == verbs_and_reports + people + addresses


def test_every_address_names_the_right_that_it_asks_for_or_is_for_anybody_about_themselves() -> (
    None
):
    for route in ROUTES:
        named = (route.action is not None, route.is_open, route.is_own)
        assert sum(named) == 1, (route.method, route.path)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer till_" + "A" * 43,
        "Bearer " + "x" * 5000,
        "Bearer caf\u00e9",
        "Basic dGlsbDp0aWxs",
        "{token}",
        "Bearer {token}x",
        "Bearer {token} {token}",
    ],
)
async def test_every_address_but_the_open_ones_needs_a_token(
    authorization: str | None, till: ApiCaller
) -> None:
    given = {}
    if authorization is not None:
        given = {"Authorization": authorization.format(token=till.token)}
    for method, pattern in ADDRESSES:
        reply = await _ask(till.http, method, _path(pattern), given)
        missing = await _ask(till.http, method, _path(pattern))
        assert (reply.status, reply.code) == (401, "unauthenticated"), (method, pattern)
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert reply.body == missing.body
    assert await till.books() == ([], [])


async def test_two_tokens_in_one_request_are_none(till: ApiCaller, operator: ApiCaller) -> None:
    headers = [("Authorization", f"Bearer {one.token}") for one in (till, operator)]
    async with till.http.get("/v1/sync", headers=headers) as response:
        assert response.status == 401


async def test_an_address_that_is_not_there_is_told_to_callers_only(till: ApiCaller) -> None:
    for path in ("/", "/v1", "/v1/movements/", "/v2/sync", "/v1/stock/S01", "/admin", "/%2e%2e/x"):
        assert (await _ask(till.http, "GET", path)).code == "unauthenticated"
        reply = await till.ask("GET", path)
        assert (reply.status, reply.code) == (404, "not_found"), path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", f"/v1/movements/{SOME_ID}", {"GET", "HEAD"}),
        ("PATCH", f"/v1/movements/{SOME_ID}", {"GET", "HEAD"}),
        ("PUT", "/v1/stock/S01/A1", {"GET", "HEAD"}),
        ("DELETE", "/v1/movements", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/sync", {"GET", "HEAD"}),
        ("TRACE", "/v1/sync", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/movements", {"GET", "HEAD", "POST"}),
        ("GET", "/v1/movements/batch", {"POST"}),
    ],
)
async def test_another_method_is_refused(
    method: str, path: str, allowed: set[str], till: ApiCaller
) -> None:
    headers = {"Content-Type": "application/json", "X-HTTP-Method-Override": "GET"}
    reply = await till.ask(method, path, headers=headers)
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert set(reply.headers["Allow"].split(",")) == allowed


async def test_head_is_get_without_the_body(till: ApiCaller) -> None:
    for path in ("/v1/stock", "/v1/movements", "/v1/sync", "/healthz"):
        reply = await till.ask("HEAD", path)
        assert (reply.status, reply.body) == (200, b"")


async def test_health_needs_no_token_and_says_nothing_of_the_shop(http: Http) -> None:
    for path, state in (("/healthz", "ok"), ("/readyz", "ready")):
        reply = await _ask(http, "GET", path)
        assert (reply.status, reply.json()) == (200, {"status": state})


async def test_a_node_whose_log_is_damaged_is_alive_but_not_ready(
    http: Http, shop: Shop, operator: ApiCaller
) -> None:
    await asyncio.to_thread(_damage_log, shop)
    reply = await operator.record("k", sale(("A1", -1)))
    assert (reply.status, reply.code) == (503, "unavailable")
    assert (await _ask(http, "GET", "/healthz")).status == 200
    reply = await _ask(http, "GET", "/readyz")
    assert (reply.status, reply.code) == (503, "unavailable")


def _damage_log(shop: Shop) -> None:
    """Overwrite the table's only page, which nobody has read yet."""
    with contextlib.closing(sqlite3.connect(shop.database)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'log'").fetchone()
    with shop.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


async def test_tokens_made_while_others_end_all_work(operator: ApiCaller) -> None:
    async def make(number: int) -> str:
        body = {"name": f"till-{number}"}
        reply = await operator.ask("POST", "/v1/operator/tokens", json=body)
        return str(reply.json()["token"])

    async def end() -> None:
        await operator.ask("POST", "/v1/operator/tokens/revoke", json={"name": "nobody"})

    made = [asyncio.create_task(make(number)) for number in range(30)]
    ended = [asyncio.create_task(end()) for _ in range(30)]
    for token in await asyncio.gather(*made):
        till = ApiCaller(operator.http, token)
        assert (await till.ask("GET", "/v1/sync")).status == 200
    await asyncio.gather(*ended)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:7310", "localhost.", "", "[::2]"],
)
async def test_a_foreign_host_is_refused(host: str, till: ApiCaller) -> None:
    for path in ("/v1/stock", "/healthz"):
        reply = await till.ask("GET", path, headers={"Host": host})
        assert (reply.status, reply.code) == (421, "foreign_host")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_another_page_cannot_use_the_visitors_token(
    headers: dict[str, str], till: ApiCaller
) -> None:
    for method, path in (("GET", "/v1/stock"), ("POST", "/v1/movements"), ("OPTIONS", "/v1/stock")):
        sent = {"Content-Type": "application/json", "Idempotency-Key": "k", **headers}
        reply = await till.ask(method, path, headers=sent, json=sale(("A1", -1)))
        assert (reply.status, reply.code) == (403, "foreign_origin")
        assert not [name for name in reply.headers if name.startswith("Access-Control")]
    assert await till.books() == ([], [])


async def test_every_answer_is_kept_from_frames_caches_and_guessing(till: ApiCaller) -> None:
    replies = [
        await till.ask("GET", "/v1/stock"),
        await till.ask("GET", "/nowhere"),
        await till.record("k", sale(("A1", -1))),
        await till.record("k", sale(("A1", -2))),
        await _ask(till.http, "GET", "/v1/stock"),
        await _ask(till.http, "GET", "/healthz"),
    ]
    for reply in replies:
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_metrics_are_for_callers(till: ApiCaller) -> None:
    await till.record("k", sale(("A1", -1)))
    reply = await till.ask("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain")
    for name in (b"everstock_commit_group_size", b'route="/v1/movements"', b"everstock_node"):
        assert name in reply.body


async def test_the_operator_makes_a_tills_token_and_ends_it(operator: ApiCaller) -> None:
    made = await operator.ask("POST", "/v1/operator/tokens", json={"name": "till-9"})
    assert made.status == 201
    till = ApiCaller(operator.http, made.json()["token"])
    answer = (await till.record("k", sale(("A1", -1)))).json()
    assert answer["actor"] == "till-9"
    ended = await operator.ask("POST", "/v1/operator/tokens/revoke", json={"name": "till-9"})
    assert ended.json() == {"revoked": 1}
    assert (await till.ask("GET", "/v1/stock")).code == "unauthenticated"
    assert (await operator.ask("GET", "/v1/stock")).status == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": 5}, {"name": "a", "x": 1}],
)
async def test_a_till_without_a_proper_name_gets_no_token(
    body: object, operator: ApiCaller
) -> None:
    for path in ("/v1/operator/tokens", "/v1/operator/tokens/revoke"):
        reply = await operator.ask("POST", path, json=body)
        assert (reply.status, reply.code) == (422, "validation_failed")


async def test_a_till_cannot_be_named_like_the_operator(operator: ApiCaller) -> None:
    reply = await operator.ask("POST", "/v1/operator/tokens", json={"name": "operator"})
    assert (reply.status, reply.code) == (422, "validation_failed")


async def test_a_till_is_no_operator(till: ApiCaller) -> None:
    for path in ("tokens", "tokens/revoke", "status"):
        reply = await till.ask("POST", f"/v1/operator/{path}", json={"name": "till-1"})
        assert (reply.status, reply.code) == (403, "forbidden")
    assert (await till.ask("GET", "/v1/stock")).status == 200


async def test_the_operator_sees_on_request_what_sync_shows(operator: ApiCaller) -> None:
    shown = (await operator.ask("POST", "/v1/operator/status", json={})).json()
    sync = await operator.get("/v1/sync")
    del shown["last_error"], sync["last_error"]  # the first try ends somewhere about now
    assert shown == sync
