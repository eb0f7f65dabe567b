"""People, as documents: whose nodes read and write what of them."""

import pytest

from protocol.access import DeviceRights, device_may
from protocol.access.table import PersonRole
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS, DECLARED, PEOPLE
from protocol.declarations.naming import scopes_of
from protocol.declarations.people import CREDENTIALS, GRANTED, POSTS, USERS
from protocol.effects import DocumentKey, FieldEffect
from protocol.ids import Scope
from tests.protocol.examples import fact, field

STORE = DeviceRights(Role.STORE, frozenset({"S01"}))
USER = "2f1c8a52-0000-4000-8000-000000000001"


def edit(collection: str, id_: str, name: str, *scopes: str) -> FieldEffect:
    found = field(scopes=tuple(Scope(one) for one in scopes))
    return found._replace(collection=collection, id=id_, field=name)


ALLOWED = {
    "somebody of its own in the directory": edit(
        "users", USER, "display_name", "directory", "people:S01"
    ),
    "what they are there": edit("posts", f"S01/{USER}", "role", "people:S01"),
    "what proves it": edit("credentials", f"S01/{USER}", "password", "people:S01"),
}
FORBIDDEN = {
    "somebody of head office": edit("users", USER, "display_name", "directory"),
    "somebody of another shop": edit("users", USER, "display_name", "directory", "people:S02"),
    "somebody of two shops": edit(
        "users", USER, "display_name", "directory", "people:S01", "people:S02"
    ),
    "somebody whom the directory does not know": edit("users", USER, "display_name", "people:S01"),
    "what somebody is in the whole chain": edit("posts", f"*/{USER}", "role", "people:*"),
    "what proves it for head office": edit("credentials", f"*/{USER}", "password", "people:*"),
    "what somebody is at another shop": edit("posts", f"S02/{USER}", "role", "people:S02"),
    "another shop's, as if it were its own": edit("posts", f"S02/{USER}", "role", "people:S01"),
    "a location, by way of the directory": edit("locations", "S01", "name", "directory"),
}


@pytest.mark.parametrize("effect", ALLOWED.values(), ids=ALLOWED)
def test_a_store_writes_of_people(effect: FieldEffect) -> None:
    assert device_may(STORE, fact(effect))


@pytest.mark.parametrize("effect", FORBIDDEN.values(), ids=FORBIDDEN)
def test_s3_a_store_does_not_write_of_people(effect: FieldEffect) -> None:
    assert not device_may(STORE, fact(effect))
    assert device_may(DeviceRights(Role.OFFICE, ()), fact(effect))


def test_nobody_of_head_office_is_taken_over_by_naming_a_shop_with_them() -> None:
    effect = edit("users", USER, "display_name", "directory", "people:S01")
    for held in ({"directory"}, {"directory", "people:S02"}):
        present = {DocumentKey("users", USER): frozenset(map(Scope, held))}
        assert not device_may(STORE, fact(effect), present)


def test_who_somebody_is_is_told_to_all_and_what_proves_it_to_the_shop() -> None:
    assert scopes_of(USERS, {"location": "S01"}) == ("directory", "people:S01")
    assert scopes_of(USERS, {}) == ("directory",)
    for collection in (POSTS, CREDENTIALS):
        assert scopes_of(collection, {"location": "S01", "user": USER}) == ("people:S01",)
        assert scopes_of(collection, {"location": "*", "user": USER}) == ("people:*",)


def test_the_directory_holds_no_secret_and_nothing_of_rights() -> None:
    assert {one.name for one in USERS.fields} == {"username", "display_name", "location"}


def test_no_surface_lists_people_as_they_are() -> None:
    assert not set(PEOPLE) & set(COLLECTIONS)
    assert set(DECLARED) == set(PEOPLE) | set(COLLECTIONS)


def test_every_role_can_be_granted() -> None:
    assert tuple(PersonRole) == GRANTED
