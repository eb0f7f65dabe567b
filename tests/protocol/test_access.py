"""What a device may write: its own locations, what all shops share, the way to another shop."""

import pytest

from protocol.access import DeviceRights, device_may
from protocol.certificate import Role
from protocol.effects import Account, DocumentKey, Effect
from protocol.ids import Scope
from tests.protocol.examples import counter, fact, field

STORE = DeviceRights(Role.STORE, frozenset({"S01", "S03"}))
OFFICE = DeviceRights(Role.OFFICE, ())
CATALOGUE, OWN, OTHER = Scope("catalogue"), Scope("docs:S01"), Scope("docs:S02")
PEOPLE, THEIR_PEOPLE = Scope("people:S01"), Scope("people:S02")


def in_scopes(*scopes: Scope) -> Effect:
    return field(scopes=scopes)


def answer_of(location: str) -> Effect:
    """What a location says to the recall of a lot."""
    found = field(scopes=(CATALOGUE,))
    return found._replace(collection="lots", id="A-100/L1", field=f"acknowledged/{location}")


ALLOWED: dict[str, Effect] = {
    "stock of a location it writes": counter(location="S01"),
    "stock of another location it writes": counter(location="S03", account=Account.RESERVED),
    "a document of the catalogue": in_scopes(CATALOGUE),
    "a document of its own": in_scopes(OWN),
    "people of its own": in_scopes(PEOPLE),
    "a document shared with another shop": in_scopes(OWN, OTHER),
    "a shared document that is in the catalogue too": in_scopes(CATALOGUE, OWN, OTHER),
    "its own answer to a recall": answer_of("S01"),
}
FORBIDDEN: dict[str, Effect] = {
    "stock of another location": counter(location="S02"),
    "another location whose code only begins alike": counter(location="S011"),
    "goods on their way to another shop, without shipping": counter(
        location="S02", account=Account.IN_TRANSIT
    ),
    "a document of another shop": in_scopes(OTHER),
    "people of another shop": in_scopes(THEIR_PEOPLE),
    "the directory": in_scopes(Scope("directory")),
    "the fleet": in_scopes(Scope("fleet")),
    "the fleet, beside a document of its own": in_scopes(OWN, Scope("fleet")),
    "documents of two other shops": in_scopes(OTHER, Scope("docs:S09")),
    "a document of another shop, beside the catalogue": in_scopes(CATALOGUE, OTHER),
    "another shop's answer to a recall": answer_of("S02"),
}


@pytest.mark.parametrize("effect", ALLOWED.values(), ids=ALLOWED)
def test_a_store_may_write(effect: Effect) -> None:
    assert device_may(STORE, fact(effect))


@pytest.mark.parametrize("effect", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_store_may_not_write(effect: Effect) -> None:
    assert not device_may(STORE, fact(effect))
    assert not device_may(STORE, fact(counter(), effect)), "one forbidden effect forbids it all"


@pytest.mark.parametrize("effect", [*ALLOWED.values(), *FORBIDDEN.values()])
def test_an_office_may_write_everything(effect: Effect) -> None:
    assert device_may(OFFICE, fact(effect), {DocumentKey("sku", "A-100"): (OTHER,)})


def test_shipping_puts_goods_on_their_way_to_another_shop_and_touches_nothing_else_there() -> None:
    ship = "move.transfer_ship"
    leave, arrive = counter(delta=-5), counter(location="S02", account=2, delta=5)
    assert device_may(STORE, fact(leave, arrive, kind=ship))
    on_hand = arrive._replace(account=Account.ON_HAND)
    assert not device_may(STORE, fact(leave, on_hand, kind=ship))
    assert not device_may(STORE, fact(leave, arrive, kind="move.transfer_receive"))


def test_an_operation_without_effect_is_always_allowed() -> None:
    assert device_may(DeviceRights(Role.STORE, ()), fact(kind="note"))


@pytest.mark.parametrize(
    ("present", "named", "allowed"),
    [
        ((), (OWN,), True),
        ((OWN,), (OWN,), True),
        ((OWN, OTHER), (OWN, OTHER), True),
        ((CATALOGUE,), (CATALOGUE,), True),
        ((OTHER,), (OWN,), False),
        ((THEIR_PEOPLE,), (PEOPLE,), False),
        ((OTHER,), (CATALOGUE,), False),
        ((Scope("fleet"),), (CATALOGUE,), False),
        ((Scope("fleet"),), (OWN,), False),
        ((Scope("directory"), THEIR_PEOPLE), (PEOPLE,), False),
    ],
)
def test_naming_its_own_scope_does_not_bring_a_document_within_a_devices_reach(
    present: tuple[Scope, ...], named: tuple[Scope, ...], allowed: bool
) -> None:
    """Scopes only grow: otherwise a store could unlock, and read, what is another's."""
    edit = field(collection="person", id="7f", scopes=named)
    assert device_may(STORE, fact(edit), {edit.key: present}) is allowed
    assert device_may(STORE, fact(edit), {DocumentKey("person", "other"): present})


def test_a_store_may_not_name_a_home_that_is_not_its_own() -> None:
    """An op_id is unique within its home: it could spend another shop's ids before that shop does."""
    ship = "move.transfer_ship"
    here, there = counter(location="S01"), counter(location="S02", account=Account.IN_TRANSIT)
    assert device_may(STORE, fact(here, there, kind=ship))
    assert not device_may(STORE, fact(there, here, kind=ship))
    assert not device_may(STORE, fact(there, kind=ship))
