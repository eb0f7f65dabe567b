"""People of a chain: made at head office or at their shop, known where they may be, and let in without the hub."""

import re
import sqlite3
from contextlib import closing

from argon2 import PasswordHasher

from node.commands.requests import Authority, Caller, Person
from node.people.accounts import NewUser
from node.people.passwords import Hashing
from node.people.people import People
from node.replica import DATABASE_NAME
from protocol.access.table import PersonRole
from protocol.certificate import Role
from tests.node.reunion.here import Here, NodeHere, eventually, settled

OPERATOR = Caller("operator", Authority.OPERATOR)
PASSWORD = "a long enough secret"


def people_of(node: NodeHere) -> People:
    """The people there, whose passwords are quickly looked at."""
    found = node.node.people
    found.sign_ins.hashing = Hashing(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    return found


def knows(people: People, username: str) -> bool:
    """Whether a node knows somebody."""
    return people.roster.named(username) is not None


def new(username: str, role: PersonRole, location: str) -> NewUser:
    """Somebody."""
    return NewUser(username, username.title(), f"{username}@shop.example", location, role)


async def test_a_shop_lets_its_own_people_in_and_makes_more_while_the_hub_is_away(
    here: Here,
) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    office = await here.node("office", role=Role.OFFICE)
    at_office, at_shop, elsewhere = people_of(office), people_of(shop), people_of(other)
    await at_office.create(OPERATOR, new("boss", PersonRole.HQ_ADMIN, "*"), PASSWORD)
    ann, _ = await at_office.create(OPERATOR, new("ann", PersonRole.MANAGER, "S01"), PASSWORD)
    await settled(office, shop, other)
    await eventually(lambda: _known(at_shop, "ann", "boss"), True)
    await eventually(lambda: _known(elsewhere, "ann", "boss"), True)
    await eventually(lambda: _holds(at_shop, "S01", ann), True)
    assert not elsewhere.roster.posts, "another shop knows their names and no more"
    await here.hub.stop()
    begun = await at_shop.sign_ins.sign_in("ann", PASSWORD, None)
    manager = Caller("ann", Authority.PERSON, begun.person)
    bob, _ = await at_shop.create(manager, new("bob", PersonRole.CASHIER, "S01"), PASSWORD)
    assert (await at_shop.sign_ins.sign_in("bob", PASSWORD, None)).person.role == "cashier"
    await here.hub.start()
    await settled(shop, office)
    await eventually(lambda: _holds(at_office, "S01", bob), True)
    assert at_office.roster.person("S01", bob) == Person(
        bob, "bob", PersonRole.CASHIER, frozenset({"S01"})
    )


async def test_a_name_that_two_shops_gave_apart_signs_its_own_in_at_each(here: Here) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    await settled(shop, other)
    await here.hub.stop()
    both = {"S01": people_of(shop), "S02": people_of(other)}
    ids = {}
    for location, people in both.items():
        who = new("sam", PersonRole.CLERK, location)
        ids[location], _ = await people.create(OPERATOR, who, PASSWORD)
    await here.hub.start()
    await settled(shop, other)
    for location, people in both.items():
        await eventually(lambda people=people: _named(people, "sam"), 2)
        begun = await people.sign_ins.sign_in("sam", PASSWORD, None)
        assert begun.person.id == ids[location]


async def _named(people: People, username: str) -> int:
    return sum(one.username == username for one in people.roster.users.values())


async def test_s26_whoever_the_office_switches_off_is_out_at_the_shop_once_it_hears(
    here: Here,
) -> None:
    shop = await here.node("S01")
    office = await here.node("office", role=Role.OFFICE)
    at_office, at_shop = people_of(office), people_of(shop)
    ann, _ = await at_office.create(OPERATOR, new("ann", PersonRole.CLERK, "S01"), PASSWORD)
    await settled(office, shop)
    await eventually(lambda: _holds(at_shop, "S01", ann), True)
    begun = await at_shop.sign_ins.sign_in("ann", PASSWORD, None)
    callers = shop.node.callers
    assert callers.authenticate(begun.token) is not None
    await at_office.set_disabled(OPERATOR, ann, "S01", disabled=True)

    async def is_out() -> bool:
        return callers.authenticate(begun.token) is None

    await eventually(is_out, True)


async def test_s31_no_shops_disk_has_what_proves_anybody_of_another_or_of_head_office(
    here: Here,
) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    office = await here.node("office", role=Role.OFFICE)
    at_office = people_of(office)
    for name, role, location in (
        ("boss", PersonRole.HQ_ADMIN, "*"),
        ("ann", PersonRole.CLERK, "S01"),
        ("bob", PersonRole.CLERK, "S02"),
    ):
        await at_office.create(OPERATOR, new(name, role, location), PASSWORD)
    await settled(office, shop, other)
    await eventually(lambda: _known(people_of(shop), "ann", "bob", "boss"), True)
    for node, own in ((shop, "S01"), (other, "S02")):
        await eventually(lambda node=node, own=own: _has_own(node, own), True)
        with closing(sqlite3.connect(node.path / DATABASE_NAME)) as db:
            ids = db.execute(
                "SELECT id FROM document WHERE collection IN ('posts', 'credentials')"
            ).fetchall()
            text = "\n".join(db.iterdump())
        assert {id_.partition("/")[0] for (id_,) in ids} == {own}
        verifiers = re.findall(b"$argon2id$".hex().upper() + "[0-9A-F]{80}", text)
        assert len(set(verifiers)) == 1, "of whoever is theirs"
        assert b"boss@shop.example".hex().upper() not in text


async def _has_own(node: NodeHere, location: str) -> bool:
    return [at for at, _ in people_of(node).roster.changed_at] == [location]


async def _holds(people: People, location: str, user: str) -> bool:
    """Whether a node has all that somebody signs in by at a location."""
    key = (location, user)
    return people.roster.person(*key) is not None and key in people.roster.changed_at


async def _known(people: People, *names: str) -> bool:
    return all(knows(people, name) for name in names)
