"""The purchases' reader: what is ordered is round, what came of it over or short, and how each order must end."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from tests.data.movements import DataError
from tests.data.ordering import outcome_of
from tests.data.purchases import Purchases, read_purchases, rounded

COLUMNS = ("po_so_no", "asn_dn_no", "country", "delivered_on", "supplier", "packs")
DELIVERIES = [
    "PO-1 ASN-1 Benin 2012-05-01 Maker 123",
    "PO-1 ASN-2 Benin 2013-01-31 Maker 4",
    "PO-2 ASN-3 Togo 2014-01-01 Maker 104",
    "PO-3 ASN-4 Togo 2011-01-01 Maker 56",
]
PILLS = "Pills|5mg|Tablet|30"


def read(folder: Path, deliveries: list[str], price: str = "10.5", **changed: int) -> Purchases:
    """The purchases that these deliveries make, with what the reference says changed."""
    rows = [dict(zip(COLUMNS, line.split(), strict=True)) for line in deliveries]
    article = dict(
        zip(("item_description", "strength", "dosage_form"), PILLS.split("|"), strict=False)
    )
    full = [
        {**row, **article, "units_per_pack": "30", "pack_price_usd": price, "scheduled_on": ""}
        for row in rows
    ]
    with gzip.open(folder / "deliveries.csv.gz", "wt", encoding="utf-8", newline="") as file:
        sheet = csv.DictWriter(file, list(full[0]))
        sheet.writeheader()
        sheet.writerows(full)
    counters: dict[str, dict[str, int]] = {}
    for row in rows:
        shelf = counters.setdefault(row["country"], {PILLS: 0})
        shelf[PILLS] += int(row["packs"])
    counts = {"orders": 3, "delivery_notes": 4} | changed
    reference = json.dumps({**counts, "final_counters": counters})
    (folder / "reference.json").write_text(reference, encoding="utf-8")
    return read_purchases(folder)


def test_packs_are_ordered_in_two_digits() -> None:
    packs = (1, 9, 56, 99, 123, 127, 995, 515_432)
    assert [rounded(each) for each in packs] == [1, 9, 56, 99, 120, 130, 1_000, 520_000]


def test_an_order_ends_by_what_came_of_it_and_when(tmp_path: Path) -> None:
    found = read(
        tmp_path, [*DELIVERIES, "PO-4 ASN-5 Togo 2012-02-02 Maker 104"], orders=4, delivery_notes=5
    )
    by_number = {order.number: order for order in found.orders}
    assert [order.number for order in found.orders] == ["PO-3", "PO-4", "PO-1", "PO-2"]
    assert [one.note for one in by_number["PO-1"].deliveries] == ["ASN-1", "ASN-2"]
    ends = {number: (order.stage, order.status) for number, order in by_number.items()}
    assert ends == {
        "PO-1": ("closed", "fulfilled"),
        "PO-2": ("received", "fulfilled"),
        "PO-3": ("received", "fulfilled"),
        "PO-4": ("received", "fulfilled"),
    }
    assert (by_number["PO-1"].ordered, by_number["PO-1"].received) == (
        {"MED-001": 130},
        {"MED-001": 127},
    )
    assert (by_number["PO-2"].is_over, by_number["PO-3"].is_over) == (True, False)
    assert found.stock == {"Togo": {"MED-001": 264 * 30}, "Benin": {"MED-001": 127 * 30}}


def test_a_young_order_waits_for_what_is_short_and_a_dear_one_for_the_office(
    tmp_path: Path,
) -> None:
    deliveries = [DELIVERIES[0], "PO-2 ASN-3 Togo 2014-01-01 Maker 109", *DELIVERIES[3:]]
    found = read(tmp_path, deliveries, price="2500", delivery_notes=3)
    young = next(order for order in found.orders if order.number == "PO-2")
    assert (young.stage, young.status) == ("partly_received", "pending")
    assert {order.number: order.is_approved for order in found.orders} == {
        "PO-1": True,
        "PO-2": True,
        "PO-3": False,
    }


def test_deliveries_that_contradict_their_reference_are_not_replayed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="number of orders"):
        read(tmp_path, DELIVERIES, orders=2)
    with pytest.raises(DataError, match="is of several"):
        read(tmp_path, [*DELIVERIES[:3], "PO-2 ASN-4 Benin 2011-01-01 Maker 5"])


def test_an_order_that_shows_less_than_came_is_noticed() -> None:
    line = {"sku": "MED-001", "lot": None, "ordered": 30, "fulfilled": 30, "owed": 0}
    named = dict.fromkeys(("reference", "location", "supplier", "stage", "status"), "x")
    whole = outcome_of({**named, "progress": [line]})
    assert whole == {**named, "lines": {"MED-001": (30, 30)}}
    assert outcome_of({**named, "progress": [{**line, "fulfilled": 29}]}) != whole
    assert outcome_of(None) is None
