"""A node is stolen: what it held of what proves people opens nothing anywhere, until it is set by somebody who knows of that."""

import pytest

from node.commands.requests import Caller, Refusal
from node.people.people import People
from protocol.access.table import PersonRole
from protocol.certificate import Role
from tests.node.reunion.here import Here, eventually, settled
from tests.node.reunion.test_people import OPERATOR, PASSWORD, new, people_of

OTHER, PIN = "another long enough secret", "4711"
TILL = Caller("till-1", OPERATOR.authority)


async def lets_in(
    people: People, name: str, password: str = PASSWORD, at: str | None = None
) -> bool:
    """Whether somebody signs in there."""
    try:
        await people.sign_ins.sign_in(name, password, at)
    except Refusal:
        await people.sign_ins.forgive(name)
        return False
    return True


async def knows(people: People, location: str, user: str) -> bool:
    """Whether a node knows that a credential is to be set anew."""
    await people.look()
    return (location, user) in people.roster.must_reset


async def has(people: People, location: str, user: str) -> bool:
    """Whether a node has a credential that opens something."""
    await people.look()
    return (location, user) in people.roster.changed_at


async def test_s30_what_a_stolen_node_held_of_its_staff_opens_nothing_until_it_is_set_anew(
    here: Here,
) -> None:
    stolen, beside = await here.node("S01"), await here.node("S01b", writes=("S01",))
    other, office = await here.node("S02"), await here.node("office", role=Role.OFFICE)
    at_office, at_beside, elsewhere = people_of(office), people_of(beside), people_of(other)
    await at_office.create(OPERATOR, new("boss", PersonRole.HQ_ADMIN, "*"), PASSWORD)
    ann, _ = await at_office.create(OPERATOR, new("ann", PersonRole.CASHIER, "S01"), PASSWORD)
    bob, _ = await at_office.create(OPERATOR, new("bob", PersonRole.CASHIER, "S02"), PASSWORD)
    await at_office.reset(OPERATOR, ann, "S01", None, PIN)
    badge = await at_office.give_badge(OPERATOR, ann, "S01")
    await settled(stolen, beside, other, office)
    await eventually(lambda: has(at_beside, "S01", ann), True)
    await eventually(lambda: has(elsewhere, "S02", bob), True)
    session = await at_beside.sign_ins.sign_in("ann", PASSWORD, None)
    assert beside.node.callers.authenticate(session.token) is not None

    answer = await here.hub.tell("revoke", name="S01")
    (held,) = answer["credentials"]
    assert (held["location"], held["user"], held["username"]) == ("S01", ann, "ann")
    assert held["proves"] == ["password", "pin", "badge"]

    await eventually(lambda: knows(at_beside, "S01", ann), True)
    await eventually(lambda: knows(at_office, "S01", ann), True)
    assert beside.node.callers.authenticate(session.token) is None, "the session ended"
    assert not await lets_in(at_beside, "ann")
    assert not await lets_in(at_office, "ann", at="S01")
    with pytest.raises(Refusal):
        await at_beside.sign_ins.sign_on(TILL, "ann", PIN)
    with pytest.raises(Refusal):
        await at_beside.sign_ins.sign_on_by_badge(TILL, badge)
    assert await lets_in(at_office, "boss"), "head office's it never held"
    assert await lets_in(elsewhere, "bob"), "nor another shop's"

    await at_office.reset(OPERATOR, ann, "S01", OTHER, None)
    await settled(office, beside)
    await eventually(lambda: has(at_beside, "S01", ann), True)
    assert await lets_in(at_beside, "ann", OTHER)
    assert not await lets_in(at_beside, "ann")
    with pytest.raises(Refusal):
        await at_beside.sign_ins.sign_on(TILL, "ann", PIN)
    with pytest.raises(Refusal):
        await at_beside.sign_ins.sign_on_by_badge(TILL, badge)
    again = await here.hub.tell("revoke", name="S01")
    assert again["credentials"] == [], "nothing is left to be set"


async def test_s30_a_password_that_was_set_without_knowing_of_the_theft_opens_nothing_either(
    here: Here,
) -> None:
    await here.node("S01")
    beside, office = (
        await here.node("S01b", writes=("S01",)),
        await here.node("office", role=Role.OFFICE),
    )
    at_office, at_beside = people_of(office), people_of(beside)
    ann, _ = await at_office.create(OPERATOR, new("ann", PersonRole.CASHIER, "S01"), PASSWORD)
    await settled(office, beside)
    await eventually(lambda: has(at_beside, "S01", ann), True)
    await office.stop()
    await beside.stop()
    await here.hub.tell("revoke", name="S01")
    await here.hub.stop()
    await beside.start()
    at_beside = people_of(beside)
    assert await lets_in(at_beside, "ann"), "cut off, nobody there knows of it"
    await at_beside.reset(OPERATOR, ann, "S01", OTHER, None)
    await here.hub.start()
    await settled(beside)
    await eventually(lambda: knows(at_beside, "S01", ann), True)
    assert not await lets_in(at_beside, "ann", OTHER)
    await at_beside.reset(OPERATOR, ann, "S01", OTHER, None)
    assert await lets_in(at_beside, "ann", OTHER)
    await office.start()
    at_office = people_of(office)
    await settled(office, beside)
    await eventually(lambda: lets_in(at_office, "ann", OTHER, at="S01"), True)
    assert not await lets_in(at_office, "ann", at="S01")


async def test_s30_of_a_stolen_office_everybodys_are_to_be_set_anew_and_a_new_machine_knows_it(
    here: Here,
) -> None:
    office, shop = await here.node("office", role=Role.OFFICE), await here.node("S01")
    at_office, at_shop = people_of(office), people_of(shop)
    boss, _ = await at_office.create(OPERATOR, new("boss", PersonRole.HQ_ADMIN, "*"), PASSWORD)
    ann, _ = await at_office.create(OPERATOR, new("ann", PersonRole.CASHIER, "S01"), PASSWORD)
    await settled(office, shop)
    await eventually(lambda: has(at_shop, "S01", ann), True)
    answer = await here.hub.tell("revoke", name="office")
    assert {one["username"] for one in answer["credentials"]} == {"ann", "boss"}
    await eventually(lambda: knows(at_shop, "S01", ann), True)
    fresh = people_of(await here.node("office2", role=Role.OFFICE))
    await eventually(lambda: knows(fresh, "*", boss), True)
    assert not await lets_in(fresh, "boss")
    await fresh.reset(OPERATOR, boss, "*", OTHER, None)
    assert await lets_in(fresh, "boss", OTHER)
