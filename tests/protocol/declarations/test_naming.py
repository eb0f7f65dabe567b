"""Ids made of codes, and the scopes that follow from what a document says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access import DeviceRights, device_may
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.declarations.naming import (
    OFFICE_SCOPE,
    codes_of,
    id_fault,
    id_of,
    scopes_of,
    shown_as,
)
from protocol.effects import DocumentKey, FieldEffect, Join
from protocol.ids import Scope, scope_is_valid
from tests.protocol.examples import fact, field

STORE = DeviceRights(Role.STORE, frozenset({"S01"}))
CODES = st.text("ab/~01\u00e9", min_size=1, max_size=8)


@given(CODES, CODES)
def test_an_id_of_two_codes_is_read_back_as_them(first: str, second: str) -> None:
    assert codes_of(COLLECTIONS["lots"], id_of([first, second])) == {"sku": first, "code": second}


@given(CODES, CODES, CODES, CODES)
def test_other_codes_have_another_id(a: str, b: str, c: str, d: str) -> None:
    assert (id_of([a, b]) == id_of([c, d])) == ((a, b) == (c, d))


def test_one_code_is_the_id_as_it_is() -> None:
    assert id_of(["0/0~1"]) == "0/0~1"
    assert codes_of(COLLECTIONS["skus"], "0/0~1") == {"id": "0/0~1"}
    assert codes_of(COLLECTIONS["orders"], "8a6e0804") == {}


def test_two_codes_as_long_as_codes_may_be_name_a_document_and_only_odd_ones_may_not() -> None:
    assert id_fault(id_of(["\U0001f600" * 64, "x" * 64])) is None
    assert id_fault(id_of(["/" * 64, "~" * 64])) is not None


def test_scopes_follow_from_what_is_set_once() -> None:
    assert scopes_of(COLLECTIONS["skus"], {}) == ("catalogue",)
    assert scopes_of(COLLECTIONS["locations"], {}) == ("directory",)
    assert scopes_of(COLLECTIONS["levels"], {"location": "S01"}) == ("docs:S01",)
    assert scopes_of(COLLECTIONS["alerts"], {"location": None}) == ("catalogue",)
    two = {"source": "S02", "destination": "S01"}
    assert scopes_of(COLLECTIONS["transfers"], two) == ("docs:S01", "docs:S02")
    assert scope_is_valid(OFFICE_SCOPE)


def placed(collection: str, id_: str, *scopes: str) -> FieldEffect:
    """An edit of a document in these scopes."""
    return field(scopes=tuple(map(Scope, scopes)))._replace(collection=collection, id=id_)


@pytest.mark.parametrize(
    "effect",
    [
        placed("skus", "A", "catalogue"),
        placed("levels", "S01/A", "docs:S01"),
        placed("levels", "S~11/A", "docs:S/1"),
        placed("alerts", "1", "docs:S01"),
        placed("alerts", "1", "catalogue"),
        placed("transfers", "1", "docs:S01", "docs:S02"),
        placed("of a newer version", "1", "docs:S01"),
    ],
)
def test_a_store_writes_documents_where_they_belong(effect: FieldEffect) -> None:
    rights = STORE._replace(locations={"S01", "S/1"})
    assert device_may(rights, fact(effect))


@pytest.mark.parametrize(
    "effect",
    [
        placed("skus", "A", "docs:S01"),
        placed("skus", "A", "catalogue", "docs:S01"),
        placed("skus.office", "A", "docs:S01"),
        placed("skus.office", "A", "docs:*", "docs:S01"),
        placed("skus.office", "A", "docs:*"),
        placed("levels.office", "A", "docs:S01"),
        placed("locations", "S01", "docs:S01"),
        placed("levels", "S02/A", "docs:S01"),
        placed("levels", "S02/A", "docs:S01", "docs:S02"),
        placed("levels", "S01", "docs:S02"),
        placed("alerts", "1", "catalogue", "docs:S01"),
        placed("transfers", "1", "catalogue", "docs:S01"),
    ],
)
def test_a_store_cannot_draw_a_document_into_scopes_of_its_own(effect: FieldEffect) -> None:
    assert not device_may(STORE, fact(effect))


@pytest.mark.parametrize("field_name", ["name", "archived", "packs/bag", "of a newer version"])
def test_a_store_cannot_claim_the_offices_rank(field_name: str) -> None:
    name = placed("skus", "A", "catalogue")._replace(field=field_name)
    ranked = name._replace(join=Join.MAX, rank=1)
    assert device_may(STORE, fact(name._replace(join=Join.MAX)))
    assert device_may(STORE, fact(ranked)) == (field_name == "of a newer version")
    assert device_may(DeviceRights(Role.OFFICE, ()), fact(ranked))


def test_the_offices_part_is_shown_as_a_part_of_its_document() -> None:
    assert shown_as(COLLECTIONS, DocumentKey("skus.office", "A")) == DocumentKey("skus", "A")
    for key in (DocumentKey("skus", "A"), DocumentKey("people.office", "A")):
        assert shown_as(COLLECTIONS, key) == key
