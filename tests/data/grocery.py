"""The grocery receipts: 12 shops, one node each, one movement per basket, lines in the file's order.

Fuel is sold by the thousandth of a gallon, some lines sell nothing, some products are in no catalogue, and
many lines share their shop and second: a line that equals another is another sale.
"""

import csv
import gzip
from pathlib import Path

from tests.data.movements import DataSet, Movement, checked, published_counters


def read_grocery(folder: Path) -> DataSet:
    """Read `transactions.csv.gz` and `reference.json` of `folder`.

    Raises:
        DataError: they contradict each other.
    """
    movements: dict[str, list[Movement]] = {}
    for store, baskets in _baskets(folder / "transactions.csv.gz").items():
        movements[_node(store)] = [
            Movement(
                key=f"grocery-{basket}",
                kind="sale",
                location=store,
                reference=f"receipt {basket}",
                occurred_at=f"{rows[0]['sold_at']}Z",
                lines=tuple((row["product_id"], -int(row["quantity"])) for row in rows),
            )
            for basket, rows in baskets.items()
        ]
    writes = {node: (sent[0].location,) for node, sent in movements.items()}
    return checked(DataSet("grocery", writes, movements, published_counters(folder)))


def _node(store: str) -> str:
    return f"shop-{store}"


def _baskets(file: Path) -> dict[str, dict[str, list[dict[str, str]]]]:
    """Store → basket → its lines, all in the order of their first line in the file."""
    baskets: dict[str, dict[str, list[dict[str, str]]]] = {}
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            baskets.setdefault(row["store_id"], {}).setdefault(row["basket_id"], []).append(row)
    return baskets
