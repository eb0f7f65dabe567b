"""A month of real receipts, imported as a shop would, interrupted on the way; skipped where there is no data."""

import contextlib
import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from tests.data.movements import data_folder
from tests.node.enrolled import enrolled_folder
from tests.node.exchange.files import export, import_, on_hand
from tests.node.exchange.test_interrupted_imports import start_import, wait_until
from tests.node.processes import serving

MONTH = "2017-01"
"""A tenth of the half year."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_month_of_receipts_of_all_shops_adds_up(tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("the data sets are not on this machine")
    expected, stores = Counter[str](), dict[str, None]()
    file = tmp_path / "receipts.csv"
    with (
        gzip.open(folder / "grocery" / "transactions.csv.gz", "rt", newline="") as whole,
        file.open("w", newline="") as month,
    ):
        rows = csv.DictReader(whole)
        writer = csv.DictWriter(month, rows.fieldnames or ())
        writer.writeheader()
        for row in rows:
            if row["sold_at"].startswith(MONTH):
                writer.writerow(row)
                expected[row["product_id"]] -= int(row["quantity"])
                stores[row["store_id"]] = None
    shop = enrolled_folder(tmp_path / "shop", writes=("S01", *stores))
    mapped = (
        "--map",
        "product_id=sku",
        "--map",
        "sold_at=occurred_at",
        "--map",
        "store_id=location",
    )
    options = (*mapped, "--map", "basket_id=reference", "--time-zone", "UTC")
    with contextlib.ExitStack() as stack:
        stack.enter_context(serving(shop.folder.path))
        with start_import(shop, file, *options) as child:
            wait_until(lambda: len(on_hand(shop)) > 500)
            child.kill()
        done = import_(shop, file, *options)
    assert (done.code, done.summary["refused"], done.summary["bad"]) == (0, 0, 0)
    assert done.summary["recorded"] > 0 < done.summary["already_there"]
    assert on_hand(shop) == expected
    exported = tmp_path / "out.csv"
    export(shop, "movements", "--output", str(exported))
    other = enrolled_folder(tmp_path / "other", writes=("S01", *stores))
    assert import_(other, exported, kind=None).summary["recorded"] == done.summary["rows"]
    assert on_hand(other) == expected
