"""S1: every address, event, batch item and export, by everybody, at the own location and at another; against a table.

An address without a row fails. To make the table anew after a right was changed on purpose: run this file with
`EVERSTOCK_WRITE_MATRIX=1`, and read what changed.
"""

import os
from pathlib import Path

from node.api.routes import routes
from node.api.typed import Route
from node.commands.requests import Authority, Caller, Person
from node.live.events import Event, EventName
from node.live.rights import may_be_told
from protocol.access.table import PersonRole
from protocol.declarations import COLLECTIONS, PEOPLE
from protocol.ids import Scope
from tests.node.api.caller import ApiCaller
from tests.security.people import matrix
from tests.security.people.callers import OFFICE, said
from tests.security.people.matrix import LOCATIONS, Things
from tests.security.people.staff import hire

GOLDEN = Path(__file__).with_name("matrix.txt")
ROUTES = routes()


async def test_s1_every_address_answers_everybody_as_the_table_says(
    everybody: dict[str, ApiCaller],
) -> None:
    callers, operator = everybody, everybody["operator"]
    things = await _things(operator)
    lines = [f"{'':<48} {' '.join(callers)}"]
    for route in ROUTES:
        name = f"{route.method} {route.path}"
        if route.is_open or route.is_own:
            lines.append(f"{name:<48} {'without a token' if route.is_open else 'about oneself'}")
            continue
        cells = [
            (await _cell(caller, route, things, called)).ljust(len(called))
            for called, caller in callers.items()
        ]
        lines.append(f"{name:<48} {' '.join(cells)}".rstrip())
    lines += _events()
    _compare("\n".join(lines) + "\n")


async def test_s1_an_item_of_a_batch_is_judged_as_if_it_came_alone(
    everybody: dict[str, ApiCaller],
) -> None:
    callers = everybody
    things = Things({})
    batches = [one for one in ROUTES if one.path.endswith("/batch")]
    # What a code names is there after the first, and a row of it is a change: another right.
    named = {f"/v1/{one.name}/batch" for one in COLLECTIONS.values() if one.identity}
    batches = [one for one in batches if one.path not in named]
    assert len(batches) == 6
    for batch in batches:
        alone = next(
            one
            for one in ROUTES
            if (one.method, one.path) == ("POST", batch.path.removesuffix("/batch"))
        )
        for called in ("buyer", "manager", "clerk", "cashier", "till", "manager_of_S02"):
            for location in LOCATIONS.values():
                key = f"{batch.path} {called} {location}"
                caller = callers[called]
                said = matrix.body(alone, location, ROUTES)
                single = await matrix.ask(caller, alone, things, location, f"{key} 1", said)
                many = matrix.body(batch, location, ROUTES)
                assert many is not None
                next(iter(many.values()))[0]["key"] = f"{key}_2".replace(" ", "_")
                reply = await caller.ask("POST", batch.path, json=many)
                item = "-" if reply.status == 403 else matrix.item_status(reply.json())
                assert item == single, (batch.path, called, location)


async def test_s7_s8_what_goods_cost_is_shown_to_whoever_may_read_it_and_in_no_other_form(
    everybody: dict[str, ApiCaller],
) -> None:
    callers, operator = everybody, everybody["operator"]
    cost = {"amount": 777_123, "currency": "GBP"}
    sku = {"id": "tea", "name": "Tea", "cost": cost}
    await said(operator, "skus", sku)
    await said(operator, "suppliers", {"name": "Lakeside", "contact_info": "call 555-0100"})
    line = {"sku": "tea", "delta": 5, "unit_cost": cost}
    received = {"kind": "receive", "location": "S01", "lines": [line]}
    assert (await operator.record("received", received)).status == 201
    paths = ("skus", "skus/tea", "movements?location=S01", "suppliers")
    reports = ("reports/valuation?location=S01", "reports/valuation?location=S01&format=csv")
    seeing: dict[str, set[str]] = {"cost": set(), "contact": set()}
    for called in (*OFFICE, "manager", "pharmacist", "clerk", "cashier", "till_person", "till"):
        for path in (*paths, *reports):
            body = (await callers[called].ask("GET", f"/v1/{path}")).body
            if b"777123" in body:
                seeing["cost"].add(called)
            if b"555-0100" in body:
                seeing["contact"].add(called)
    assert seeing["cost"] == {*OFFICE, "manager"}
    assert seeing["contact"] == {*OFFICE, "manager", "pharmacist", "clerk", "till_person", "till"}
    for path in ("skus?cost=777123", "skus?order=cost", "skus?limit=1&cost.amount=1"):
        assert (await callers["clerk"].ask("GET", f"/v1/{path}")).status == 422


