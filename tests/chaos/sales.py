"""Many sales in few requests, and what a shelf must show after them.

Rule: sale number n of a location is one unit of SKU n modulo SKUS, under a key made of the run and n; so what every
replica must show follows from the numbers alone.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from deploy.client import Client

SKUS: Final = 40
PER_BATCH: Final = 100


async def sell_many(till: Client, location: str, numbers: range, *, run: str = "sale") -> None:
    """Record one sale for each number, a hundred to a request; sold again, they change nothing."""
    for first in range(0, len(numbers), PER_BATCH):
        some = numbers[first : first + PER_BATCH]
        body = {"movements": [_sale(location, number, run) for number in some]}
        answer = (await till.record_batch(body)).json()
        refused = [result for result in answer["results"] if result["status"] != 201]
        assert not refused, f"{len(refused)} of {len(some)}, the first: {refused[0]}"


def shelf(*runs: Iterable[int]) -> dict[str, int]:
    """SKU → on hand after these numbers were sold at one location."""
    sold = Counter(_sku(number) for numbers in runs for number in numbers)
    return {sku: -count for sku, count in sold.items()}


def _sku(number: int) -> str:
    return f"A{number % SKUS:02d}"


def _sale(location: str, number: int, run: str) -> dict[str, object]:
    lines = [{"sku": _sku(number), "delta": -1}]
    return {"key": f"{run}-{number}", "kind": "sale", "location": location, "lines": lines}
