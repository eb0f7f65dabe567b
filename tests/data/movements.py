"""A data set as the replay takes it: which node sends which movements, and what must be left at the end.

Invariant: `expected` never comes from the product. It is the published reference, or a plain sum that the
generator kept, and it has one entry for every pair that was ever named, also where it is zero.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
LINES_MAX: Final = 1_000
"""Most lines of one movement, by the HTTP contract."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement as a till sends it. `key` is the source's own id: a repeat in the source stays one."""

    key: str
    kind: str
    location: str
    reference: str
    occurred_at: str
    lines: tuple[tuple[str, int], ...]
    """(sku, delta), in the source's order."""
    reason: str | None = None

    def body(self) -> dict[str, Any]:
        """The JSON body of `POST /v1/movements`."""
        return {
            "kind": self.kind,
            "location": self.location,
            "reference": self.reference,
            "occurred_at": self.occurred_at,
            "reason": self.reason,
            "lines": [{"sku": sku, "delta": delta} for sku, delta in self.lines],
        }


@dataclass(frozen=True, slots=True)
class DataSet:
    """Everything one replay sends and expects."""

    name: str
    writes: Mapping[str, tuple[str, ...]]
    """Node name → the locations it writes."""
    movements: Mapping[str, Sequence[Movement]]
    """Node name → what it records, in order."""
    expected: Mapping[str, Mapping[str, int]]
    """Location → SKU → units on hand at the end."""

    @property
    def movement_count(self) -> int:
        return sum(len(movements) for movements in self.movements.values())

    @property
    def line_count(self) -> int:
        return sum(len(m.lines) for movements in self.movements.values() for m in movements)

    @property
    def locations(self) -> list[str]:
        return sorted(location for written in self.writes.values() for location in written)


class DataError(Exception):
    """The data is not what its description says; nothing was replayed."""


def data_folder() -> Path | None:
    """Where the real data is: EVERSTOCK_DATA, else ../shared/data beside the checkout; None when absent."""
    folder = Path(os.environ.get("EVERSTOCK_DATA") or CHECKOUT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


def published_counters(folder: Path) -> dict[str, dict[str, int]]:
    """`final_counters` of the folder's reference.json: location → SKU → units."""
    counters: dict[str, dict[str, int]] = json.loads(
        (folder / "reference.json").read_text(encoding="utf-8")
    )["final_counters"]
    return counters


def summed(movements: Mapping[str, Sequence[Movement]]) -> dict[str, dict[str, int]]:
    """Add up every line: location → SKU → units. Pairs whose lines are all zero are there with 0."""
    totals: dict[str, dict[str, int]] = {}
    for sent in movements.values():
        for movement in sent:
            shelf = totals.setdefault(movement.location, {})
            for sku, delta in movement.lines:
                shelf[sku] = shelf.get(sku, 0) + delta
    return totals


def checked(data: DataSet) -> DataSet:
    """Return `data` if it can be replayed at all: its own sums equal `expected`, and it keeps the caps.

    Raises:
        DataError: with the first thing that is wrong.
    """
    keys = [movement.key for sent in data.movements.values() for movement in sent]
    if len(set(keys)) != len(keys):
        raise DataError(f"{data.name}: one key names two movements")
    longest = max(len(m.lines) for sent in data.movements.values() for m in sent)
    if not 1 <= longest <= LINES_MAX:
        raise DataError(f"{data.name}: a movement of {longest} lines cannot be sent")
    if summed(data.movements) != data.expected:
        raise DataError(f"{data.name}: its lines do not add up to its reference")
    return data
