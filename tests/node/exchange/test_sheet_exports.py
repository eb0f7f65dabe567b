"""Collections as sheets: what is exported is imported elsewhere to the same documents."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.exchange.sheet_cells import entries_of_cell, money_of_cell, text_of_money
from node.exchange.sheet_export import cell_of_entries
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.declarations.kinds import Money
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.exchange.files import documents_of, export, import_sheet, write
from tests.node.processes import serving

CREATED = {"created_at", "created_by", "created_at_node", "updated_at"}
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=9)


def said(shop: Shop, collection: str) -> dict[str, Any]:
    """What the documents say, without who made them and when."""
    return {
        id_: {name: value for name, value in one.items() if name not in CREATED}
        for id_, one in documents_of(shop, collection).items()
    }


@pytest.fixture
def filled(office: Shop) -> Shop:
    """Give an office with a little of everything, also what a spreadsheet would run."""
    rows: list[tuple[str, dict[str, Any]]] = [
        ("attributes", {"collection": "skus", "name": "storage", "type": "text"}),
        ("suppliers", {"name": "Acme, Sons", "contact_info": "a@acme.example\nRoom 2"}),
        ("locations", {"id": "S01", "name": "Market", "negative_stock": "warn"}),
        ("skus", {"id": "007", "name": "=1+1", "attributes": {"storage": "-cold"}}),
        ("skus", {"id": "B;", "name": "Pear", "price": {"amount": 5, "currency": "KWD"}}),
        ("skus", {"id": "C", "name": "Old", "archived": True}),
        ("lots", {"sku": "007", "code": "L/1", "expiry": "2027-01-31", "status": "on_hold"}),
        ("levels", {"location": "S01", "sku": "B;", "minimum": 4}),
    ]
    maps = {
        "packs": {"box; 20": {"multiple": 20}, "bag": {"multiple": 6}},
        "barcodes": {"0400": {"pack": "bag"}, "500": {}},
        "cost": {"amount": 1_205, "currency": "JPY"},
        "lot_tracked": True,
    }
    with serving(office.folder.path) as node:
        for n, (collection, row) in enumerate(rows):
            extra = maps if row.get("id") == "B;" else {}
            body = {"documents": [{"key": f"row-{n}", **row, **extra}]}
            path = f"/v1/{collection}/batch"
            results = node.ask("POST", path, office.operator_token, body)[1]["results"]
            assert results[0]["status"] == 201, results
        (supplier,) = node.ask("GET", "/v1/suppliers", office.operator_token)[1]["items"]
        change = {"supplier": supplier["id"]}
        node.ask("PATCH", "/v1/skus/007", office.operator_token, change, Idempotency_Key="s")
    return office


def test_what_is_exported_is_imported_elsewhere_as_the_same(filled: Shop, tmp_path: Path) -> None:
    other = enrolled_folder(tmp_path / "other", name="other", writes=(), role=Role.OFFICE)
    attribute = {"collection": "skus", "name": "storage", "type": "text"}
    with serving(other.folder.path) as node:
        node.ask("POST", "/v1/attributes", other.operator_token, attribute, Idempotency_Key="a")
    for collection in ("suppliers", "locations", "skus", "lots", "levels"):
        file = tmp_path / f"{collection}.csv"
        export(filled, collection, "--archived", "--output", str(file))
        done = import_sheet(other, collection, file)
        assert done.code == 0, (done, file.read_text())
        assert export(other, collection, "--archived").count("\r\n") == done.summary["rows"] + 1
    ((_, acme),) = said(filled, "suppliers").items()
    ((id_, copied),) = said(other, "suppliers").items()
    assert {**copied, "id": ""} == {**acme, "id": ""}
    skus = said(filled, "skus")
    skus["007"]["supplier"] = id_
    assert said(other, "skus") == skus
    for collection in ("locations", "lots", "levels"):
        assert said(other, collection) == said(filled, collection)


def test_what_is_exported_changes_nothing_where_it_came_from(filled: Shop, tmp_path: Path) -> None:
    for collection in ("suppliers", "locations", "skus", "lots", "levels"):
        before = documents_of(filled, collection)
        file = write(tmp_path / f"{collection}.csv")
        file.write_bytes(export(filled, collection, "--archived").encode())
        done = import_sheet(filled, collection, file)
        assert (done.code, done.summary["unchanged"]) == (0, len(before)), done
        assert documents_of(filled, collection) == before


def test_archived_documents_are_left_out_unless_they_are_asked_for(filled: Shop) -> None:
    ids = [row["id"] for row in csv.DictReader(io.StringIO(export(filled, "skus"), newline=""))]
    assert ids == ["007", "B;"]


@given(st.integers(0, 10**15), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_an_amount_is_read_back_as_it_was(amount: int, currency: str) -> None:
    value = {"amount": amount, "currency": currency}
    assert Money().fault(value) is None
    text, written = text_of_money(value)
    assert money_of_cell(text, written, ".") == value
    assert money_of_cell(text.replace(".", ","), written, ",") == value


@given(st.dictionaries(NAMES, st.one_of(st.none(), NAMES), max_size=4))
def test_any_map_is_read_back_as_it_was(held: dict[str, str | None]) -> None:
    barcodes = next(one for one in COLLECTIONS["skus"].entries if one.name == "barcodes")
    entries = {code: {"pack": pack} for code, pack in held.items()}
    wanted = {code: {} if pack is None else {"pack": pack} for code, pack in held.items()}
    cell = cell_of_entries(barcodes, entries)
    assert entries_of_cell(barcodes, cell) == wanted
