"""Signing in at a shop that the hub cannot be reached from: guesses, sessions, resets, clocks."""

import asyncio
import contextlib
from collections import Counter

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from protocol.limits import (
    OFFLINE_TRUST_S_MAX,
    SESSION_S_MAX,
    SESSIONS_PER_PERSON_MAX,
    SIGN_IN_FAILURES_MAX,
    SIGN_IN_LOCK_S,
    USERNAME_CHARS_MAX,
)
from runtime.strangers import SIGN_IN, THROTTLE, clock_s
from tests.node.api.caller import ApiCaller, Http
from tests.node.enrolled import Shop
from tests.security.people.staff import HOUR_MS, PASSWORD, Clock, hire, log_in, quickly, signed_in
from tests.security.people.test_accounts import sign_up

ME = "/v1/me"
OTHER = "another long enough secret"


async def test_somebody_is_made_at_the_shop_and_signs_in_without_the_hub(
    operator: ApiCaller, http: Http
) -> None:
    id_ = await hire(operator, "ann", "cashier", display_name="Ann Lee")
    reply = await log_in(http, "ann")
    assert reply.status == 201
    ann = ApiCaller(http, reply.json()["token"])
    person = {"id": id_, "username": "ann", "role": "cashier", "locations": ["S01"]}
    assert await ann.get(ME) == {"name": "ann", "kind": "person", "person": person}
    assert reply.json()["person"] == person
    assert reply.json()["must_change_password"] is True


