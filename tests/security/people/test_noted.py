"""What of people stands in the audit: who came in, who was refused, locked out, set a password, was at a till, made a token."""

import json
from typing import Any

import pytest

from node.node import Node
from node.people.telling import NOBODY
from protocol.limits import (
    NOTES_UNPROVEN_PER_HOUR_MAX,
    OFFLINE_TRUST_S_MAX,
    SHIFT_S_MAX,
    SIGN_IN_FAILURES_MAX,
    SIGN_IN_LOCK_S,
)
from tests.node.api.caller import ApiCaller, Http
from tests.security.people.staff import PASSWORD, Clock, hire, log_in, signed_in

PIN, OTHER = "4711", "another long enough secret"
TYPED_AWRY = "my password in the wrong place"


@pytest.fixture
async def ann(operator: ApiCaller) -> str:
    """Give the id of a cashier who has a PIN."""
    id_ = await hire(operator, "ann", "cashier")
    await operator.ask("POST", f"/v1/users/{id_}/reset", json={"location": "S01", "pin": PIN})
    return id_


async def noted(operator: ApiCaller, action: str, **wanted: str) -> list[dict[str, Any]]:
    """The notes of an action, oldest first, their payloads read."""
    found = await operator.get("/v1/audit", action=f"note.{action}", **wanted)
    return [{**one, "payload": json.loads(one["payload"])} for one in reversed(found["items"])]


async def test_who_signed_in_and_out_is_noted_with_where_and_how(
    operator: ApiCaller, http: Http, ann: str
) -> None:
    session = await signed_in(http, "ann")
    [began] = await noted(operator, "signed_in")
    assert (began["actor"], began["entity_type"], began["entity_id"]) == ("ann", "users", ann)
    assert (began["location"], began["payload"]["by"]) == ("S01", "password")
    assert await noted(operator, "signed_out") == []
    await session.ask("POST", "/v1/logout", json={})
    [ended] = await noted(operator, "signed_out")
    assert (ended["actor"], ended["entity_id"]) == ("ann", ann)


async def test_a_manager_reads_it_of_their_own_shop(
    operator: ApiCaller, http: Http, ann: str
) -> None:
    await hire(operator, "boss", "manager")
    boss = await signed_in(http, "boss")
    await log_in(http, "ann", "not hers at all")
    await log_in(http, TYPED_AWRY)
    refused = await noted(boss, "sign_in_refused", location="S01")
    assert [one["actor"] for one in refused] == ["ann", NOBODY]
    assert [one["actor"] for one in await noted(boss, "signed_in", location="S01")] == ["boss"]


async def test_guesses_at_a_name_are_noted_at_the_first_and_when_they_lock_it(
    operator: ApiCaller, http: Http, ann: str, clock: Clock
) -> None:
    for _ in range(SIGN_IN_FAILURES_MAX + 20):
        await log_in(http, "ann", "not hers at all")
    [refused] = await noted(operator, "sign_in_refused")
    assert (refused["actor"], refused["entity_id"]) == ("ann", ann)
    [locked] = await noted(operator, "locked_out")
    assert (locked["actor"], locked["entity_id"]) == ("ann", ann)
    assert locked["payload"]["failures"] == SIGN_IN_FAILURES_MAX
    clock.passes(SIGN_IN_LOCK_S + 1)
    await log_in(http, "ann", "not hers at all")
    assert len(await noted(operator, "locked_out")) == 2
    assert len(await noted(operator, "sign_in_refused")) == 1


async def test_a_flood_of_names_that_nobody_has_is_bounded_and_hides_no_guess_at_somebodys(
    operator: ApiCaller, http: Http, ann: str
) -> None:
    for at in range(NOTES_UNPROVEN_PER_HOUR_MAX + 10):
        await log_in(http, f"nobody {at}")
    await log_in(http, "ann", "not hers at all")
    refused = await noted(operator, "sign_in_refused", limit="200")
    assert len(refused) == NOTES_UNPROVEN_PER_HOUR_MAX + 1
    assert refused[-1]["actor"] == "ann"
    assert {one["actor"] for one in refused[:-1]} == {NOBODY}
    assert {one["entity_id"] for one in refused[:-1]} == {None}


async def test_a_manager_who_is_refused_for_the_hubs_silence_is_noted_with_why(
    operator: ApiCaller, http: Http, clock: Clock
) -> None:
    await hire(operator, "boss", "manager")
    clock.passes(OFFLINE_TRUST_S_MAX + 1)
    assert (await log_in(http, "boss")).code == "forbidden"
    [refused] = await noted(operator, "sign_in_refused")
    assert refused["actor"] == "boss"
    assert "hub" in refused["payload"]["why"]


