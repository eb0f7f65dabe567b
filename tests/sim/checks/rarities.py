"""What a frame shows to have been reached: mechanisms that ordinary days never need.

Rule: a simulator that no longer meets what `test_sim.REACHED` lists proves nothing about it.
"""

from collections.abc import Iterator

from protocol.frames.feed import Scopes
from protocol.frames.fleet import Departures
from protocol.frames.handshake import Welcome
from protocol.frames.repair import Buckets, Claimed
from protocol.wire import Frame


def rarities(frame: Frame, *, is_node: bool) -> Iterator[str]:
    """The probes of a frame, and whether the node sent it."""
    match frame:
        case Welcome(reset=reset) if reset:
            yield "scope begun again"
        case Scopes(add, drop):
            if drop:
                yield "scope let go"
            if add:
                yield "scope came into reach"
        case Claimed(bits=bits):
            yield "claim answered"
            if any(bits):
                yield "claim answered: something is inside"
        case Buckets():
            yield "buckets compared"
        case Departures():
            yield f"departures told by {'a node' if is_node else 'the hub'}"
        case _:
            return
