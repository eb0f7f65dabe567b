"""Hybrid logical clock: the stamp that orders edits of a document's field, and nothing else.

Invariant: a stamp made here is larger than every stamp its author had seen, whatever its wall clock says; stock
is never ordered by it. Kulkarni et al., "Logical Physical Clocks" (2014).
"""

from typing import Final, NamedTuple

from protocol.codec import read_bytes, read_int, read_list
from protocol.ids import ReplicaId
from protocol.limits import INT_MAX, STAMP_AHEAD_MS_MAX, TIME_MS_MAX

_TICK_BITS: Final = 14
_TICK_KEPT_MAX: Final = 2**_TICK_BITS - 1
"""A clamped stamp's tick holds how far it ran ahead (48 bits of milliseconds) and this much of its own tick."""


class Stamp(NamedTuple):
    """Compared field by field, so two stamps are equal only when one author made them both."""

    wall_ms: int
    """UTC milliseconds; may run ahead of the true time when an author has seen a clock that did."""
    tick: int
    """Tells stamps of one millisecond apart."""
    replica: ReplicaId
    """The replica that made the stamp. A re-incarnated log keeps its old stamps."""


def next_stamp(last: Stamp | None, wall_ms: int, replica: ReplicaId) -> Stamp:
    """The stamp of an edit made now by `replica`, which has seen no stamp larger than `last`."""
    if last is None or wall_ms > last.wall_ms:
        return Stamp(wall_ms, 0, replica)
    if last.tick == INT_MAX:  # whoever sends such a tick must not stop others from editing
        return Stamp(last.wall_ms + 1, 0, replica)
    return Stamp(last.wall_ms, last.tick + 1, replica)


def clamp(stamp: Stamp, *, now_ms: int, accepted_at_ms: int | None) -> Stamp:
    """The stamp the hub lets take part in a join: at most 10 minutes ahead of when it was first accepted.

    `accepted_at_ms` is the hub's clock in its first acknowledgement, sent again with every re-push, so that a hub
    restored from a backup comes to the same winner.

    How far a stamp ran ahead moves into its tick: two edits that arrive together from a clock set to 2099 keep their
    order, where a bare minimum would make their stamps equal and let the larger value win over the later one.
    """
    accepted = now_ms if accepted_at_ms is None else min(now_ms, accepted_at_ms)
    latest_ms = accepted + STAMP_AHEAD_MS_MAX
    ahead_ms = stamp.wall_ms - latest_ms
    if ahead_ms <= 0:
        return stamp
    tick = ahead_ms << _TICK_BITS | min(stamp.tick, _TICK_KEPT_MAX)
    return Stamp(latest_ms, tick, stamp.replica)


def stamp_to_wire(stamp: Stamp) -> list[object]:
    """`[wall_ms, tick, replica]`."""
    return [stamp.wall_ms, stamp.tick, stamp.replica]


def stamp_from_wire(value: object) -> Stamp:
    """Read `[wall_ms, tick, replica]`.

    Raises:
        ProtocolError: `bad_value`.
    """
    parts = read_list(value, "a stamp", least=3, most=3)
    wall_ms, tick, replica = parts
    # Looked at here first: each field of a document has one, and the three readers take three times as long.
    if (
        type(wall_ms) is int
        and 0 <= wall_ms <= TIME_MS_MAX
        and type(tick) is int
        and 0 <= tick <= INT_MAX
        and type(replica) is bytes
        and len(replica) == 16
    ):
        return Stamp(wall_ms, tick, ReplicaId(replica))
    return Stamp(
        read_int(parts[0], "a stamp's time", most=TIME_MS_MAX),
        read_int(parts[1], "a stamp's tick", most=INT_MAX),
        ReplicaId(read_bytes(parts[2], "a stamp's replica", length=16)),
    )
