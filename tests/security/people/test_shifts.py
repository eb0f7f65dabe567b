"""Who is at the till: shifts by PIN, what is recorded under them, and the second person who saw it."""

import pytest

from node.node import Node
from protocol.declarations.catalogue import LOCATIONS, SKUS
from protocol.limits import SHIFT_S_MAX, SIGN_IN_FAILURES_MAX, WITNESS_S_MAX
from tests.node.api.caller import ApiCaller, Http, Reply, movement, sale
from tests.security.people.staff import Clock, hire, office_says

PIN, OTHER_PIN = "4711", "8319"


@pytest.fixture
async def staffed(operator: ApiCaller, node: Node) -> dict[str, str]:
    """Give the ids of a cashier, a pharmacist and a clerk, who have PINs."""
    found = {}
    for name, role, pin in (
        ("ann", "cashier", PIN),
        ("pia", "pharmacist", OTHER_PIN),
        ("cleo", "clerk", OTHER_PIN),
    ):
        found[name] = await hire(operator, name, role)
        body = {"location": "S01", "pin": pin}
        assert (
            await operator.ask("POST", f"/v1/users/{found[name]}/reset", json=body)
        ).status == 200
    return found


async def sign_on(till: ApiCaller, name: str, pin: str = PIN) -> dict[str, str]:
    """Sign on at a till; the header of the shift."""
    reply = await till.ask("POST", "/v1/shifts", json={"username": name, "pin": pin})
    assert reply.status == 201, reply
    return {"Everstock-Shift": reply.json()["token"]}


async def record(till: ApiCaller, key: str, what: object, **headers: str) -> Reply:
    """Record a movement with some headers."""
    given = {"Idempotency-Key": key, **headers}
    return await till.ask("POST", "/v1/movements", json=what, headers=given)


async def test_what_is_recorded_in_a_shift_names_the_person_and_the_till(
    till: ApiCaller, node: Node, staffed: dict[str, str]
) -> None:
    shift = await sign_on(till, "ann")
    answer = await record(till, "k", sale(("tea", -1)), **shift)
    assert (answer.status, answer.json()["actor"]) == (201, "ann")
    (found,), _ = await till.books()
    assert (found["actor"], found["device"]) == ("ann", "till-1")
    again = await record(till, "k", sale(("tea", -1)))
    assert again.headers["Idempotency-Replayed"] == "true", "the key is the till's"


async def test_a_shift_has_its_persons_rights_and_not_the_tills(
    till: ApiCaller, staffed: dict[str, str]
) -> None:
    ann, cleo = await sign_on(till, "ann"), {}
    wasted = movement("waste", ("tea", -1), reason="DAMAGED")
    assert (await record(till, "1", wasted, **ann)).code == "forbidden"
    cleo = await sign_on(till, "cleo", OTHER_PIN)
    assert (await record(till, "2", wasted, **cleo)).status == 201
    assert (await record(till, "3", sale(("tea", -1)), **ann)).code == "shift_required"


async def test_a_shift_ends_by_signing_off_by_time_and_with_the_person(
    till: ApiCaller, operator: ApiCaller, staffed: dict[str, str], clock: Clock
) -> None:
    async def is_over(shift: dict[str, str]) -> bool:
        reply = await till.ask("GET", "/v1/stock", headers=shift)
        return reply.status == 403

    shift = await sign_on(till, "ann")
    assert not await is_over(shift)
    assert (await till.ask("DELETE", "/v1/shifts")).status == 200
    assert await is_over(shift)
    shift = await sign_on(till, "ann")
    clock.passes(SHIFT_S_MAX + 1)
    assert await is_over(shift)
    shift = await sign_on(till, "ann")
    await operator.ask("POST", f"/v1/users/{staffed['ann']}/disable", json={"location": "S01"})
    assert await is_over(shift)


async def test_somebody_signs_on_by_a_badge_until_they_get_another(
    till: ApiCaller, operator: ApiCaller, staffed: dict[str, str]
) -> None:
    here, at = {"location": "S01"}, f"/v1/users/{staffed['ann']}/badge"
    badges = [(await operator.ask("POST", at, json=here)).json()["badge"] for _ in range(2)]
    old, new = [await till.ask("POST", "/v1/shifts", json={"badge": badge}) for badge in badges]
    assert (old.status, old.code) == (401, "unauthenticated")
    assert new.json()["person"]["username"] == "ann"
    shift = {"Everstock-Shift": new.json()["token"]}
    assert (await record(till, "k", sale(("tea", -1)), **shift)).json()["actor"] == "ann"
    for mixed in ({}, {"badge": badges[1], "pin": PIN}, {"username": "ann"}):
        assert (await till.ask("POST", "/v1/shifts", json=mixed)).code == "validation_failed"
    assert (await sign_on(till, "ann")) != shift, "the PIN stays"


