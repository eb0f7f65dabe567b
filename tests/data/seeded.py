"""A small data set of the same shape as the real ones, from a seed, with every trap they hold.

Fuel-sized quantities, lines of zero, codes in no catalogue, leading zeros, other scripts, codes that differ
in case or in how an accent is written, baskets equal in content, a SKU named twice in one basket, several
locations for one node. Invariant: the expected sums are kept by plain addition while generating.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from tests.data.movements import DataSet, Movement, checked

WRITES: Final = {
    "north": ("001", "01", "Łódź 1"),
    "south": ("S/02",),
    "harbour": ("港3", "harbour:kiosk"),
}
"""Locations that a careless path, query or cast would mix up."""
PLAIN_SKU_COUNT: Final = 150
TRAP_SKUS: Final = (
    *("0", "00", "007", "7", "85123a", "85123A", "1e3", "-1", "null", "NaN"),
    *("a/b", "50%2F", "x&y=z", "+", "what?", "#1", "two words", "'; --", "../x"),
    *("caf\u00e9", "cafe\u0301", "Żółw", "μg 150", "牛乳1L", "חלב", "🥛", "x" * 64),
)
FUEL_SKU: Final = "FUEL-95"
FUEL_UNITS_MAX: Final = 32_327_000
ADJUSTMENTS: Final = ("RECOUNTED", "DAMAGED")
FIRST_SALE: Final = datetime(2017, 1, 1, 12, 30, tzinfo=UTC)


def seeded_data(seed: int, *, basket_count: int) -> DataSet:
    """Make `basket_count` movements, the same for the same seed."""
    rng = Random(seed)
    movements: dict[str, list[Movement]] = {node: [] for node in WRITES}
    expected: dict[str, dict[str, int]] = {}
    nodes = list(WRITES)
    for number in range(basket_count):
        node = rng.choice(nodes)
        sent = movements[node]
        movement = _movement(rng, number, rng.choice(WRITES[node]), sent)
        sent.append(movement)
        shelf = expected.setdefault(movement.location, {})
        for sku, delta in movement.lines:
            shelf[sku] = shelf.get(sku, 0) + delta
    return checked(DataSet("seeded", WRITES, movements, expected))


def _movement(rng: Random, number: int, location: str, earlier: Sequence[Movement]) -> Movement:
    kind = rng.choices(("sale", "receive", "adjust", "opening"), (80, 10, 5, 5))[0]
    lines = _lines(rng, kind)
    if earlier and rng.random() < 0.1:
        # The same content as a basket before, at its place and second: another customer all the same.
        twin = rng.choice(earlier)
        kind, location, lines = twin.kind, twin.location, twin.lines
    return Movement(
        key=f"seeded-{number}",
        kind=kind,
        location=location,
        reference=f"receipt {number}",
        # Many in one second: a timestamp orders nothing.
        occurred_at=f"{FIRST_SALE + timedelta(seconds=number // 7):%Y-%m-%dT%H:%M:%SZ}",
        lines=lines,
        reason=rng.choice(ADJUSTMENTS) if kind == "adjust" else None,
    )


def _lines(rng: Random, kind: str) -> tuple[tuple[str, int], ...]:
    sign = {"sale": -1, "adjust": rng.choice((-1, 1))}.get(kind, 1)
    lines = [
        (_sku(rng), sign * rng.choice((0, 1, 1, 1, 2, 3, 12)))
        for _ in range(min(int(rng.expovariate(1 / 9)) + 1, 60))
    ]
    if rng.random() < 0.1:
        lines.append((FUEL_SKU, sign * rng.randrange(1_000, FUEL_UNITS_MAX)))
    if rng.random() < 0.1:
        lines.append(lines[0])
    return tuple(lines)


def _sku(rng: Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(TRAP_SKUS)
    return f"{rng.randrange(PLAIN_SKU_COUNT):06d}"
