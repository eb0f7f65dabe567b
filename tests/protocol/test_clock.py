"""Stamps: an author's next is larger than any it saw, and no clock set ahead wins for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import documents
from protocol.clock import Stamp, clamp, next_stamp, stamp_from_wire, stamp_to_wire
from protocol.documents import FieldState
from protocol.effects import Join
from protocol.errors import ProtocolError
from protocol.ids import ReplicaId
from protocol.limits import INT_MAX, STAMP_AHEAD_MS_MAX, TIME_MS_MAX
from tests.protocol.strategies import close_stamps, instants, replicas, stamps

A, B = ReplicaId(b"a" * 16), ReplicaId(b"b" * 16)
NOW = 1_700_000_000_000
YEAR_2099 = 4_070_908_800_000


@given(stamps | close_stamps, instants, replicas)
def test_an_edit_beats_what_its_author_saw_whatever_the_clock_says(
    seen: Stamp, wall_ms: int, replica: ReplicaId
) -> None:
    made = next_stamp(seen, wall_ms, replica)
    assert made > seen
    assert made.replica == replica


@given(st.lists(instants, min_size=1, max_size=20))
def test_one_authors_stamps_rise_also_when_its_clock_jumps(walls: list[int]) -> None:
    made: list[Stamp] = []
    for wall_ms in walls:
        made.append(next_stamp(made[-1] if made else None, wall_ms, A))
    assert made == sorted(set(made))


def test_a_clock_that_runs_right_makes_plain_stamps() -> None:
    assert next_stamp(None, NOW, A) == Stamp(NOW, 0, A)
    assert next_stamp(Stamp(NOW - 1, 7, B), NOW, A) == Stamp(NOW, 0, A)
    assert next_stamp(Stamp(NOW, 7, B), NOW, A) == Stamp(NOW, 8, A)


def test_a_tick_at_its_end_does_not_stop_others_from_editing() -> None:
    made = next_stamp(Stamp(NOW, INT_MAX, B), NOW, A)
    assert made > Stamp(NOW, INT_MAX, B)
    assert stamp_from_wire(stamp_to_wire(made)) == made


@given(stamps, instants, st.none() | instants)
def test_a_clamped_stamp_is_at_most_ten_minutes_ahead_and_can_be_sent(
    stamp: Stamp, now_ms: int, accepted_at_ms: int | None
) -> None:
    held = clamp(stamp, now_ms=now_ms, accepted_at_ms=accepted_at_ms)
    accepted = now_ms if accepted_at_ms is None else min(now_ms, accepted_at_ms)
    assert held.wall_ms <= max(accepted + STAMP_AHEAD_MS_MAX, 0)
    assert held <= stamp
    assert 0 <= held.tick <= INT_MAX
    assert held.replica == stamp.replica
    assert clamp(held, now_ms=now_ms, accepted_at_ms=accepted_at_ms) == held


@given(stamps, instants, st.lists(st.integers(0, 10**9), max_size=5))
def test_pushing_again_later_clamps_to_the_same_stamp(
    stamp: Stamp, accepted_at_ms: int, delays_ms: list[int]
) -> None:
    first = clamp(stamp, now_ms=accepted_at_ms, accepted_at_ms=None)
    again = [
        clamp(stamp, now_ms=accepted_at_ms + delay, accepted_at_ms=accepted_at_ms)
        for delay in delays_ms
    ]
    assert all(stamp == first for stamp in again)


@given(
    st.lists(st.tuples(instants, st.integers(0, 5)), min_size=2, max_size=6, unique=True),
    instants,
)
def test_clamping_keeps_the_order_of_what_arrives_together(
    made: list[tuple[int, int]], now_ms: int
) -> None:
    rising = [Stamp(wall_ms, tick, A) for wall_ms, tick in sorted(made)]
    held = [clamp(stamp, now_ms=now_ms, accepted_at_ms=None) for stamp in rising]
    assert held == sorted(set(held))


def test_of_two_edits_from_a_clock_in_2099_the_later_wins_not_the_larger_value() -> None:
    first = next_stamp(None, YEAR_2099, A)
    second = next_stamp(first, YEAR_2099 + 60_000, A)
    dear = FieldState(Join.LWW, 0, 300, clamp(first, now_ms=NOW, accepted_at_ms=None))
    cheap = FieldState(Join.LWW, 0, 150, clamp(second, now_ms=NOW, accepted_at_ms=None))
    assert documents.join(dear, cheap).value == 150


def test_who_saw_an_edit_from_2099_can_overrule_it_at_once() -> None:
    far = clamp(Stamp(YEAR_2099, 3, A), now_ms=NOW, accepted_at_ms=None)
    answer = next_stamp(far, NOW, B)
    assert clamp(answer, now_ms=NOW, accepted_at_ms=None) == answer > far


def test_a_stamp_ten_minutes_ahead_is_left_alone_and_one_more_is_not() -> None:
    fine, over = Stamp(NOW + STAMP_AHEAD_MS_MAX, 0, A), Stamp(NOW + STAMP_AHEAD_MS_MAX + 1, 0, A)
    assert clamp(fine, now_ms=NOW, accepted_at_ms=None) == fine
    assert clamp(over, now_ms=NOW, accepted_at_ms=None).wall_ms == NOW + STAMP_AHEAD_MS_MAX


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [1, 2],
        [1, 2, A, 3],
        [True, 0, A],
        [1.0, 0, A],
        [-1, 0, A],
        [TIME_MS_MAX + 1, 0, A],
        [1, -1, A],
        [1, 2**63, A],
        [1, 0, "a" * 16],
        [1, 0, b"a" * 15],
    ],
)
def test_a_broken_stamp_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        stamp_from_wire(value)
