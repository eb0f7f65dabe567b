"""S34-S38: what a web page elsewhere makes a visitor's browser send to a node, and what every answer says to a browser."""

import asyncio
from collections.abc import Mapping

import pytest

from runtime.guards import HEADERS
from tests.node.api.caller import ApiCaller, Http, Reply, sale
from tests.security.addresses import ALL, ENDLESS, OPEN, READS, WRITES

# As browsers send them: an image on a page, a link that was clicked, a fetch without CORS.
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}
FORM_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=application/json",
    "",
)
ALLOWING = "Access-Control-"
A_FEW = {"/v1/movements", "/v1/operator/tokens", "/v1/skus", "/v1/stock", "/healthz", "/docs"}
"""Where every way to ask is tried; one way is tried everywhere. The guard is one, and in front of all."""


async def ask(
    http: Http, method: str, path: str, headers: Mapping[str, str], content: bytes = b""
) -> Reply:
    """One request; what never ends is not waited for."""
    async with http.request(
        method, path, headers=headers, data=content or None, skip_auto_headers=["Content-Type"]
    ) as response:
        if path in ENDLESS and response.status in {101, 200}:
            return Reply(response.status, response.headers, b"")
        return await Reply.read(response)


def is_silent(reply: Reply) -> bool:
    """Whether an answer lets no other page read it."""
    return not [name for name in reply.headers if name.startswith(ALLOWING)]


@pytest.mark.parametrize("kind", FORM_TYPES)
async def test_s34_a_form_of_another_page_does_nothing(kind: str, till: ApiCaller) -> None:
    before = await till.books()
    tried = [each for each in WRITES if kind == FORM_TYPES[0] or each[1] in A_FEW]
    for method, path in tried:
        if method == "DELETE":
            continue  # no form sends one, and a script is not let
        sent = {"Content-Type": kind, "Idempotency-Key": "k"}
        content = b'{"kind":"sale","location":"S01","lines":[{"sku":"A1","delta":-1}],"x":"="}'
        # A browser adds no token; had it one, the type would still stop it.
        forms = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert (await ask(till.http, method, path, sent | forms, content)).status == 403, path
        assert (await ask(till.http, method, path, sent, content)).status == 415, path
        own = sent | {"Authorization": f"Bearer {till.token}"}
        assert (await ask(till.http, method, path, own, content)).status == 415, path
    assert await till.books() == before


async def test_s34_an_image_or_a_link_on_another_page_reads_nothing(till: ApiCaller) -> None:
    before = await till.books()
    for path in READS:
        for headers in (IMAGE, LINK):
            reply = await ask(till.http, "GET", path, headers)
            assert (reply.status, reply.code) == (403, "foreign_origin"), path
            assert is_silent(reply)
        # A browser that says nothing of itself still has no token.
        plain = await ask(till.http, "GET", path, {})
        assert plain.status in ({200, 503} if path in OPEN else {401}), path
        assert is_silent(plain)
    assert await till.books() == before


async def test_s34_a_cookie_is_no_token(till: ApiCaller) -> None:
    """Nothing is known by a cookie, so there is none that another page could ride on."""
    names = ("token", "session", "Authorization", "__Host-session")
    cookie = "; ".join(f"{name}={till.token}; {name}=Bearer {till.token}" for name in names)
    for method, path in ALL:
        if path in OPEN:
            continue
        kind = {} if method == "GET" else {"Content-Type": "application/json"}
        content = b"" if method == "GET" else b"{}"
        reply = await ask(till.http, method, path, {"Cookie": cookie, **kind}, content)
        assert reply.status == 401, path
        assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize(
    "parameter", ["token", "access_token", "authorization", "key", "api_key", "apikey"]
)
async def test_s34_a_token_in_an_address_is_no_token(parameter: str, till: ApiCaller) -> None:
    reply = await ask(till.http, "GET", f"/v1/stock?{parameter}={till.token}", {})
    assert (reply.status, reply.code) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost."),
        *("127.0.0.1:1", "2130706433:{port}", "[::ffff:7f00:1]:{port}", "127.0.0.1:{port}:80"),
        *("127.0.0.1:{port}@evil.example", "127.0.0.1:{port},evil.example", "[::1", ""),
    ],
)
async def test_s35_under_another_name_nothing_is_served(host: str, till: ApiCaller) -> None:
    headers = {"Host": host.format(port=till.http.port), "Authorization": f"Bearer {till.token}"}
    for method, path in ALL:
        if host != "evil.example" and path not in A_FEW:
            continue
        sent = headers | ({"Content-Type": "application/json"} if method != "GET" else {})
        reply = await ask(till.http, method, path, sent, b"{}" if method != "GET" else b"")
        assert reply.status in {400, 421}, path


