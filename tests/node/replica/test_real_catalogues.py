"""The real barcodes and the real drug catalogue, found again as they are typed; skipped where there is no data."""

import csv
import gzip
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.replica import search, view
from node.replica.folding import words_of
from protocol.barcodes import read_barcode
from protocol.clock import Stamp
from protocol.effects import FieldEffect, Join
from protocol.ids import Scope, Seq, code_fault
from protocol.limits import NAME_CHARS_MAX
from tests.data.movements import data_folder
from tests.node.chain import ME

SCOPES = (Scope("catalogue"),)
AT = Stamp(1_700_000_000_000, 0, ME)
FIRST_HITS = 1_000


def rows_of(name: str) -> Iterator[dict[str, str]]:
    """The rows of a file of the data sets."""
    folder = data_folder()
    if folder is None:
        pytest.skip("the data sets are not on this machine")
    with gzip.open(folder / Path(name), "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def describe(db: sqlite3.Connection, seq: int, sku: str, **fields: object) -> None:
    """Write a SKU's document as its own edit."""
    effects = [
        FieldEffect("skus", sku, name, int(Join.LWW), 0, value, AT, SCOPES)
        for name, value in fields.items()
    ]
    view.record(db, Seq(seq), tuple(effects))


def typed(name: str) -> str:
    """A name as a document can hold it."""
    return "".join(" " if code_fault(sign) else sign for sign in name)[:NAME_CHARS_MAX].strip()


@pytest.mark.slow
def test_every_barcode_of_the_set_is_stored_and_found_again_as_it_is_typed(
    db: sqlite3.Connection,
) -> None:
    names: dict[str, str] = {}
    for number, row in enumerate(rows_of("barcodes/products.csv.gz"), start=1):
        sku = f"P-{number}"
        names[sku] = typed(row["name"])
        describe(db, number, sku, **{"name": names[sku], f"barcodes/{row['barcode']}": {}})
    assert len(names) == 3_633
    lost = {
        row["barcode"]
        for number, row in enumerate(rows_of("barcodes/products.csv.gz"), start=1)
        if f"P-{number}" not in search.with_barcode(db, read_barcode(row["barcode"], year=2026))
    }
    assert lost == set()
    unnamed = {sku for sku, name in names.items() if not words_of(name)}
    unfound = {
        sku
        for sku, name in names.items()
        if sku not in unnamed
        and sku not in search.matching(db, name, archived=False, limit=FIRST_HITS, before=0)
    }
    assert (unfound, len(unnamed) < 10) == (set(), True)
    assert list(search.differing(db)) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_drug_is_found_by_its_code_its_barcode_and_what_its_name_begins_with(
    db: sqlite3.Connection,
) -> None:
    by_first_word: dict[str, set[str]] = defaultdict(set)
    codes: dict[str, str] = {}
    for number, row in enumerate(rows_of("drug_catalogue/drugs_2022.csv.gz"), start=1):
        name, code = typed(row["name"] or row["package_label"]), row["cip7"] or row["cip13"]
        fields = {"name": name, "dosage_form": typed(row["dosage_form"]) or None}
        describe(db, number, code, **fields, **{f"barcodes/{row['cip13']}": {}})
        by_first_word[words_of(name)[0]].add(code)
        codes[row["cip13"]] = code
    assert len(codes) == 20_747
    for cip13, code in codes.items():
        assert search.with_barcode(db, read_barcode(f"01{cip13:0>14}", year=2026)) == [code]
    for code in list(codes.values())[::20]:
        assert search.matching(db, code, archived=False, limit=1, before=0) == [code]
    for word, skus in list(by_first_word.items())[::20]:
        found = search.matching(db, word.upper(), archived=None, limit=len(codes), before=0)
        assert skus <= set(found), word
    assert list(search.differing(db)) == []
