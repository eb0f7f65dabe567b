"""Who may make an edit: by the node's role and locations, the collection, the field and the creator."""

from typing import Any

import pytest

from protocol.access import DeviceRights, Edit, edit_fault
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.declarations.vocabulary import Audience, Writers

STORE = DeviceRights(Role.STORE, frozenset({"S01"}))
OFFICE = DeviceRights(Role.OFFICE, ())
HERE, THERE = frozenset({"S01"}), frozenset({"S02"})


def edit(collection: str, *fields: str, **how: Any) -> Edit:
    """A change by somebody else than the creator, of a document of S01 where it has a location."""
    declared = COLLECTIONS[collection]
    places = HERE if declared.locations else frozenset[str]()
    given = {"locations": places, "is_new": False, "is_by_creator": False, **how}
    return Edit(declared, given["locations"], given["is_new"], fields, given["is_by_creator"])


ALLOWED = {
    "a new SKU": edit("skus", "name", "price", "packs", is_new=True),
    "a barcode of a SKU": edit("skus", "barcodes"),
    "a new supplier": edit("suppliers", "name", is_new=True),
    "a lot at goods-in": edit("lots", "expiry", is_new=True),
    "a level of its own": edit("levels", "minimum"),
    "an order of its own": edit("orders", "lines", "archived"),
    "a transfer to it": edit("transfers", "note", locations=HERE | THERE),
    "a new alert of its own": edit("alerts", "threshold", is_new=True),
    "an alert that it created": edit("alerts", "threshold", is_by_creator=True),
}
FORBIDDEN = {
    "another name of a SKU": edit("skus", "name"),
    "a barcode and a pack": edit("skus", "barcodes", "packs"),
    "a SKU's archiving": edit("skus", "archived"),
    "what a SKU costs": edit("skus", "cost"),
    "a new SKU with what it costs": edit("skus", "name", "cost", is_new=True),
    "a lot's recall": edit("lots", "status"),
    "a new location": edit("locations", "name", is_new=True),
    "a new attribute": edit("attributes", "type", is_new=True),
    "a level of another shop": edit("levels", "minimum", locations=THERE),
    "a transfer between others": edit("transfers", "note", locations=frozenset({"S02", "S03"})),
    "an alert of somebody else": edit("alerts", "threshold"),
    "an alert for all locations": edit("alerts", "threshold", locations=frozenset(), is_new=True),
}


@pytest.mark.parametrize("asked", ALLOWED.values(), ids=ALLOWED)
def test_a_store_may_edit(asked: Edit) -> None:
    assert edit_fault(STORE, asked) is None


@pytest.mark.parametrize("asked", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_store_may_not_edit(asked: Edit) -> None:
    assert edit_fault(STORE, asked) is not None


@pytest.mark.parametrize("asked", [*ALLOWED.values(), *FORBIDDEN.values()])
def test_an_office_may_edit_everything(asked: Edit) -> None:
    assert edit_fault(OFFICE, asked) is None


@pytest.mark.parametrize("asked", ALLOWED.values(), ids=ALLOWED)
def test_who_was_let_go_and_writes_nowhere_edits_nothing(asked: Edit) -> None:
    """The hub would hear of it no more: an answer would promise what is lost."""
    assert edit_fault(DeviceRights(Role.STORE, ()), asked) is not None


@pytest.mark.parametrize("name", COLLECTIONS)
def test_no_store_writes_what_is_the_offices(name: str) -> None:
    declared = COLLECTIONS[name]
    kept = [one.name for one in declared.fields if one.audience is Audience.OFFICE]
    for field in kept if declared.writers is not Writers.OFFICE else [declared.fields[0].name]:
        assert edit_fault(STORE, edit(name, field, is_new=True)) is not None
