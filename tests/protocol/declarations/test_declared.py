"""That every declaration holds together: what one part names is there, and what it shows fits."""

import pytest

from protocol.declarations import COLLECTIONS
from protocol.declarations.catalogue import DECLARED
from protocol.declarations.editing import agreement_fault, form_fault
from protocol.declarations.kinds import Code, Id, Part, Record
from protocol.declarations.naming import codes_of, id_of, scopes_of
from protocol.declarations.reading import shown_value, shown_values
from protocol.declarations.vocabulary import (
    EVERY_DOCUMENT,
    OWN_ATTRIBUTES,
    Audience,
    Collection,
    Place,
    Rule,
    Set,
    Writers,
)
from protocol.documents import size_fault
from protocol.ids import scope_is_valid
from protocol.limits import CODE_CHARS_MAX, NAME_CHARS_MAX
from tests.protocol.declarations.edits import EMPTY, after

ALL = pytest.mark.parametrize("declared", COLLECTIONS.values(), ids=COLLECTIONS)


@ALL
def test_a_collection_names_only_fields_that_it_has(declared: Collection) -> None:
    named = {*declared.locations, *declared.filters, *declared.distinct}
    named |= {name for only in declared.only for name in (only.field, only.other)}
    if declared.identity != ("id",):
        named |= set(declared.identity)
    if declared.open_while or declared.derived:
        named.add("stage")
    assert named <= {field.name for field in declared.fields}


@ALL
def test_no_name_means_two_things(declared: Collection) -> None:
    names = [
        *(one.name for one in (*declared.fields, *EVERY_DOCUMENT)),
        *(one.name for one in declared.entries),
        "id",
        "updated_at",
    ]
    assert len(names) == len(set(names))
    assert all("/" not in name for name in names), "what is before the first / is the map"


@ALL
def test_every_entry_is_a_fields_name_on_the_wire(declared: Collection) -> None:
    for entries in declared.entries:
        longest = len(entries.name) + 1 + entries.key.chars_max
        assert longest <= NAME_CHARS_MAX + CODE_CHARS_MAX


@ALL
def test_a_default_fits_and_what_has_none_shows_null(declared: Collection) -> None:
    for field in (*declared.fields, *EVERY_DOCUMENT):
        assert field.default is None or field.kind.fault(field.default) is None
        assert shown_value(declared, field.name, {}) == field.default


@ALL
def test_what_decides_on_scopes_and_rights_is_set_once(declared: Collection) -> None:
    for name in (*declared.locations, *(n for n in declared.identity if n != "id")):
        field = declared.field(name)
        assert field is not None
        assert field.set is Set.AT_CREATION
        assert (
            field.required
            or declared.place is Place.LOCATION_OR_CATALOGUE
            or name == "from_location"
        )


@ALL
def test_where_it_is_and_who_writes_it_go_together(declared: Collection) -> None:
    """A store is told from the office by the hub only where the scope names a location."""
    of_locations = declared.place in {Place.LOCATIONS, Place.LOCATION_OR_CATALOGUE}
    assert bool(declared.locations) == of_locations
    assert of_locations == (declared.writers in {Writers.OF_ITS_LOCATIONS, Writers.ITS_CREATOR})


@ALL
def test_what_it_refers_to_is_declared(declared: Collection) -> None:
    parts = [
        part
        for one in declared.entries
        if isinstance(one.value, Record)
        for part in one.value.parts
    ]
    held: list[Part] = parts
    for one in (*declared.fields, *held):
        if isinstance(one.kind, Code | Id) and one.kind.refers is not None:
            target = COLLECTIONS[one.kind.refers]
            assert (target.identity == ()) == isinstance(one.kind, Id)


@ALL
def test_its_example_can_be_created_and_is_shown_as_it_was_given(declared: Collection) -> None:
    asked = dict(declared.example)
    assert form_fault(declared, asked) is None
    assert agreement_fault(declared, asked) is None
    for field in declared.fields:
        assert not field.required or field.name in asked
    document = after(declared, EMPTY, asked)
    assert document.fields
    assert size_fault(document) is None
    held = {name: state.value for name, state in document.fields.items()}
    shown = {**shown_values(declared, held, None), **asked_id(declared, asked)}
    for name, value in asked.items():
        match shown[name]:
            case list() | dict() as entries:
                assert len(entries) == len(value)  # type: ignore[arg-type]
            case found:
                assert found == value
    assert all(map(scope_is_valid, scopes_of(declared, asked)))


def asked_id(declared: Collection, asked: dict[str, object]) -> dict[str, str]:
    """The fields that the id of an example says."""
    return codes_of(declared, id_of([str(asked[name]) for name in declared.identity] or ["x"]))


def test_attributes_are_declared_for_the_collections_that_take_them() -> None:
    taking = {name for name, one in COLLECTIONS.items() if OWN_ATTRIBUTES in one.entries}
    assert taking == set(DECLARED)


def test_what_is_the_offices_alone_is_nowhere_but_in_its_part() -> None:
    kept = {
        (name, field.name)
        for name, one in COLLECTIONS.items()
        for field in one.fields
        if field.audience is Audience.OFFICE
    }
    assert kept == {("skus", "cost")}
    assert [name for name, one in COLLECTIONS.items() if one.has_office_part] == ["skus"]
    shown = shown_values(COLLECTIONS["skus"], {"cost": {"amount": 1, "currency": "EUR"}}, None)
    assert "cost" not in shown, "also where a device wrote it into the shared part"


def test_stages_are_written_by_steps_alone() -> None:
    for declared in COLLECTIONS.values():
        for field in declared.fields:
            assert (field.rule is Rule.FURTHEST) == (
                field.name in {"stage"} or (field.name, declared.name) == ("status", "orders")
            )


def test_what_does_not_fit_is_shown_as_if_it_were_not_there() -> None:
    held = {
        "name": 5,
        "minimum": "many",
        "unit": "g",
        "packs/bag": {"multiple": 0},
        "packs/": {"multiple": 5},
        "packs/crate": {"multiple": 5},
        "barcodes/1": 7,
        "of a newer version": 1,
    }
    shown = shown_values(COLLECTIONS["skus"], held, None)
    assert (shown["name"], shown["minimum"], shown["unit"]) == (None, None, "g")
    assert (shown["packs"], shown["barcodes"]) == ({"crate": {"multiple": 5}}, {})
    assert "of a newer version" not in shown


def test_a_line_under_a_name_that_is_not_its_own_is_not_shown() -> None:
    held = {"lines/0123456789abcdef": {"sku": "a", "lot": "", "quantity": 1}}
    assert shown_values(COLLECTIONS["orders"], held, None)["lines"] == []