@pytest.mark.parametrize("target", ["http://evil.example{path}", "https://127.0.0.1:1{path}"])
async def test_s35_an_absolute_address_is_held_to_our_names(target: str, till: ApiCaller) -> None:
    port = till.http.port
    for path in ("/v1/stock", "/healthz", "/docs"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET {target.format(path=path)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        writer.write(f"{request}Authorization: Bearer {till.token}\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()
        assert line.split()[1] == b"421", line


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("http://localhost", 403),
        ("http://127.0.0.1:{port}", 101),
        (None, 101),
    ],
)
async def test_s36_a_socket_is_opened_by_no_foreign_page(
    origin: str | None, status: int, till: ApiCaller
) -> None:
    headers = UPGRADE | {"Authorization": f"Bearer {till.token}"}
    if origin is not None:
        headers["Origin"] = origin.format(port=till.http.port)
    assert (await ask(till.http, "GET", "/v1/live", headers)).status == status


async def test_s36_a_socket_needs_a_token_where_pages_cannot_put_one(till: ApiCaller) -> None:
    for said in (
        {},
        {"Sec-WebSocket-Protocol": till.token},
        {"Sec-WebSocket-Protocol": f"bearer, {till.token}"},
        {"Cookie": f"token={till.token}"},
    ):
        reply = await ask(till.http, "GET", "/v1/live", UPGRADE | said)
        assert reply.status == 401, said
    reply = await ask(till.http, "GET", f"/v1/live?token={till.token}", UPGRADE)
    assert reply.status == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("null", 403), ("http://127.0.0.1:{port}", 405)],
)
async def test_s37_no_preflight_is_granted(origin: str, status: int, till: ApiCaller) -> None:
    headers = {
        "Origin": origin.format(port=till.http.port),
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
        "Access-Control-Request-Private-Network": "true",
        "Access-Control-Request-Local-Network": "true",
    }
    for _, path in ALL:
        reply = await ask(till.http, "OPTIONS", path, headers)
        # A browser's own preflight carries no token, so our own page gets no further than that.
        wanted = status if status == 403 or path in OPEN else 401
        assert reply.status == wanted, path
        assert is_silent(reply), path


async def test_s37_no_origin_is_ever_echoed(till: ApiCaller) -> None:
    own = f"http://127.0.0.1:{till.http.port}"
    for origin in (own, "https://evil.example"):
        headers = {"Origin": origin, "Authorization": f"Bearer {till.token}"}
        for path in READS:
            reply = await ask(till.http, "GET", path, headers)
            assert is_silent(reply), path
            assert "evil.example" not in str(dict(reply.headers)) + reply.body.decode("latin-1"), (
                path
            )


async def test_s38_every_answer_has_the_headers_that_keep_it_where_it_is(till: ApiCaller) -> None:
    await till.record("k", sale(("A1", -1)))
    for method, path in ALL:
        own = {"Authorization": f"Bearer {till.token}", "Content-Type": "application/json"}
        for headers in (own, {}, own | {"Origin": "null"}, own | {"Host": "evil.example"}):
            reply = await ask(till.http, method, path, headers, b"[" if method != "GET" else b"")
            for name, value in HEADERS.items():
                said = reply.headers[name]
                assert said == value or (name == _STRONGER.get(path) and value in said), path
            assert "X-Powered-By" not in reply.headers


_STRONGER = {
    **{path: "Content-Security-Policy" for path in OPEN if path.startswith("/docs")},
    # A stream must not be kept either, and proxies must not gather it.
    "/v1/events": "Cache-Control",
}


def test_s38_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline() -> None:
    policy = HEADERS["Content-Security-Policy"]
    rules = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert rules == {
        "default-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Cross-Origin-Resource-Policy"] == "same-origin"
    assert HEADERS["Referrer-Policy"] == "no-referrer"