async def test_s22_guesses_at_one_name_are_limited_however_many_come_at_once(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    tries = [log_in(http, "ann", f"guess {at} of many") for at in range(50)]
    codes = Counter(reply.status for reply in await asyncio.gather(*tries))
    assert codes[401] == SIGN_IN_FAILURES_MAX
    assert codes[401] + codes[429] == 50
    late = await log_in(http, "ann")
    assert (late.status, late.code) == (429, "rate_limited")


async def test_s22_who_tries_ever_other_names_is_slowed_down_by_address_and_keeps_no_till_waiting(
    operator: ApiCaller, till: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    assert SIGN_IN.per_address is not None
    for _ in range(SIGN_IN.per_address.burst):
        http.app[THROTTLE].take(SIGN_IN, clock_s() + 3_600, address="127.0.0.1")
    replies = [await log_in(http, name) for name in ("ann", "nobody")]
    for reply in (*replies, await sign_up(http, "bob")):
        assert (reply.status, reply.code) == (429, "rate_limited")
        assert int(reply.headers["Retry-After"]) >= 1
    assert (await till.ask("GET", "/v1/stock")).status == 200


async def test_s22_whoever_signs_in_uses_up_nothing_of_their_address(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    for _ in range(3):
        await signed_in(http, "ann")
    assert len(http.app[THROTTLE]) == 0
    await log_in(http, "ann", OTHER)
    assert len(http.app[THROTTLE]) == 1


async def test_s22_a_name_opens_again_after_its_wait_and_a_manager_opens_it_at_once(
    operator: ApiCaller, http: Http, clock: Clock
) -> None:
    id_ = await hire(operator, "ann", "cashier")
    await _lock(http, "ann")
    clock.passes(SIGN_IN_LOCK_S + 1)
    assert (await log_in(http, "ann")).status == 201
    await _lock(http, "ann")
    reset = {"location": "S01", "password": OTHER}
    assert (await operator.ask("POST", f"/v1/users/{id_}/reset", json=reset)).status == 200
    assert (await log_in(http, "ann", OTHER)).status == 201


async def test_s23_whoever_is_unknown_wrong_disabled_or_nothing_yet_gets_one_answer(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    bob = await hire(operator, "bob", "cashier")
    disabled = {"location": "S01"}
    assert (await operator.ask("POST", f"/v1/users/{bob}/disable", json=disabled)).status == 200
    await sign_up(http, "cleo")
    replies = [
        await log_in(http, "nobody"),
        await log_in(http, "ann", "not hers at all"),
        await log_in(http, "bob"),
        await log_in(http, "cleo", "not hers at all"),
        await log_in(http, "ann", PASSWORD, location="S99"),
        await log_in(http, "ANN \u0000 ' OR 1=1 --"),
        await log_in(http, "x" * (USERNAME_CHARS_MAX + 1)),
    ]
    assert {(reply.status, reply.body) for reply in replies} == {(401, replies[0].body)}


async def test_s23_a_name_that_nobody_has_is_locked_as_one_that_somebody_has(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    answers = {}
    for name in ("ann", "nobody"):
        tries = [await log_in(http, name, "not theirs at all") for _ in range(6)]
        answers[name] = [(reply.status, reply.body) for reply in tries]
    assert answers["ann"] == answers["nobody"]


async def test_s24_a_password_that_anybody_tries_first_is_refused_wherever_one_is_set(
    operator: ApiCaller, http: Http
) -> None:
    id_ = await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    weak = "iloveyou"
    replies = [
        await operator.ask(
            "POST", "/v1/users", json={"username": "bob", "location": "S01", "password": weak}
        ),
        await operator.ask(
            "POST", f"/v1/users/{id_}/reset", json={"location": "S01", "password": weak}
        ),
        await ann.ask("POST", "/v1/me/password", json={"old": PASSWORD, "new": weak}),
        await sign_up(http, "cleo", weak),
    ]
    assert [(reply.status, reply.code) for reply in replies] == [(422, "validation_failed")] * 4


async def test_s26_signing_out_ends_the_session_and_the_streams_it_opened(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    ann, elsewhere = await signed_in(http, "ann"), await signed_in(http, "ann")
    assert ann.token != elsewhere.token
    async with _stream(ann) as stream, _stream(elsewhere) as other:
        assert (await ann.ask("POST", "/v1/logout", json={})).status == 200
        await _ends(stream)
        assert not other.at_eof()
    assert (await ann.ask("GET", ME)).status == 401
    assert (await elsewhere.ask("GET", ME)).status == 200


@pytest.mark.parametrize("how", ["disable", "reset", "archive", "password", "grant nothing"])
async def test_s26_whatever_ends_somebodys_right_ends_their_sessions_at_once(
    how: str, operator: ApiCaller, http: Http
) -> None:
    id_ = await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    async with _stream(ann) as stream:
        match how:
            case "disable":
                reply = await operator.ask(
                    "POST", f"/v1/users/{id_}/disable", json={"location": "S01"}
                )
            case "reset":
                reply = await operator.ask(
                    "POST", f"/v1/users/{id_}/reset", json={"location": "S01"}
                )
            case "archive":
                reply = await operator.ask("DELETE", f"/v1/users/{id_}")
            case "password":
                reply = await ann.ask(
                    "POST", "/v1/me/password", json={"old": PASSWORD, "new": OTHER}
                )
            case _:
                reply = await operator.ask(
                    "POST", f"/v1/users/{id_}/grant", json={"location": "S01", "role": None}
                )
        assert reply.status in {200, 201}, reply
        await _ends(stream)
    me = await ann.ask("GET", ME)
    if how == "grant nothing":
        assert me.json()["person"]["role"] is None
        assert (await ann.ask("GET", "/v1/stock")).status == 403
    else:
        assert me.status == 401
    if how == "password":
        assert (await ApiCaller(http, reply.json()["token"]).ask("GET", ME)).status == 200


async def test_s26_a_session_ends_after_a_day_of_work_and_no_clock_lengthens_it(
    operator: ApiCaller, http: Http, clock: Clock
) -> None:
    await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    clock.passes(SESSION_S_MAX - 1)
    assert (await ann.ask("GET", ME)).status == 200
    clock.wall_ms -= 48 * HOUR_MS
    clock.monotonic_s += 2
    assert (await ann.ask("GET", ME)).status == 401


async def test_s26_a_stream_ends_with_the_time_of_the_session_that_opened_it(
    operator: ApiCaller, http: Http, node: Node, clock: Clock
) -> None:
    await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    async with _stream(ann) as stream:
        clock.passes(SESSION_S_MAX - 1)
        await node.people.look()
        assert not stream.at_eof()
        clock.passes(2)
        await node.people.look()
        await _ends(stream)


async def test_s26_a_session_lives_through_a_restart(
    operator: ApiCaller,
    http: Http,
    shop: Shop,
    node: Node,
    clock: Clock,
    aiohttp_client: AiohttpClient,
) -> None:
    await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    await http.close()
    again = quickly(await Node.open(shop.folder, clock.world()))
    served = await aiohttp_client(make_app(again, NodeSettings()))
    assert (await ApiCaller(served, ann.token).ask("GET", ME)).status == 200


async def test_s26_the_oldest_session_gives_way(
    operator: ApiCaller, http: Http, clock: Clock
) -> None:
    await hire(operator, "ann", "cashier")
    sessions = []
    for _ in range(SESSIONS_PER_PERSON_MAX + 1):
        sessions.append(await signed_in(http, "ann"))
        clock.passes(1)
    assert (await sessions[0].ask("GET", ME)).status == 401
    assert (await sessions[1].ask("GET", ME)).status == 200


async def test_s27_neither_token_nor_password_is_on_the_disk(
    operator: ApiCaller, http: Http, shop: Shop
) -> None:
    await hire(operator, "ann", "cashier", password="unmistakable secret 1")
    ann = await signed_in(http, "ann", "unmistakable secret 1")
    assert len(ann.token.partition("_")[2]) >= 43, "256 random bits"
    await http.close()
    content = b"".join(
        path.read_bytes() for path in shop.folder.path.iterdir() if path.suffix != ".token"
    )
    assert ann.token.encode() not in content
    assert b"unmistakable secret" not in content
    assert b"$argon2id$" in content


async def test_s29_of_fifty_who_set_a_password_at_once_one_does(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    sent = [
        ann.ask("POST", "/v1/me/password", json={"old": PASSWORD, "new": f"{OTHER} {at}"})
        for at in range(50)
    ]
    statuses = Counter(reply.status for reply in await asyncio.gather(*sent))
    assert statuses[201] == 1
    assert set(statuses) <= {201, 401, 429, 503}


async def test_s32_guesses_count_over_a_restart_and_a_turned_clock(
    operator: ApiCaller, http: Http, shop: Shop, clock: Clock, aiohttp_client: AiohttpClient
) -> None:
    await hire(operator, "ann", "cashier")
    await _lock(http, "ann")
    clock.wall_ms += 400 * 24 * HOUR_MS
    assert (await log_in(http, "ann")).status == 429
    await http.close()
    clock.wall_ms -= 800 * 24 * HOUR_MS
    again = quickly(await Node.open(shop.folder, clock.world()))
    served = await aiohttp_client(make_app(again, NodeSettings()))
    assert (await log_in(served, "ann")).status == 429
    clock.passes(SIGN_IN_LOCK_S + 1)
    assert (await log_in(served, "ann")).status == 201


@pytest.mark.parametrize("turned_back_h", [0, 24 * 365])
async def test_s32_a_manager_is_not_let_in_where_the_hubs_word_is_too_old(
    operator: ApiCaller, http: Http, clock: Clock, turned_back_h: int
) -> None:
    await hire(operator, "ann", "manager")
    await hire(operator, "bob", "pharmacist")
    assert (await log_in(http, "ann")).status == 201
    clock.passes(OFFLINE_TRUST_S_MAX)
    assert (await log_in(http, "bob")).status == 201
    clock.wall_ms -= turned_back_h * HOUR_MS
    late = await log_in(http, "ann")
    assert (late.status, late.code) == (403, "forbidden")
    assert (await log_in(http, "bob")).status == 201


async def test_s32_nobody_of_head_office_is_made_at_a_shop_or_signs_in_there(
    operator: ApiCaller, http: Http
) -> None:
    for location in ("*", "S01"):
        body = {"username": "boss", "role": "hq_admin", "location": location, "password": PASSWORD}
        reply = await operator.ask("POST", "/v1/users", json=body)
        assert reply.code in {"forbidden", "validation_failed"}
    assert (await log_in(http, "boss")).status == 401


async def test_s33_a_clock_put_back_does_not_make_an_old_session_young(
    operator: ApiCaller, http: Http, shop: Shop, clock: Clock, aiohttp_client: AiohttpClient
) -> None:
    await hire(operator, "ann", "cashier")
    ann = await signed_in(http, "ann")
    clock.passes(SESSION_S_MAX + 1)
    await signed_in(http, "ann")
    await http.close()
    clock.wall_ms -= 24 * HOUR_MS
    again = quickly(await Node.open(shop.folder, clock.world()))
    served = await aiohttp_client(make_app(again, NodeSettings()))
    assert (await ApiCaller(served, ann.token).ask("GET", ME)).status == 401


# --- private ----------------------------------------------------------------------------------------------------


async def _lock(http: Http, username: str) -> None:
    for _ in range(SIGN_IN_FAILURES_MAX):
        assert (await log_in(http, username, "not theirs at all")).status in {401, 429}
    assert (await log_in(http, username)).status == 429


@contextlib.asynccontextmanager
async def _stream(caller: ApiCaller):  # type: ignore[no-untyped-def]
    """The body of a stream that has begun."""
    headers = {"Authorization": f"Bearer {caller.token}"}
    async with caller.http.get("/v1/events", headers=headers) as response:
        assert response.status == 200
        await response.content.readuntil(b"event: sync")
        yield response.content


async def _ends(stream) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(10):
        while await stream.read(4096):
            pass
