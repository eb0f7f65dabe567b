"""S52: a method that an address does not take does nothing, however it is asked for."""

import pytest

from tests.node.api.caller import ApiCaller, sale
from tests.security.addresses import ALL

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
METHODS = ("TRACE", "PUT", "OPTIONS")


@pytest.mark.parametrize("method", METHODS)
async def test_s52_a_method_that_is_not_served_is_refused_everywhere(
    method: str, till: ApiCaller
) -> None:
    taken = {path: {one for one, other in ALL if other == path} for _, path in ALL}
    for path, methods in taken.items():
        if method in methods:
            continue
        secret = {"X-Secret": "do-not-echo"}
        reply = await till.ask(method, path, headers=secret)
        assert (reply.status, reply.code) == (405, "method_not_allowed"), path
        allowed = set(reply.headers["Allow"].split(","))
        assert methods <= allowed, path
        assert method not in allowed, path
        assert b"do-not-echo" not in reply.body


@pytest.mark.parametrize("header", OVERRIDES)
async def test_s52_no_header_makes_a_request_another_one(header: str, till: ApiCaller) -> None:
    await till.record("k", sale(("A1", -1)))
    before = await till.books()
    for wanted in ("POST", "DELETE", "PATCH"):
        reply = await till.ask("GET", "/v1/movements", headers={header: wanted})
        assert reply.status == 200
    reply = await till.ask(
        "POST",
        "/v1/movements?_method=GET",
        headers={header: "GET", "Idempotency-Key": "k2"},
        json=sale(("A1", -1)),
    )
    assert reply.status in {400, 422}, "an unknown parameter, and no reading"
    assert await till.books() == before


async def test_s52_a_body_on_a_read_is_not_read(till: ApiCaller) -> None:
    for content in (b"{}", b'{"_method": "DELETE"}', b"\xff" * 100):
        reply = await till.ask(
            "GET", "/v1/stock", data=content, headers={"Content-Type": "application/json"}
        )
        assert reply.status == 200
