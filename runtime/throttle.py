"""How often something may be tried: token buckets by account, by address and in all, in a bounded memory.

Rules: who is refused has used up nothing, so that waiting as long as told always helps. However many names and addresses
somebody makes up, no more than `places` buckets are held; one that is not full again is never forgotten to make room, so
a flood of names gives nobody a new start. No clock, no chance, no waiting: the caller says what time it is.

An account that does not exist is counted as one that does: what a refusal says would otherwise tell which exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

PLACES: Final = 20_000  # of 200 bytes each. An address fills `burst` of them, so all are taken by hundreds at once
SWEEP_S: Final = 1.0  # a table that is full is looked through so seldom; 20,000 places take 4 ms
NAME_CHARS_MAX: Final = (
    200  # of a name or address; what is longer is counted with what begins like it
)


class Rate(NamedTuple):
    """So many at once, and one more every so many seconds."""

    burst: int
    refill_s: float


@dataclass(frozen=True, slots=True)
class Operation:
    """What is limited; None is no limit of that kind."""

    name: str
    per_account: Rate | None = None
    per_address: Rate | None = None
    in_all: Rate | None = None


class _Bucket(NamedTuple):
    """What was left of it at a time."""

    left: float
    at_s: float
    rate: Rate


class _Place(NamedTuple):
    operation: str
    kind: str
    name: str


class Throttle:
    """The buckets of one daemon; nothing of them outlives it. A lockout that must is kept with the account."""

    def __init__(self, *, places: int = PLACES) -> None:
        self._places = places
        self._buckets: dict[_Place, _Bucket] = {}
        self._swept_s = float("-inf")

    def __len__(self) -> int:
        return len(self._buckets)

    def take(
        self, operation: Operation, now_s: float, *, account: str = "", address: str = ""
    ) -> float:
        """Count a try; the seconds after which one is admitted, 0.0 when this one is.

        `now_s` is of a clock that never goes back. A try that turns out to be none is handed back by `give_back`.
        """
        wanted = list(self._wanted(operation, account, address, now_s))
        wait_s = max((_wait_s(bucket) for _, bucket in wanted), default=0.0)
        if wait_s > 0:
            return wait_s
        for place, bucket in wanted:
            self._buckets[place] = bucket._replace(left=bucket.left - 1)
        return 0.0

    def give_back(
        self, operation: Operation, now_s: float, *, account: str = "", address: str = ""
    ) -> None:
        """Take back what `take` counted: it was right, and only what is wrong is limited."""
        for place, bucket in self._wanted(operation, account, address, now_s):
            if bucket.left + 1 >= bucket.rate.burst:
                self._buckets.pop(place, None)  # as good as new
            else:
                self._buckets[place] = bucket._replace(left=bucket.left + 1)

    def _wanted(
        self, operation: Operation, account: str, address: str, now_s: float
    ) -> Iterator[tuple[_Place, _Bucket]]:
        for kind, rate, name in (
            ("all", operation.in_all, ""),
            ("address", operation.per_address, address),
            ("account", operation.per_account, account),
        ):
            if rate is not None:
                place = self._place(_Place(operation.name, kind, name[:NAME_CHARS_MAX]), now_s)
                yield place, _refilled(self._buckets.get(place), rate, now_s)

    def _place(self, place: _Place, now_s: float) -> _Place:
        """Its own, or, while there is no room, the one that all newcomers of its kind share."""
        if place in self._buckets or len(self._buckets) < self._places:
            return place
        if now_s - self._swept_s >= SWEEP_S:
            self._swept_s = now_s
            self._buckets = {
                each: bucket
                for each, bucket in self._buckets.items()
                if _refilled(bucket, bucket.rate, now_s).left < bucket.rate.burst
            }
        return place if len(self._buckets) < self._places else place._replace(name="\0")


def _refilled(bucket: _Bucket | None, rate: Rate, now_s: float) -> _Bucket:
    if bucket is None:
        return _Bucket(rate.burst, now_s, rate)
    gained = max(0.0, now_s - bucket.at_s) / rate.refill_s
    return _Bucket(min(rate.burst, bucket.left + gained), now_s, rate)


def _wait_s(bucket: _Bucket) -> float:
    # A hair's breadth below a whole try is one: floats would have somebody who waited as told wait again.
    missing = 1 - bucket.left
    return missing * bucket.rate.refill_s if missing > 1e-9 else 0.0
