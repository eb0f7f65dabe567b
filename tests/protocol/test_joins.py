"""Joins commute, associate and are idempotent, so no order of arrival can make replicas differ."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from protocol import documents, merge
from protocol.clock import Stamp
from protocol.codec import pack
from protocol.documents import EMPTY, Document, FieldState
from protocol.effects import CounterEffect, FieldEffect, Join
from protocol.ids import Location, Lot, ReplicaId, Scope, Seq, Sku
from protocol.merge import Entry
from tests.protocol.strategies import close_field_states, close_stamps, field_states

A, B = ReplicaId(b"a" * 16), ReplicaId(b"b" * 16)
states = close_field_states | field_states


def same(one: FieldState, other: FieldState) -> bool:
    """Equal on the wire: True is not 1 there."""
    return pack([*one]) == pack([*other])


@given(states, states)
def test_a_field_joins_the_same_either_way(a: FieldState, b: FieldState) -> None:
    assert same(documents.join(a, b), documents.join(b, a))


@given(close_field_states, close_field_states, close_field_states)
def test_a_field_joins_the_same_in_any_grouping(
    a: FieldState, b: FieldState, c: FieldState
) -> None:
    left = documents.join(documents.join(a, b), c)
    assert same(left, documents.join(a, documents.join(b, c)))


@given(states, states)
def test_joining_a_field_again_changes_nothing(a: FieldState, b: FieldState) -> None:
    assert same(documents.join(a, a), a)
    joined = documents.join(a, b)
    assert same(documents.join(joined, b), joined)
    assert same(documents.join(joined, a), joined)


def state(rank: int, value: object, wall_ms: int, *, join: Join = Join.MAX) -> FieldState:
    return FieldState(join, rank, value, Stamp(wall_ms, 0, A))


def test_the_later_edit_wins_where_the_larger_stamp_wins() -> None:
    early, late = state(0, "z", 1, join=Join.LWW), state(0, "a", 2, join=Join.LWW)
    assert documents.join(early, late) == late


def test_the_larger_rank_wins_over_a_later_stamp_and_equal_ranks_go_by_stamp() -> None:
    shipped, requested = state(2, "shipped", 1), state(1, "requested", 9)
    assert documents.join(requested, shipped) == shipped
    assert documents.join(state(2, "a", 1), state(2, "b", 2)) == state(2, "b", 2)


def test_two_values_under_one_stamp_end_the_same_everywhere() -> None:
    one, other = state(0, True, 5, join=Join.LWW), state(0, 1, 5, join=Join.LWW)
    assert same(documents.join(one, other), documents.join(other, one))


def test_two_versions_that_disagree_how_a_field_joins_end_the_same_everywhere() -> None:
    old, new = state(0, "a", 9, join=Join.LWW), state(0, "b", 1, join=Join.MAX)
    assert documents.join(old, new) == documents.join(new, old) == new


# --- documents -------------------------------------------------------------------------------------------------

_edits = st.builds(
    lambda field, s, scopes: FieldEffect("sku", "A", field, *s, scopes),
    st.sampled_from(["name", "price"]),
    close_field_states,
    st.sampled_from([(Scope("catalogue"),), (Scope("docs:S01"), Scope("docs:S02"))]),
)


def form(document: Document) -> bytes:
    return pack([sorted(document.scopes), documents.fields_to_wire(document.fields)])


@given(st.lists(_edits, min_size=1, max_size=4))
def test_a_document_does_not_depend_on_the_order_of_its_edits(edits: list[FieldEffect]) -> None:
    states = {form(documents.apply(EMPTY, order)) for order in permutations(edits)}
    assert len(states) == 1


@given(st.lists(_edits, max_size=6), st.integers(0, 6))
def test_a_document_does_not_depend_on_grouping_or_repeats(
    edits: list[FieldEffect], cut: int
) -> None:
    whole = documents.apply(EMPTY, edits)
    parts = documents.apply(documents.apply(EMPTY, edits[:cut]), edits[cut:])
    assert form(whole) == form(parts)
    assert form(documents.apply(whole, edits[:cut])) == form(whole)


@given(st.lists(_edits, max_size=6))
def test_scopes_of_a_document_only_grow(edits: list[FieldEffect]) -> None:
    document = EMPTY
    for edit in edits:
        grown = documents.apply(document, [edit])
        assert grown.scopes >= document.scopes | set(edit.scopes)
        document = grown


def test_applying_leaves_the_document_it_was_given_alone() -> None:
    edit = FieldEffect("sku", "A", "name", 0, 0, "x", Stamp(1, 0, A), (Scope("catalogue"),))
    documents.apply(EMPTY, [edit])
    assert Document({}, frozenset()) == EMPTY


@given(st.lists(close_stamps, min_size=2, max_size=5))
def test_stamps_are_ordered_by_time_then_tick_then_author(stamps: list[Stamp]) -> None:
    by_hand = sorted(stamps, key=lambda s: (s.wall_ms, s.tick, s.replica))
    assert sorted(stamps) == by_hand


# --- counters --------------------------------------------------------------------------------------------------

_deltas = st.lists(st.integers(-5, 5), max_size=8)


def entry_after(deltas: list[int]) -> Entry:
    entry = merge.NO_ENTRY
    for seq, delta in enumerate(deltas, start=1):
        entry = merge.extend(entry, Seq(seq), delta)
    return entry


@given(_deltas, st.integers(0, 8), st.integers(0, 8))
def test_copies_of_one_replicas_entry_join_to_the_longest(
    deltas: list[int], i: int, j: int
) -> None:
    a, b, whole = entry_after(deltas[:i]), entry_after(deltas[:j]), entry_after(deltas)
    assert merge.join(a, b) == merge.join(b, a) == entry_after(deltas[: max(i, j)])
    assert merge.join(merge.join(a, b), whole) == merge.join(a, merge.join(b, whole)) == whole
    assert merge.join(a, a) == a


@given(_deltas, _deltas)
def test_a_total_is_what_all_replicas_added(first: list[int], second: list[int]) -> None:
    entries = {A: entry_after(first), B: entry_after(second)}
    assert merge.total(entries) == sum(first) + sum(second)
    assert merge.total(dict(reversed(entries.items()))) == merge.total(entries)


@given(_deltas)
def test_what_was_added_and_what_was_taken_never_shrink(deltas: list[int]) -> None:
    entry = merge.NO_ENTRY
    for seq, delta in enumerate(deltas, start=1):
        later = merge.extend(entry, Seq(seq), delta)
        assert later.plus >= entry.plus
        assert later.minus >= entry.minus
        assert later == merge.join(entry, later)
        entry = later


def test_an_operation_without_effect_moves_only_the_position() -> None:
    assert merge.extend(Entry(Seq(3), 5, 2), Seq(9), 0) == Entry(Seq(9), 5, 2)


def test_an_own_operation_is_on_top_until_either_mark_covers_it() -> None:
    cases = [(5, 4, 0), (5, 5, 0), (5, 0, 5), (5, 0, 4), (5, 6, 6)]
    on_top = [merge.is_on_top(seq, row_own=row, scope_own=scope) for seq, row, scope in cases]
    assert on_top == [True, False, False, True, False]


def test_a_document_view_joins_what_is_pending_over_the_row() -> None:
    row = Document({"name": state(0, "hub", 5, join=Join.LWW)}, frozenset({Scope("catalogue")}))
    older = FieldEffect("sku", "A", "name", 0, 0, "own", Stamp(4, 0, B), (Scope("catalogue"),))
    newer = older._replace(stamp=Stamp(6, 0, B))
    assert merge.document_view(row, [older]) == row
    assert merge.document_view(row, [newer]).fields["name"].value == "own"
    assert merge.counter_view(10, [-3, 1]) == 8
    assert merge.counter_view(10, []) == 10


def test_one_movement_of_several_lines_lands_on_each_counter_once() -> None:
    effect = CounterEffect(Location("S01"), Sku("A"), Lot(""), 0, -2)
    entry = merge.extend(merge.extend(merge.NO_ENTRY, Seq(1), effect.delta), Seq(1), effect.delta)
    assert entry == Entry(Seq(1), 0, 4)
