"""Accounts: asked for, made, granted; the names that they may have and the passwords that are made for them."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from node.node import Node
from node.people.roster import Post
from protocol.limits import (
    UNGRANTED_ACCOUNTS_MAX,
)
from tests.node.api.caller import ApiCaller, Http, Reply
from tests.node.enrolled import Shop
from tests.node.processes import call
from tests.security.people.staff import PASSWORD, hire, log_in, signed_in

ME = "/v1/me"
OTHER = "another long enough secret"


async def test_an_account_that_was_asked_for_has_no_rights_until_they_are_granted(
    operator: ApiCaller, http: Http
) -> None:
    assert (await sign_up(http, "ann")).json() == {"status": "pending"}
    ann = await signed_in(http, "ann")
    assert (await ann.get(ME))["person"]["role"] is None
    for path in ("/v1/stock", "/v1/users", "/v1/skus", "/v1/movements", "/v1/events", "/metrics"):
        assert (await ann.ask("GET", path)).code == "forbidden"
    id_ = (await ann.get(ME))["person"]["id"]
    granted = await operator.ask(
        "POST", f"/v1/users/{id_}/grant", json={"location": "S01", "role": "clerk"}
    )
    assert granted.status == 200
    assert (await ann.ask("GET", "/v1/stock")).status == 200


async def test_s23_asking_for_a_name_that_is_taken_says_nothing_and_changes_nothing(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "cashier")
    taken, free = await sign_up(http, "ann", OTHER), await sign_up(http, "bob", OTHER)
    assert (taken.status, taken.body) == (free.status, free.body)
    assert (await log_in(http, "ann", OTHER)).status == 401
    assert (await log_in(http, "ann")).status == 201


async def test_only_so_many_accounts_wait_to_be_granted_something(node: Node, http: Http) -> None:
    node.people.roster.posts.update(
        {
            ("S01", f"id {at}"): Post("S01", f"id {at}", None, None, disabled=False)
            for at in range(UNGRANTED_ACCOUNTS_MAX)
        }
    )
    assert (await sign_up(http, "one-more")).status == 503


async def test_an_account_that_somebody_has_looked_at_and_put_away_makes_room_for_another(
    operator: ApiCaller, node: Node, http: Http
) -> None:
    await sign_up(http, "ann")
    await sign_up(http, "bob")
    node.people.roster.posts.update(
        {
            ("S01", f"id {at}"): Post("S01", f"id {at}", None, None, disabled=False)
            for at in range(UNGRANTED_ACCOUNTS_MAX - 2)
        }
    )
    assert (await sign_up(http, "one-more")).status == 503
    ids = {one.username: one.id for one in node.people.roster.users.values()}
    assert (await operator.ask("DELETE", f"/v1/users/{ids['ann']}")).status == 200
    assert (await sign_up(http, "one-more")).status == 202
    assert (await sign_up(http, "another")).status == 503
    at = f"/v1/users/{ids['bob']}/disable"
    assert (await operator.ask("POST", at, json={"location": "S01"})).status == 200
    assert (await sign_up(http, "another")).status == 202


async def test_a_password_that_is_made_is_shown_once_and_must_be_changed(
    operator: ApiCaller, http: Http, shop: Shop
) -> None:
    made = await operator.ask(
        "POST", "/v1/users", json={"username": "ann", "role": "clerk", "location": "S01"}
    )
    password = made.json()["password"]
    reply = await log_in(http, "ann", password)
    assert reply.json()["must_change_password"] is True
    ann = ApiCaller(http, reply.json()["token"])
    changed = await ann.ask("POST", "/v1/me/password", json={"old": password, "new": OTHER})
    assert changed.json()["must_change_password"] is False
    await http.close()
    with contextlib.closing(sqlite3.connect(shop.database)) as db:
        everything = "\n".join(db.iterdump())
    assert password not in everything


async def test_a_badge_or_a_pin_leaves_it_that_a_password_must_be_changed(
    operator: ApiCaller, http: Http
) -> None:
    id_ = await hire(operator, "ann", "clerk")
    here = {"location": "S01"}
    for what, body in (("badge", here), ("reset", {**here, "pin": "4711"})):
        assert (await operator.ask("POST", f"/v1/users/{id_}/{what}", json=body)).status < 300
        assert (await log_in(http, "ann")).json()["must_change_password"] is True, what


async def test_s68_a_person_is_not_called_like_a_till_or_the_operator_nor_a_till_like_a_person(
    operator: ApiCaller, till: ApiCaller, http: Http
) -> None:
    await hire(operator, "ann", "clerk")
    for name in ("till-1", "operator"):
        body = {"username": name, "role": "clerk", "location": "S01", "password": PASSWORD}
        assert (await operator.ask("POST", "/v1/users", json=body)).code == "conflict"
        await sign_up(http, name)
        assert (await log_in(http, name)).status == 401
    made = await operator.ask("POST", "/v1/operator/tokens", json={"name": "ann"})
    assert (made.status, made.code) == (422, "validation_failed")


async def sign_up(http: Http, username: str, password: str = PASSWORD) -> Reply:
    async with http.post(
        "/v1/signup", json={"username": username, "password": password}
    ) as response:
        return await Reply.read(response)


async def test_s8_nobody_reads_in_the_audit_what_proves_somebody(
    operator: ApiCaller, http: Http
) -> None:
    await hire(operator, "max", "manager")
    manager = await signed_in(http, "max")
    for reader in (operator, manager):
        for form in ("json", "csv"):
            told = (await reader.ask("GET", f"/v1/audit?format={form}&entity=credentials")).body
            assert b"(set)" in told
            assert b"argon2" not in told


async def test_s8_a_file_of_the_log_says_how_much_of_it_proves_somebody_and_shows_none_of_it(
    operator: ApiCaller, http: Http, shop: Shop, tmp_path: Path
) -> None:
    """Without those operations' bytes nothing before them would be proved, so they are in the file."""
    await hire(operator, "ann", "cashier")
    await hire(operator, "bob", "cashier")
    file = tmp_path / "audit.jsonl"
    named = ("--data", str(shop.folder.path), "--output", str(file))
    done = await asyncio.to_thread(call, "export", "audit", *named)
    assert done.returncode == 0, done.stderr
    assert "2 of them set a password, a PIN or a badge" in done.stderr
    assert file.stat().st_mode & 0o077 == 0
    assert file.read_bytes().count(b"$argon2id$".hex().encode()) == 2
    told = await asyncio.to_thread(call, "verify", "--export", str(file), "--json")
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("(set)") == 2
    assert "argon2" not in told.stdout
