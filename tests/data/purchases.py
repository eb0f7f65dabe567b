"""Ten years of deliveries to 22 countries as purchases: what was ordered, what each delivery note brought, what must be left.

The data says what came and not what was asked for, so the orders here ask for round numbers of packs (two digits): a third
of them is then delivered short of what was ordered, a third over. The base unit is what a pack holds, so every line is
in packs and every stock in units; the reference counts packs.
"""

import csv
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.data.movements import DataError

APPROVED_FROM_CENTS: Final = 25_000_000
"""Purchases of this value are approved by the office."""
CLOSED_UNTIL: Final = "2013"
"""What is short of an order whose last delivery came in this year or before is not waited for any more."""


@dataclass(frozen=True, slots=True)
class Article:
    """What the data has no code for: a product in one pack size."""

    sku: str
    name: str
    strength: str
    dosage_form: str
    units: int

    @property
    def pack(self) -> str:
        return f"pack of {self.units}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery note: packs by SKU, a line for each line of the note."""

    note: str
    on: str
    """YYYY-MM-DD."""
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order, and all that came of it, in the order in which it came."""

    number: str
    country: str
    supplier: str
    cents: int
    deliveries: tuple[Delivery, ...]

    @property
    def received(self) -> dict[str, int]:
        """Packs by SKU."""
        return _summed(line for delivery in self.deliveries for line in delivery.lines)

    @property
    def ordered(self) -> dict[str, int]:
        """Packs by SKU, in round numbers."""
        return {sku: rounded(packs) for sku, packs in self.received.items()}

    @property
    def is_short(self) -> bool:
        received = self.received
        return any(received[sku] < packs for sku, packs in self.ordered.items())

    @property
    def is_over(self) -> bool:
        received = self.received
        return any(received[sku] > packs for sku, packs in self.ordered.items())

    @property
    def is_approved(self) -> bool:
        """Whether the office has to say yes first."""
        return self.cents >= APPROVED_FROM_CENTS

    @property
    def is_closed(self) -> bool:
        """Whether somebody ends it, so that the rest is no longer waited for."""
        return self.is_short and self.deliveries[-1].on[:4] <= CLOSED_UNTIL

    @property
    def stage(self) -> str:
        """Where it must stand at the end."""
        if self.is_closed:
            return "closed"
        return "partly_received" if self.is_short else "received"

    @property
    def status(self) -> str:
        return "pending" if self.stage == "partly_received" else "fulfilled"


@dataclass(frozen=True, slots=True)
class Purchases:
    """All of them."""

    articles: dict[str, Article]
    """By SKU."""
    orders: tuple[Purchase, ...]
    """By the day of the first delivery."""

    @property
    def stock(self) -> dict[str, dict[str, int]]:
        """Country → SKU → base units, when everything has come."""
        shelves: dict[str, dict[str, int]] = {}
        for order in self.orders:
            shelf = shelves.setdefault(order.country, {})
            for sku, packs in order.received.items():
                shelf[sku] = shelf.get(sku, 0) + packs * self.articles[sku].units
        return shelves


def read_purchases(folder: Path) -> Purchases:
    """Read `deliveries.csv.gz` and `reference.json`.

    Raises:
        DataError: they contradict each other.
    """
    with gzip.open(folder / "deliveries.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = dict.fromkeys(map(_name, rows))
    skus = {name: f"MED-{number:03}" for number, name in enumerate(names, start=1)}
    by_order: dict[str, list[dict[str, str]]] = {}
    articles = {}
    for row in rows:
        by_order.setdefault(row["po_so_no"], []).append(row)
        sku = skus[_name(row)]
        units = int(row["units_per_pack"])
        named = row["item_description"], row["strength"], row["dosage_form"]
        articles[sku] = Article(sku, *named, units)
    orders = sorted((_order(of, skus) for of in by_order.values()), key=_first_day)
    found = Purchases(articles, tuple(orders))
    reference = json.loads((folder / "reference.json").read_text("utf-8"))
    _check(found, {name: skus[name] for name in names}, reference)
    return found


def rounded(packs: int) -> int:
    """Two digits of it; at least one."""
    return max(1, round(packs, 2 - len(str(packs)) if packs > 99 else 0))


def _check(found: Purchases, skus: dict[str, str], reference: dict[str, Any]) -> None:
    stock = found.stock
    counters = {
        country: {
            skus[name]: packs * found.articles[skus[name]].units for name, packs in of.items()
        }
        for country, of in reference["final_counters"].items()
    }
    notes = sum(len(order.deliveries) for order in found.orders)
    if (len(found.orders), notes) != (reference["orders"], reference["delivery_notes"]):
        raise DataError("deliveries: not the number of orders or notes that the reference has")
    if stock != counters:
        raise DataError("deliveries: the lines do not add up to the reference")


def _order(rows: list[dict[str, str]], skus: dict[str, str]) -> Purchase:
    if len({(row["country"], row["supplier"]) for row in rows}) != 1:
        raise DataError(f"deliveries: {rows[0]['po_so_no']} is of several")
    notes: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in rows:
        note = notes.setdefault((row["delivered_on"], row["asn_dn_no"]), [])
        note.append((skus[_name(row)], int(row["packs"])))
    came = (Delivery(note, day, tuple(notes[day, note])) for day, note in sorted(notes))
    first = rows[0]
    cents = sum(round(float(row["pack_price_usd"]) * 100) * int(row["packs"]) for row in rows)
    return Purchase(first["po_so_no"], first["country"], first["supplier"], cents, tuple(came))


def _first_day(order: Purchase) -> str:
    return order.deliveries[0].on


def _name(row: dict[str, str]) -> str:
    columns = ("item_description", "strength", "dosage_form", "units_per_pack")
    return "|".join(row[column] for column in columns)


def _summed(lines: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for sku, packs in lines:
        total[sku] = total.get(sku, 0) + packs
    return total
