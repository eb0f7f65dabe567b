"""Tills for the kill test: they sell, lose patience, ask again or walk away, and remember what they know.

Each sale is in one of three states, and the oracle holds the ledger to them: *answered* (201 was read) must
be there exactly once; *walked away* (sent, never answered, never repeated) may be there once or not at all;
what was never sent must not be there. Source: Jepsen's set and counter checkers.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from deploy.client import Client, NoAnswerError

SKUS: Final = tuple(f"{number:04d}" for number in range(25))
LINES_MAX: Final = 4
IMPATIENT_CHANCE: Final = 0.15
WALK_AWAY_CHANCE: Final = 0.3
"""Of those who lost patience, how many never ask again."""
PATIENCE_S_MAX: Final = 0.02
"""An impatient till gives up within this: before, while or after the node records the sale."""
PAUSE_S_MAX: Final = 0.01


class LedgerError(Exception):
    """A sale was lost, doubled, changed or invented."""


@dataclass(slots=True)
class CrashTill:
    """One till at one location. `sent` and `answered` map a key to the sale's lines and to its answer."""

    client: Client
    location: str
    name: str
    rng: Random
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answered: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0
    settled: int = 0

    async def sell_until(self, closing_time: asyncio.Event) -> None:
        """Sell, one sale after another, and settle the last one before going home."""
        while not closing_time.is_set():
            await self._sell()
            await asyncio.sleep(self.rng.uniform(0, PAUSE_S_MAX))

    async def _sell(self) -> None:
        key = f"{self.name}-{len(self.sent)}"
        lines = [
            {"sku": self.rng.choice(SKUS), "delta": -self.rng.randrange(4)}
            for _ in range(self.rng.randint(1, LINES_MAX))
        ]
        self.sent[key] = lines
        sale = self._sale(key)
        if self.rng.random() < IMPATIENT_CHANCE:
            await self._sell_impatiently(key, sale)
            if key in self.answered or self.rng.random() < WALK_AWAY_CHANCE:
                return
            self.repeated += 1
        answer = await self.client.record(key, sale)
        self.repeated += answer.attempts - 1
        self.answered[key] = answer.json()

    async def settle(self) -> None:
        """Ask again about every sale that was walked away from: from now on all of them are answered."""
        for key in self.sent.keys() - self.answered.keys():
            self.answered[key] = (await self.client.record(key, self._sale(key))).json()
            self.settled += 1

    def _sale(self, key: str) -> dict[str, Any]:
        lines = self.sent[key]
        return {"kind": "sale", "location": self.location, "reference": key, "lines": lines}

    async def _sell_impatiently(self, key: str, sale: dict[str, Any]) -> None:
        with contextlib.suppress(NoAnswerError, TimeoutError):
            async with asyncio.timeout(self.rng.uniform(0, PATIENCE_S_MAX)):
                answer = await self.client.send("/v1/movements", sale, key, timeout_s=30)
                assert answer.status == 201, answer
                self.answered[key] = answer.json()


def check_ledger(tills: Iterable[CrashTill], movements: list[dict[str, Any]]) -> None:
    """Compare one node's whole list of movements with what its tills know.

    Raises:
        LedgerError: with the first sale that is wrong.
    """
    twice = [ref for ref, n in Counter(m["reference"] for m in movements).items() if n > 1]
    if twice or len({movement["id"] for movement in movements}) != len(movements):
        raise LedgerError(f"recorded more than once: {twice[:5]}")
    recorded = {movement["reference"]: movement for movement in movements}
    for till in tills:
        for key, answer in till.answered.items():
            found = recorded.get(key)
            if found is None or found["id"] != answer["id"]:
                raise LedgerError(f"{key} was answered with {answer}, the ledger has {found}")
        for key, lines in till.sent.items():
            if key in recorded and _content(recorded.pop(key)["lines"]) != _content(lines):
                raise LedgerError(f"{key} was sent as {lines}, the ledger has something else")
    if recorded:
        raise LedgerError(f"nobody sent {next(iter(recorded.values()))}")


def of_tills(movements: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those movements that tills sent: each has its key as reference. Clerks send none, and documents name themselves."""
    return [each for each in movements if str(each["reference"]).startswith("till-")]


def ledger_sums(movements: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Add up a list of movements: location → SKU → units."""
    totals: dict[str, dict[str, int]] = {}
    for movement in movements:
        shelf = totals.setdefault(movement["location"], {})
        for line in movement["lines"]:
            shelf[line["sku"]] = shelf.get(line["sku"], 0) + line["delta"]
    return totals


def _content(lines: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(line["sku"], line["delta"]) for line in lines]
