"""What a line can do to what is sent over it, and how a seed draws it.

Rule: a fault names its direction and its place, so that a run can be repeated; positions count from the connection's
first byte, frames from the first after the upgrade."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final


class Direction(Enum):
    """Which way bytes go."""

    UP = "to the hub"
    DOWN = "to the node"


UP: Final = Direction.UP
DOWN: Final = Direction.DOWN


@dataclass(frozen=True, slots=True)
class Cut:
    """Pass exactly so many bytes, then end both sides."""

    way: Direction
    after_bytes: int


@dataclass(frozen=True, slots=True)
class CutAtFrame:
    """Pass so many whole frames and nothing of the next, then end both sides."""

    way: Direction
    frames: int


@dataclass(frozen=True, slots=True)
class Swallow:
    """From that byte on take everything and pass nothing: half-open, without a word to either side."""

    way: Direction
    after_bytes: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Keep each piece for a time drawn between two, in order."""

    way: Direction
    least_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class Throttle:
    """So many bytes a second."""

    way: Direction
    bytes_per_s: int


@dataclass(frozen=True, slots=True)
class HoldBack:
    """After so many frames to the hub keep what comes and lose the node; pass it on once a newer connection was served."""

    frames: int
    way: Direction = Direction.UP


@dataclass(frozen=True, slots=True)
class FlipBit:
    """One bit (0 to 7) of that byte."""

    way: Direction
    at_byte: int
    bit: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One frame twice."""

    way: Direction
    frame: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """A whole frame of random bytes before this one."""

    way: Direction
    frame: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """The frame without its end; what follows is read as if it were that."""

    way: Direction
    frame: int
    missing_bytes: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Before this frame, what an earlier connection sent this way: one of its frames, or all."""

    way: Direction
    frame: int
    only: int | None = None


Fault = (
    Cut
    | CutAtFrame
    | Swallow
    | Delay
    | Throttle
    | HoldBack
    | FlipBit
    | Duplicate
    | Garbage
    | Truncate
    | Replay
)
BREAKING: Final = (Cut, CutAtFrame, HoldBack, Duplicate, Garbage, Truncate, Replay, Delay, Throttle)
"""All but flipped bits, which only TLS can tell from what was said, and what is swallowed, which nobody notices for half a minute."""


def draw(rng: Random, kinds: Sequence[type[Fault]] = BREAKING) -> Fault:
    """One fault, early enough in a session to strike it."""
    return _DRAWN[rng.choice(kinds)](rng, rng.choice((UP, DOWN)))


def _byte(rng: Random) -> int:
    """Early ones more often: a handshake has few bytes and many states."""
    return int(10 ** rng.uniform(0, 4.5))


def _frame(rng: Random) -> int:
    return rng.randrange(8)


def _delay(rng: Random, way: Direction) -> Fault:
    least_s = rng.uniform(0, 0.05)
    return Delay(way, least_s, least_s + rng.uniform(0, 0.2))


_DRAWN: Final[dict[type[Fault], Callable[[Random, Direction], Fault]]] = {
    Cut: lambda rng, way: Cut(way, _byte(rng)),
    CutAtFrame: lambda rng, way: CutAtFrame(way, _frame(rng)),
    Swallow: lambda rng, way: Swallow(way, _byte(rng)),
    Delay: _delay,
    Throttle: lambda rng, way: Throttle(way, rng.randrange(2_000, 50_000)),
    HoldBack: lambda rng, _: HoldBack(_frame(rng)),
    FlipBit: lambda rng, way: FlipBit(way, _byte(rng), rng.randrange(8)),
    Duplicate: lambda rng, way: Duplicate(way, _frame(rng)),
    Garbage: lambda rng, way: Garbage(way, _frame(rng), rng.randbytes(rng.randrange(1, 2_000))),
    Truncate: lambda rng, way: Truncate(way, _frame(rng), rng.randrange(1, 50)),
    Replay: lambda rng, way: Replay(way, _frame(rng), rng.choice([None, *range(8)])),
}
