"""The readers and the generator: the traps are in, the sums are right, and wrong data is not replayed."""

import csv
import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.grocery import read_grocery
from tests.data.movements import DataError, checked, summed
from tests.data.pharmacy import read_pharmacy
from tests.data.seeded import FUEL_SKU, TRAP_SKUS, seeded_data


def _write(folder: Path, file: str, rows: list[dict[str, str]], counters: object) -> None:
    with gzip.open(folder / file, "wt", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    reference = json.dumps({"final_counters": counters})
    (folder / "reference.json").write_text(reference, encoding="utf-8")


def _receipt_lines(*lines: str) -> list[dict[str, str]]:
    names = ("store_id", "basket_id", "product_id", "quantity")
    return [
        dict(zip(names, line.split(), strict=True)) | {"sold_at": "2017-01-01T12:30:27"}
        for line in lines
    ]


def test_a_basket_is_one_movement_with_its_lines_in_file_order(tmp_path: Path) -> None:
    rows = _receipt_lines("319 b1 009 2", "321 b2 009 2", "319 b1 001 0", "319 b3 009 2")
    _write(
        tmp_path, "transactions.csv.gz", rows, {"319": {"009": -4, "001": 0}, "321": {"009": -2}}
    )
    data = read_grocery(tmp_path)
    assert data.writes == {"shop-319": ("319",), "shop-321": ("321",)}
    assert [m.lines for m in data.movements["shop-319"]] == [
        (("009", -2), ("001", 0)),
        (("009", -2),),
    ]
    assert [m.key for m in data.movements["shop-319"]] == ["grocery-b1", "grocery-b3"]


def test_data_that_contradicts_its_reference_is_not_replayed(tmp_path: Path) -> None:
    rows = _receipt_lines("319 b1 009 2", "319 b3 009 2")
    _write(tmp_path, "transactions.csv.gz", rows, {"319": {"009": -2}})
    with pytest.raises(DataError, match="do not add up"):
        read_grocery(tmp_path)


def test_ledger_kinds_become_movements_whose_sign_is_allowed(tmp_path: Path) -> None:
    kinds = {"opening": 5, "recount": -2, "receipt": 9, "adjustment": 3, "dispense": -15}
    rows = [
        {"movement_no": str(n), "period": "2016-01", "site_code": f"C{n % 2}", "product_code": "A"}
        | {"kind": kind, "delta": str(delta)}
        for n, (kind, delta) in enumerate(kinds.items())
    ]
    _write(tmp_path, "movements.csv.gz", rows, {"C0": {"A": -1}, "C1": {"A": 1}})
    sent = [m for movements in read_pharmacy(tmp_path).movements.values() for m in movements]
    assert Counter((m.kind, m.reason is not None) for m in sent) == {
        ("opening", False): 1,
        ("receive", False): 1,
        ("dispense", False): 1,
        ("adjust", True): 2,
    }


def test_the_same_seed_makes_the_same_data() -> None:
    assert seeded_data(5, basket_count=200) == seeded_data(5, basket_count=200)
    assert seeded_data(5, basket_count=200) != seeded_data(6, basket_count=200)


def test_seeded_data_holds_every_trap() -> None:
    data = seeded_data(5, basket_count=600)
    sent = [m for movements in data.movements.values() for m in movements]
    skus = {sku for m in sent for sku, _ in m.lines}
    assert skus >= {FUEL_SKU, *TRAP_SKUS}
    assert any(delta == 0 for m in sent for _, delta in m.lines)
    assert max(abs(delta) for m in sent for _, delta in m.lines) > 10_000_000
    contents = Counter((m.kind, m.location, m.lines) for m in sent)
    assert any(count > 1 for count in contents.values())
    assert any(len({sku for sku, _ in m.lines}) < len(m.lines) for m in sent)
    assert {m.location for m in sent} == set(data.locations)


def test_a_key_that_names_two_movements_is_not_replayed() -> None:
    data = seeded_data(5, basket_count=50)
    node, sent = next(iter(data.movements.items()))
    doubled = {**data.movements, node: [*sent, sent[0]]}
    with pytest.raises(DataError, match="two movements"):
        checked(replace(data, movements=doubled, expected=summed(doubled)))
