"""From a wish to effects: only what differs, each field by its own join, later than all that was seen."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import Stamp
from protocol.declarations.editing import (
    Author,
    Change,
    agreement_fault,
    changes_of,
    effects_of,
    entries_fault,
    form_fault,
)
from protocol.declarations.reading import shown_values
from protocol.documents import Document, join
from protocol.effects import DocumentKey, Join
from protocol.ids import ReplicaId, Scope
from protocol.limits import (
    ATTRIBUTES_PER_DOCUMENT_MAX,
    BARCODES_MAX,
    DOCUMENT_LINES_MAX,
    PACKS_MAX,
)
from tests.protocol.declarations.edits import (
    EMPTY,
    HERE,
    LOTS,
    ORDERS,
    SKUS,
    THERE,
    after,
    apply,
    edit,
    values,
)

YEAR_MS = 365 * 86_400_000


def expiry(document: Document) -> object:
    return values(document)["expiry"]


def test_only_what_differs_is_edited() -> None:
    apple = after(SKUS, EMPTY, {"name": "Apple", "unit": "g", "packs": {"bag": {"multiple": 500}}})
    asked = {"name": "Apple", "unit": "kg", "packs": {"bag": {"multiple": 500}}, "category": None}
    assert [effect.field for effect in edit(SKUS, apple, asked)] == ["unit"]
    assert edit(SKUS, apple, {}) == ()
    assert edit(SKUS, EMPTY, {"controlled": False}) == (), "a default is not written"


def test_two_edits_of_different_fields_both_stand_in_any_order() -> None:
    apple = after(SKUS, EMPTY, {"name": "Apple", "packs": {"bag": {"multiple": 500}}})
    edits = [
        edit(SKUS, apple, {"name": "Apples"}, by=HERE),
        edit(SKUS, apple, {"category": "Fruit", "packs": {"crate": {"multiple": 9_000}}}, by=THERE),
        edit(SKUS, apple, {"packs": {"bag": None}, "barcodes": {"500": {}}}, at_ms=5, by=HERE),
    ]
    results = set()
    for order in permutations(edits):
        document = apple
        for effects in order:
            document = apply(document, [*effects, *effects])
        results.add(repr(sorted(values(document).items())))
    assert len(results) == 1
    shown = shown_values(SKUS, values(document), None)
    assert (shown["name"], shown["category"]) == ("Apples", "Fruit")
    assert shown["packs"] == {"crate": {"multiple": 9_000}}
    assert shown["barcodes"] == {"500": {"pack": None}}


def test_an_edit_beats_all_that_its_author_saw_whatever_the_clock_says() -> None:
    ahead = after(SKUS, EMPTY, {"name": "From 2099"}, at_ms=129 * YEAR_MS, by=THERE)
    back = after(SKUS, ahead, {"name": "Now"}, at_ms=0)
    assert values(back)["name"] == "Now"
    again = after(SKUS, back, {"name": "Once more"}, at_ms=0)
    assert values(again)["name"] == "Once more"


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.booleans(), st.text("ab", min_size=1)), max_size=8
    )
)
def test_whoever_edits_last_of_those_who_see_each_other_is_shown(
    edits: list[tuple[int, bool, str]],
) -> None:
    document = EMPTY
    for at_ms, is_here, name in edits:
        document = after(SKUS, document, {"name": name}, at_ms=at_ms, by=HERE if is_here else THERE)
        assert values(document)["name"] == name


def test_a_shop_that_was_cut_off_does_not_undo_what_the_office_wrote_meanwhile() -> None:
    office = edit(SKUS, EMPTY, {"name": "Apple", "packs": {"bag": {"multiple": 6}}}, is_office=True)
    asked = {
        "name": "aple",
        "packs": {"bag": {"multiple": 5}},
        "category": "Fruit",
        "barcodes": {"4": {}},
    }
    shop = edit(SKUS, EMPTY, asked, at_ms=9 * YEAR_MS, by=THERE)
    for order in permutations([office, shop]):
        document = EMPTY
        for effects in order:
            document = apply(document, effects)
        shown = shown_values(SKUS, values(document), None)
        assert (shown["name"], shown["packs"]) == ("Apple", {"bag": {"multiple": 6}})
        assert (shown["category"], shown["barcodes"]) == ("Fruit", {"4": {"pack": None}})
    corrected = after(SKUS, document, {"category": "Fruits"}, is_office=True)
    assert values(corrected)["category"] == "Fruits"


def test_a_barcode_is_whoever_linked_it_last() -> None:
    linked = after(SKUS, EMPTY, {"barcodes": {"4": {"pack": "bag"}}}, is_office=True)
    assert values(after(SKUS, linked, {"barcodes": {"4": {}}}))["barcodes/4"] == {}


def test_of_two_expiries_that_were_given_apart_the_earlier_stands() -> None:
    late = edit(LOTS, EMPTY, {"expiry": "2031-01-31"}, at_ms=2 * YEAR_MS)
    early = edit(LOTS, EMPTY, {"expiry": "2030-06-30"}, at_ms=YEAR_MS, by=THERE)
    assert late[0].join == early[0].join == Join.MAX
    for order in permutations([late, early]):
        document = EMPTY
        for effects in order:
            document = apply(document, effects)
        assert expiry(document) == "2030-06-30"


def test_an_expiry_that_was_seen_can_be_corrected_to_a_later_date_or_taken_away() -> None:
    typed = after(LOTS, EMPTY, {"expiry": "2020-06-30"})
    corrected = after(LOTS, typed, {"expiry": "2030-06-30"})
    assert expiry(corrected) == "2030-06-30"
    stale = edit(LOTS, EMPTY, {"expiry": "2019-01-01"}, at_ms=9 * YEAR_MS, by=THERE)
    assert expiry(apply(corrected, stale)) == "2030-06-30", "it knew nothing of the correction"
    assert expiry(after(LOTS, corrected, {"expiry": None})) is None


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "4841-01-01", "9999-12-31"])
def test_a_date_beyond_what_ranks_tell_apart_is_one_all_the_same(day: str) -> None:
    assert expiry(after(LOTS, EMPTY, {"expiry": day})) == day


def test_more_corrections_than_ranks_still_join_the_same_everywhere() -> None:
    document = EMPTY
    for number in range(2_100):
        document = after(LOTS, document, {"expiry": f"20{10 + number % 2}-01-01"})
    state = document.fields["expiry"]
    assert state.rank <= 2**31
    assert (
        apply(document, edit(LOTS, document, {"expiry": "2030-01-01"})).fields["expiry"].rank
        <= 2**31
    )


def created(at_ms: int, by: ReplicaId, who: str) -> Document:
    changes = [Change("created_at", at_ms), Change("created_by", who)]
    key, scopes = DocumentKey("skus", "one"), (Scope("catalogue"),)
    return apply(
        EMPTY, effects_of(SKUS, key, scopes, changes, EMPTY, Author(by, at_ms, is_office=False))
    )


def test_of_two_who_created_one_document_the_first_is_named() -> None:
    first, second = created(YEAR_MS, HERE, "a"), created(2 * YEAR_MS, THERE, "b")
    for one, other in permutations([first, second]):
        joined = Document(
            {name: join(state, other.fields[name]) for name, state in one.fields.items()},
            one.scopes,
        )
        assert values(joined) == {"created_at": YEAR_MS, "created_by": "a"}


def test_a_list_is_all_that_is_to_be_in_it_and_its_records_are_named_by_what_they_say() -> None:
    order = after(
        ORDERS, EMPTY, {"lines": [{"sku": "a", "quantity": 5}, {"sku": "b", "quantity": 1}]}
    )
    twice = edit(ORDERS, EMPTY, {"lines": [{"sku": "a", "lot": None, "quantity": 5}]}, by=THERE)
    assert twice[0].field in values(order), "two people who add the same make one line"
    changed = {"lines": [{"sku": "a", "quantity": 6}, {"sku": "a", "lot": "L1", "quantity": 2}]}
    lines = shown_values(ORDERS, values(after(ORDERS, order, changed)), None)["lines"]
    assert isinstance(lines, list)
    said = {(one["sku"], one["lot"], one["quantity"]) for one in lines}
    assert said == {("a", None, 6), ("a", "L1", 2)}


def test_a_line_that_was_added_elsewhere_is_not_taken_out_by_a_list_that_did_not_know_it() -> None:
    order = after(ORDERS, EMPTY, {"lines": [{"sku": "a", "quantity": 5}]})
    theirs = edit(
        ORDERS, order, {"lines": [{"sku": "a", "quantity": 5}, {"sku": "b", "quantity": 1}]}
    )
    ours = edit(ORDERS, order, {"lines": [{"sku": "a", "quantity": 7}]}, by=THERE)
    shown = shown_values(ORDERS, values(apply(apply(order, theirs), ours)), None)["lines"]
    assert isinstance(shown, list)
    assert {(one["sku"], one["quantity"]) for one in shown} == {("a", 7), ("b", 1)}


def test_a_list_names_a_thing_once() -> None:
    line = {"sku": "a", "quantity": 1}
    assert form_fault(ORDERS, {"lines": [line, {**line, "lot": "L"}]}) is None
    assert form_fault(ORDERS, {"lines": [line, {**line, "quantity": 2}]}) is not None


@pytest.mark.parametrize(
    ("held", "is_good"),
    [
        ({"kind": "purchase", "location": "S01"}, True),
        ({"kind": "purchase", "location": "S01", "supplier": "x"}, True),
        ({"kind": "customer", "location": "S01", "supplier": "x"}, False),
        ({"kind": "internal", "location": "S01", "from_location": "S02"}, True),
        ({"kind": "internal", "location": "S01"}, False),
        ({"kind": "purchase", "location": "S01", "from_location": "S02"}, False),
        ({"kind": "internal", "location": "S01", "from_location": "S01"}, False),
    ],
)
def test_an_orders_fields_go_with_its_kind(held: dict[str, object], is_good: bool) -> None:
    assert (agreement_fault(ORDERS, held) is None) == is_good


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("packs", PACKS_MAX),
        ("barcodes", BARCODES_MAX),
        ("attributes", ATTRIBUTES_PER_DOCUMENT_MAX),
    ],
)
def test_removed_entries_count_among_the_most_that_there_may_be(name: str, most: int) -> None:
    held = {f"{name}/{number}": None for number in range(most - 1)}
    assert entries_fault(SKUS, [Change(f"{name}/new", 1)], held) is None
    assert entries_fault(SKUS, [Change(f"{name}/0", 1)], held) is None
    assert entries_fault(SKUS, [Change(f"{name}/new", 1), Change(f"{name}/more", 1)], held)


def test_an_order_has_at_most_so_many_lines() -> None:
    lines = [{"sku": str(number), "quantity": 1} for number in range(DOCUMENT_LINES_MAX + 1)]
    changes = changes_of(ORDERS, {"lines": lines}, {})
    assert entries_fault(ORDERS, changes, {}) is not None
    assert entries_fault(ORDERS, changes[1:], {}) is None


def test_all_effects_of_one_edit_have_one_stamp() -> None:
    effects = edit(SKUS, EMPTY, {"name": "Apple", "unit": "g", "packs": {"bag": {"multiple": 2}}})
    assert {effect.stamp for effect in effects} == {Stamp(1_000, 0, HERE)}
