"""Bugs of arithmetic: how what several logs did becomes one total, and one document."""

import itertools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from hub.store.sqlite import counters
from hub.store.sqlite.fold import Fold
from protocol import clock, documents, merge
from protocol.clock import Stamp
from protocol.documents import FieldState
from protocol.effects import CounterEffect
from protocol.ids import ReplicaId
from protocol.merge import Entry
from tests.sim.mutations import scripts
from tests.sim.mutations.planting import Mutation, replaced

TWO_WRITERS: Final = {
    "standby": True,
    "nodes": 3,
    "weights": {"back node up": 2.0, "restore node": 1.0, "cut": 1.0},
}
"""Several logs that add to one counter: a standby, and new replicas of restored nodes."""


def largest_instead_of_sum() -> AbstractContextManager[None]:
    """A counter shows the largest entry of its replicas, not their sum.

    Two nodes that sell from one shelf (I6).
    """

    def largest(entries: Mapping[ReplicaId, Entry]) -> int:
        return max((entry.plus - entry.minus for entry in entries.values()), default=0)

    add = counters._Counter.add

    def keep_largest(self: counters._Counter, delta: int) -> bool:
        before = self.total
        is_in = add(self, delta)
        self.total = max(before, self.plus - self.minus)
        return is_in

    return replaced((merge, "total", largest), (counters._Counter, "add", keep_largest))


def overwrites() -> AbstractContextManager[None]:
    """A counter becomes what the last writer added to it.

    Two nodes that sell from one shelf (I6).
    """

    def last(entries: Mapping[ReplicaId, Entry]) -> int:
        entry = max(entries.values(), default=merge.NO_ENTRY)
        return entry.plus - entry.minus

    add = counters._Counter.add

    def overwrite(self: counters._Counter, delta: int) -> bool:
        is_in = add(self, delta)
        self.total = self.plus - self.minus
        return is_in

    return replaced((merge, "total", last), (counters._Counter, "add", overwrite))


def float_quantities() -> AbstractContextManager[None]:
    """Quantities are added as decimal fractions, and cut to whole units.

    A few hundred sales: 0.1 and 0.2 are not 0.3 (I6).
    """
    add = counters._Counter.add

    def add_as_floats(self: counters._Counter, delta: int) -> bool:
        before = self.total
        is_in = add(self, delta)
        self.total = int((before / 10 + delta / 10) * 10)
        return is_in

    return replaced((counters._Counter, "add", add_as_floats))


def lines_apart() -> AbstractContextManager[None]:
    """The hub takes in the lines of an operation one by one, the last one only with the next operation.

    Any movement of several lines (I6, I12).
    """
    add = Fold.add
    waiting: list[tuple[int, CounterEffect]] = []

    def one_by_one(self: Fold, seq: int, effects: Any, accepted_at_ms: int) -> str | None:
        first, waiting[:] = list(waiting), []
        if len(effects) > 1 and isinstance(effects[-1], CounterEffect):
            waiting.append((seq, effects[-1]))
            effects = effects[:-1]
        late = tuple(effect for _, effect in first)
        return add(self, seq, (*late, *effects), accepted_at_ms)

    return replaced((Fold, "add", one_by_one))


def ties_by_arrival() -> AbstractContextManager[None]:
    """Of two edits of one moment the one stands that was joined last.

    Two authors whose clocks show the same, and hub and nodes that hear of them in another order (I5).
    """

    def by_time(state: FieldState) -> tuple[int, int, int, int]:
        return state.join, state.rank, state.stamp.wall_ms, state.stamp.tick

    def join(a: FieldState, b: FieldState) -> FieldState:
        return a if by_time(a) > by_time(b) else b

    return replaced((documents, "join", join))


def clock_forgets() -> AbstractContextManager[None]:
    """A stamp is the wall clock's, whatever was seen before: as if the clock's last value were not kept.

    An author with a slow clock who corrects what a fast one wrote: the correction never stands (G16).
    """
    ticks = itertools.count()

    def wall_only(_last: Stamp | None, wall_ms: int, replica: ReplicaId) -> Stamp:
        return Stamp(wall_ms, next(ticks), replica)

    return replaced((clock, "next_stamp", wall_only))


MUTATIONS: Final = (
    Mutation(
        "largest instead of sum",
        "I6: two logs that add to one counter",
        largest_instead_of_sum,
        TWO_WRITERS,
    ),
    Mutation(
        "counter overwritten", "I6: two logs that add to one counter", overwrites, TWO_WRITERS
    ),
    Mutation("float quantities", "I6: ordinary sales", float_quantities),
    Mutation("lines land apart", "I6, I12: any movement of several lines", lines_apart),
    Mutation(
        "ties by arrival",
        "I5: two edits of one moment",
        ties_by_arrival,
        history=scripts.edits_of_one_moment,
    ),
    Mutation(
        "clock forgets what it saw",
        "G16: a correction made under a slow clock",
        clock_forgets,
        history=scripts.a_correction_under_a_slow_clock,
    ),
)
