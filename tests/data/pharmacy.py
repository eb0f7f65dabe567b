"""The pharmacy ledgers: 78 health sites on 12 nodes, each node writing six or seven of them.

One movement per line of the ledger. A recount and an adjustment may have either sign, so both are recorded
as `adjust` with their reason; what was received, dispensed and opened with keeps its own kind.
"""

import csv
import gzip
from pathlib import Path
from typing import Final

from tests.data.movements import DataSet, Movement, checked, published_counters

NODE_COUNT: Final = 12
KINDS: Final = {
    "opening": ("opening", None),
    "receipt": ("receive", None),
    "dispense": ("dispense", None),
    "recount": ("adjust", "RECOUNTED"),
    "adjustment": ("adjust", "LEDGER_ADJUSTMENT"),
}
"""The ledger's kind → ours, and the reason that an adjustment must give."""


def read_pharmacy(folder: Path) -> DataSet:
    """Read `movements.csv.gz` and `reference.json` of `folder`.

    Raises:
        DataError: they contradict each other.
    """
    expected = published_counters(folder)
    node_of = {
        site: f"district-{i % NODE_COUNT + 1:02d}" for i, site in enumerate(sorted(expected))
    }
    movements: dict[str, list[Movement]] = {node: [] for node in sorted(set(node_of.values()))}
    with gzip.open(folder / "movements.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            movements[node_of[row["site_code"]]].append(movement_of(row))
    writes = {node: tuple(s for s, n in node_of.items() if n == node) for node in movements}
    return checked(DataSet("pharmacy", writes, movements, expected))


def movement_of(row: dict[str, str]) -> Movement:
    """One line of the ledger."""
    kind, reason = KINDS[row["kind"]]
    return Movement(
        key=f"pharmacy-{row['movement_no']}",
        kind=kind,
        location=row["site_code"],
        reference=f"ledger line {row['movement_no']}",
        occurred_at=f"{row['period']}-01T00:00:00Z",
        lines=((row["product_code"], int(row["delta"])),),
        reason=reason,
    )