async def test_a_password_that_was_changed_or_set_by_somebody_else_is_noted_with_who_did_it(
    operator: ApiCaller, http: Http, ann: str
) -> None:
    session = await signed_in(http, "ann")
    changed = await session.ask("POST", "/v1/me/password", json={"old": PASSWORD, "new": OTHER})
    assert changed.status == 201
    at = f"/v1/users/{ann}"
    await operator.ask("POST", f"{at}/reset", json={"location": "S01", "password": PASSWORD})
    await operator.ask("POST", f"{at}/badge", json={"location": "S01"})
    told = await noted(operator, "password_changed")
    assert {one["entity_id"] for one in told} == {ann}
    assert [(one["actor"], one["payload"]["set"]) for one in told] == [
        ("operator", ["pin"]),
        ("ann", ["password"]),
        ("operator", ["password"]),
        ("operator", ["badge"]),
    ]
    assert len(await noted(operator, "signed_in")) == 1, "the change says that she is in"


async def test_a_shift_is_noted_as_it_begins_and_ends_with_the_till(
    operator: ApiCaller, till: ApiCaller, ann: str, clock: Clock
) -> None:
    body = {"username": "ann", "pin": PIN}
    for _ in range(2):
        assert (await till.ask("POST", "/v1/shifts", json=body)).status == 201
    assert (await till.ask("DELETE", "/v1/shifts")).status == 200
    assert (await till.ask("DELETE", "/v1/shifts")).status == 200, "nobody was on"
    shifts = [*await noted(operator, "shift_began"), *await noted(operator, "shift_ended")]
    assert [(one["actor"], one["device"], one["location"]) for one in shifts] == [
        ("ann", "till-1", "S01")
    ] * 4
    assert (await till.ask("POST", "/v1/shifts", json=body)).status == 201
    clock.passes(SHIFT_S_MAX + 1)
    await till.ask("DELETE", "/v1/shifts")
    assert len(await noted(operator, "shift_ended")) == 2, "its beginning says until when it was"
    wrong = await till.ask("POST", "/v1/shifts", json={"badge": "badge_of-nobody"})
    assert wrong.status == 401
    [refused] = await noted(operator, "sign_in_refused")
    assert (refused["actor"], refused["device"]) == (NOBODY, "till-1")
    assert refused["payload"]["by"] == "badge"


async def test_tokens_of_tills_are_noted_as_they_are_made_and_ended(operator: ApiCaller) -> None:
    named = {"name": "till-7"}
    for body in (named, {**named, "lan": True}):
        assert (await operator.ask("POST", "/v1/operator/tokens", json=body)).status == 201
    for _ in range(2):
        await operator.ask("POST", "/v1/operator/tokens/revoke", json=named)
    made, ended = await noted(operator, "token_made"), await noted(operator, "token_revoked")
    assert [(one["actor"], one["entity_type"], one["entity_id"]) for one in made + ended] == [
        ("operator", "token", "till-7")
    ] * 4
    assert [one["payload"]["lan"] for one in made] == [False, True]
    assert [one["payload"]["tokens"] for one in ended] == [1, 1]


async def test_s27_no_note_holds_a_password_a_pin_or_a_token(
    operator: ApiCaller, till: ApiCaller, node: Node, http: Http, ann: str
) -> None:
    session = await signed_in(http, "ann")
    shift = await till.ask("POST", "/v1/shifts", json={"username": "ann", "pin": PIN})
    badge = await operator.ask("POST", f"/v1/users/{ann}/badge", json={"location": "S01"})
    for _ in range(SIGN_IN_FAILURES_MAX):
        await log_in(http, "ann", "guessed at her name")
        await log_in(http, TYPED_AWRY, "guessed at her name")
    await session.ask("POST", "/v1/me/password", json={"old": PASSWORD, "new": OTHER})
    bodies = await node._store.read(lambda db: db.execute("SELECT body FROM log").fetchall())
    assert len(bodies) > 8
    log = b"\n".join(bytes(row["body"]) for row in bodies)
    made = [till.token, session.token, shift.json()["token"], badge.json()["badge"]]
    for secret in (PASSWORD, OTHER, TYPED_AWRY, "guessed at her name", *made):
        assert secret.encode() not in log
    found = await operator.get("/v1/audit", action="note", limit=200)
    assert all(PIN not in one["payload"] for one in found["items"])