async def test_a_shift_is_at_one_till_and_no_token_by_itself(
    till: ApiCaller, node: Node, http: Http, staffed: dict[str, str]
) -> None:
    shift = await sign_on(till, "ann")
    other = ApiCaller(http, await node.callers.create_token("till-2"))
    assert (await record(other, "k", sale(("tea", -1)), **shift)).code == "shift_required"
    alone = ApiCaller(http, shift["Everstock-Shift"])
    assert (await alone.ask("GET", "/v1/stock")).status == 401


async def test_s22_pins_are_guessed_as_often_as_passwords(
    till: ApiCaller, staffed: dict[str, str]
) -> None:
    for _ in range(SIGN_IN_FAILURES_MAX):
        await till.ask("POST", "/v1/shifts", json={"username": "ann", "pin": "0001"})
    reply = await till.ask("POST", "/v1/shifts", json={"username": "ann", "pin": PIN})
    assert (reply.status, reply.code) == (429, "rate_limited")


async def test_tills_of_a_location_that_asks_for_shifts_record_nothing_without_one(
    till: ApiCaller, node: Node, staffed: dict[str, str]
) -> None:
    assert (await record(till, "1", sale(("tea", -1)))).status == 201, "as today, unless asked for"
    await office_says(node, LOCATIONS, {"id": "S01", "name": "Market Street", "shifts": "required"})
    await node.people.look()
    assert (await record(till, "2", sale(("tea", -1)))).code == "shift_required"
    assert (await till.ask("GET", "/v1/stock")).status == 200
    assert (await record(till, "2", sale(("tea", -1)), **await sign_on(till, "ann"))).status == 201


async def test_in_a_shift_the_witness_shows_their_pin(
    till: ApiCaller, node: Node, staffed: dict[str, str], clock: Clock
) -> None:
    await office_says(node, SKUS, {"id": "morphine", "name": "Morphine", "witness": True})
    shift = await sign_on(till, "pia", OTHER_PIN)
    given = movement("dispense", ("morphine", -1), witness="cleo")
    assert (await record(till, "1", given, **shift)).code == "witness_required"
    vouched = await till.ask("POST", "/v1/witnesses", json={"username": "cleo", "pin": OTHER_PIN})
    seen = {**shift, "Everstock-Witness": vouched.json()["token"]}
    other = movement("dispense", ("morphine", -1), witness="ann")
    assert (await record(till, "2", other, **seen)).code == "witness_required"
    assert (await record(till, "3", given, **seen)).status == 201
    clock.passes(WITNESS_S_MAX + 1)
    assert (await record(till, "4", given, **seen)).code == "shift_required"
    own = await till.ask("POST", "/v1/witnesses", json={"username": "pia", "pin": OTHER_PIN})
    alone = {**shift, "Everstock-Witness": own.json()["token"]}
    herself = movement("dispense", ("morphine", -1), witness="pia")
    assert (await record(till, "5", herself, **alone)).code == "witness_required"


async def test_whoever_is_nothing_here_any_more_is_no_witness(
    till: ApiCaller, operator: ApiCaller, staffed: dict[str, str]
) -> None:
    shown = {"username": "cleo", "pin": OTHER_PIN}
    assert (await till.ask("POST", "/v1/witnesses", json=shown)).status == 201
    at = f"/v1/users/{staffed['cleo']}/grant"
    body = {"location": "S01", "role": None}
    assert (await operator.ask("POST", at, json=body)).status == 200
    reply = await till.ask("POST", "/v1/witnesses", json=shown)
    assert (reply.status, reply.code) == (401, "unauthenticated")


async def test_where_nobody_signs_on_a_witness_is_a_name_as_before(
    till: ApiCaller, node: Node
) -> None:
    await office_says(node, SKUS, {"id": "morphine", "name": "Morphine", "witness": True})
    given = movement("dispense", ("morphine", -1), witness="the pharmacist")
    assert (await record(till, "1", given)).status == 201
