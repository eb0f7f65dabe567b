"""The pharmacy ledger month by month, and what a shop's alerts must say of it.

Invariant: `Watch` is arithmetic of its own over (on hand, minimum), written from what the product promises people and not
from its code: below a threshold it begins, a tenth above (one unit at least) it ends, what nobody wants to keep is never
low or out. It is told what a node could see, in the order in which a node could see it.
"""

import csv
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.data.movements import DataError, Movement
from tests.data.pharmacy import movement_of

Pair = tuple[str, str]
"""Location and SKU."""
Alert = tuple[str, str, str]
"""Kind, location and SKU."""
LAST_UNIT: Final = 1
"""The threshold of the rule that is made for every pair: tell me when there is none left."""
_AT_FIRST: Final = frozenset({"opening", "recount"})


@dataclass(frozen=True, slots=True)
class Reported:
    """What a site reported of a product at the end of a month."""

    opened_with: int
    counted: int
    """On the shelf at the end."""
    minimum: int
    """Its average monthly consumption."""

    @property
    def is_below(self) -> bool:
        return self.counted < self.minimum

    @property
    def went_to_zero(self) -> bool:
        return self.opened_with > 0 and self.counted == 0


@dataclass(slots=True)
class Month:
    """One month: what it began with, what moved, and what was counted at its end."""

    name: str
    """YYYY-MM."""
    first: list[Movement] = field(default_factory=list)
    """What a site opens with, and where its count at the beginning differs from the one at the end before."""
    moved: list[Movement] = field(default_factory=list)
    reported: dict[Pair, Reported] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All months, and how many rows the reference counts."""

    months: list[Month]
    rows_below: int
    rows_to_zero: int


def read_ledger(folder: Path) -> Ledger:
    """Read the movements, the monthly stock and the reference.

    Raises:
        DataError: they contradict each other.
    """
    months: dict[str, Month] = {}
    for row in _rows(folder / "movements.csv.gz"):
        month = months.setdefault(row["period"], Month(row["period"]))
        (month.first if row["kind"] in _AT_FIRST else month.moved).append(movement_of(row))
    for row in _rows(folder / "monthly_stock.csv.gz"):
        name = f"{row['year']}-{int(row['month']):02}"
        pair = row["site_code"], row["product_code"]
        opened, counted, used = (
            int(row[column])
            for column in ("stock_initial", "stock_end", "average_monthly_consumption")
        )
        months.setdefault(name, Month(name)).reported[pair] = Reported(opened, counted, used)
    reference = json.loads((folder / "reference.json").read_text("utf-8"))
    return _checked(
        Ledger(
            [months[name] for name in sorted(months)],
            reference["rows_stock_end_below_average_monthly_consumption"],
            reference["rows_stock_went_to_zero"],
        )
    )


def _checked(ledger: Ledger) -> Ledger:
    stock: dict[Pair, int] = {}
    for month in ledger.months:
        for movements, of_row in ((month.first, "opened_with"), (month.moved, "counted")):
            add(stock, movements)
            for pair, row in month.reported.items():
                if stock.get(pair, 0) != getattr(row, of_row):
                    raise DataError(f"pharmacy: {pair} in {month.name}: {row}, not {stock[pair]}")
    rows = [row for month in ledger.months for row in month.reported.values()]
    if sum(row.is_below for row in rows) != ledger.rows_below:
        raise DataError("pharmacy: not the number of low rows that the reference has")
    if sum(row.went_to_zero for row in rows) != ledger.rows_to_zero:
        raise DataError("pharmacy: not the number of rows gone to zero that the reference has")
    return ledger


def add(stock: dict[Pair, int], movements: Iterable[Movement]) -> None:
    """Add every line to what is on hand."""
    for movement in movements:
        for sku, delta in movement.lines:
            pair = movement.location, sku
            stock[pair] = stock.get(pair, 0) + delta


class Watch:
    """What stands raised, and how often each began and ended: odd while it stands, as the product numbers them."""

    def __init__(self) -> None:
        self.numbers: dict[Alert, int] = {}
        self.minimum: dict[Pair, int] = {}
        self.has_rule: set[Pair] = set()

    @property
    def raised(self) -> set[Alert]:
        return {alert for alert, number in self.numbers.items() if number % 2}

    def look(self, pairs: Iterable[Pair], stock: Mapping[Pair, int]) -> None:
        """See each of these pairs once, as it is."""
        for pair in dict.fromkeys(pairs):
            amount, minimum = stock.get(pair, 0), self.minimum.get(pair, 0)
            self._turn("low", pair, *_below(amount, minimum))
            self._turn("out", pair, begins=(gone := minimum > 0 >= amount), ends=not gone)
            self._turn("negative", pair, begins=amount < 0, ends=amount >= 0)
            if pair in self.has_rule:
                self._turn("threshold", pair, *_below(amount, LAST_UNIT))

    def _turn(self, kind: str, pair: Pair, begins: bool, ends: bool) -> None:
        number = self.numbers.get((kind, *pair), 0)
        if ends if number % 2 else begins:
            self.numbers[(kind, *pair)] = number + 1


def _below(amount: int, threshold: int) -> tuple[bool, bool]:
    if threshold <= 0:
        return False, True
    return amount < threshold, amount >= threshold + max(1, threshold // 10)


def _rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