async def test_s2_what_is_another_shops_is_answered_as_what_is_not_there(
    everybody: dict[str, ApiCaller],
) -> None:
    callers, operator = everybody, everybody["operator"]
    things = await _things(operator)
    manager = callers["manager"]
    for collection in ("orders", "stocktakes", "alerts", "movements"):
        theirs = things.ids[collection]["S02"]
        missing = theirs[:-1] + ("0" if theirs[-1] != "0" else "1")
        for method in ("GET",) if collection == "movements" else ("GET", "PATCH", "DELETE"):
            sent = {"json": {}} if method == "PATCH" else {}
            answers = [
                await manager.ask(
                    method,
                    f"/v1/{collection}/{id_}",
                    headers={"Idempotency-Key": f"{method}-{id_}"},
                    **sent,
                )
                for id_ in (theirs, missing)
            ]
            assert [reply.status for reply in answers] == [404, 404], (method, collection)
            assert answers[0].body == answers[1].body
        if collection != "movements":
            listed = await manager.get(f"/v1/{collection}")
            assert theirs not in {one["id"] for one in listed["items"]}


async def test_s9_s68_nobody_says_what_they_are_or_which_id_they_have(operator: ApiCaller) -> None:
    user = {"username": "ann", "location": "S01", "password": "a long enough secret"}
    for name in (
        "id",
        "created_by",
        "created_at",
        "hub_seq",
        "acl",
        "disabled",
        "posts",
        "archived",
    ):
        for path in ("/v1/users", "/v1/signup", "/v1/login"):
            reply = await operator.ask("POST", path, json={**user, name: "x"})
            assert (reply.status, reply.code) == (422, "validation_failed"), (path, name)
    asked = {**user, "role": "hq_admin"}
    assert (await operator.ask("POST", "/v1/signup", json=asked)).status == 422
    for username in ("role:manager", "operator/1", "a b", "Ann", "*", "caf\u00e9", ""):
        reply = await operator.ask("POST", "/v1/users", json={**user, "username": username})
        assert reply.status == 422, username
    for role in ("king", "role:manager", "operator", "HQ_ADMIN", 1):
        assert (await operator.ask("POST", "/v1/users", json={**user, "role": role})).status == 422


# --- private ----------------------------------------------------------------------------------------------------


async def _things(operator: ApiCaller) -> Things:
    found: dict[str, dict[str, str]] = {}
    await said(operator, "skus", {"id": "tea", "name": "Tea"})
    await said(operator, "lots", {"sku": "tea", "code": "L1"})
    supplier = (await said(operator, "suppliers", {"name": "Lakeside"}))["id"]
    found["suppliers"] = dict.fromkeys(LOCATIONS.values(), supplier)
    for location in LOCATIONS.values():
        await said(operator, "levels", {"location": location, "sku": "tea", "minimum": 1})
        told = {
            "orders": {"kind": "purchase", "location": location},
            "transfers": {"source": location, "destination": "S09"},
            "stocktakes": {"location": location},
            "alerts": {"location": location, "sku": "tea", "threshold": 1},
        }
        for collection, asked in told.items():
            made = (await said(operator, collection, asked))["id"]
            found.setdefault(collection, {})[location] = made
        user = await hire(operator, f"staff-{location.lower()}", "cashier", location)
        found.setdefault("users", {})[location] = user
        line = {"sku": "tea", "delta": 50}
        moved = {"kind": "receive", "location": location, "lines": [line]}
        reply = await operator.record(f"received-{location}", moved)
        assert reply.status == 201, reply
        found.setdefault("movements", {})[location] = reply.json()["id"]
    return Things(found)


async def _cell(caller: ApiCaller, route: Route, things: Things, called: str) -> str:
    if called == "operator" and route.action == "node.administer":
        return "aa"  # those turn the node itself about; their own tests ask them
    letters, before = "", None
    for location in LOCATIONS.values():
        sent = matrix.body(route, location, ROUTES)
        request = (things.path(route, location), matrix.parameters(route, location), sent)
        if request == before or (letters and called in {"nobody", "expired"}):
            letters += letters  # the same again, or nobody's anywhere
            continue
        before = request
        key = f"{called} {route.method} {route.path} {location}"
        letters += await matrix.ask(caller, route, things, location, key, sent)
    return letters


def _events() -> list[str]:
    people = {
        role.value: Caller(
            role.value,
            Authority.PERSON,
            Person(
                "1", role.value, role, frozenset() if role.value in OFFICE else frozenset({"S01"})
            ),
        )
        for role in PersonRole
    }
    people["no_role"] = Caller(
        "no_role", Authority.PERSON, Person("1", "x", None, frozenset({"S01"}))
    )
    lines = [f"{'':<48} {' '.join(people)}"]
    matters = [("stock", "x"), ("movement", "x"), ("alert", "x"), ("exception", "x")]
    matters += [("document", name, "x") for name in (*COLLECTIONS, *PEOPLE, "of_a_later_version")]
    names = {one.value: one for one in EventName}
    for key in matters:
        cells = []
        for called, caller in people.items():
            may = may_be_told(caller)
            assert may is not None
            letters = ""
            for scopes in (("docs:S01",), ("docs:S02",), ("docs:S01", "docs:S02"), ("catalogue",)):
                event = Event(1, key, names[key[0]], b"{}", tuple(map(Scope, scopes)))
                letters += "a" if may(event) else "-"
            cells.append(letters.ljust(len(called)))
        name = "EVENT " + " ".join(part for part in key if part != "x")
        lines.append(f"{name:<48} {' '.join(cells)}".rstrip())
    return lines


def _compare(found: str) -> None:
    if os.environ.get("EVERSTOCK_WRITE_MATRIX"):
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
