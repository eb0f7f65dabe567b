"""Sheets of SKUs, locations, levels, lots and suppliers: what rows become, what is refused, and that a repeat changes nothing."""

import contextlib
import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol.limits import SKU_NAME_CHARS_MAX
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.exchange.files import (
    documents_of,
    import_sheet,
    lines_of,
    logged,
    write,
)
from tests.node.exchange.test_interrupted_imports import wait_until
from tests.node.processes import CHECKOUT, out, serving


def many(file: Path, count: int) -> Path:
    """Write a sheet of SKUs."""
    return write(file, "id,name,minimum", *(f"A{n},Thing {n},{n}" for n in range(count)))


def test_a_row_says_everything_that_a_sku_has(office: Shop, tmp_path: Path) -> None:
    with serving(office.folder.path) as node:
        for name, kind in (("storage", "text"), ("shelf", "whole_number"), ("vegan", "yes_no")):
            body = {"collection": "skus", "name": name, "type": kind}
            made = node.ask(
                "POST", "/v1/attributes", office.operator_token, body, Idempotency_Key=name
            )
            assert made[0] == 201
    file = write(
        tmp_path / "f.csv",
        "id,name,unit,price,price_currency,cost,cost_currency,packs,packs.box of 20,barcodes,"
        "lot_tracked,Display Decimals,attributes.storage,attributes.shelf,attributes.vegan",
        "007,Apple,g,12.5,EUR,700,JPY,crate=9000;bag=6,20,0400=bag;00500,yes,3,cool,-4,no",
        'B,"Pear, ripe",,1,KWD,,,,,"{""6"":{""pack"":null}}",0,,,,',
    )
    done = import_sheet(office, "skus", file)
    assert (done.code, done.counts) == (0, (2, 0, 0, 0)), done
    apple, pear = (documents_of(office, "skus")[id_] for id_ in ("007", "B"))
    assert (apple["name"], apple["unit"], apple["display_decimals"]) == ("Apple", "g", 3)
    assert apple["price"] == {"amount": 1_250, "currency": "EUR"}
    assert apple["cost"] == {"amount": 700, "currency": "JPY"}
    multiples = {name: pack["multiple"] for name, pack in apple["packs"].items()}
    assert multiples == {"crate": 9_000, "bag": 6, "box of 20": 20}
    assert {code: on["pack"] for code, on in apple["barcodes"].items()} == {
        "0400": "bag",
        "00500": None,
    }
    assert apple["attributes"] == {"storage": "cool", "shelf": -4, "vegan": False}
    assert apple["lot_tracked"] is True
    assert (pear["name"], pear["unit"]) == ("Pear, ripe", "each")
    assert pear["price"] == {"amount": 1_000, "currency": "KWD"}


def test_the_same_file_twice_changes_nothing_though_somebody_edited_meanwhile(
    office: Shop, tmp_path: Path
) -> None:
    file = many(tmp_path / "f.csv", 600)
    assert import_sheet(office, "skus", file).counts == (600, 0, 0, 0)
    with serving(office.folder.path) as node:
        path, change = "/v1/skus/A7", {"name": "Renamed"}
        assert node.ask("PATCH", path, office.operator_token, change, Idempotency_Key="c")[0] == 200
    before = logged(office)
    again = import_sheet(office, "skus", file.rename(tmp_path / "another-name.csv"))
    assert (again.code, again.counts) == (0, (0, 600, 0, 0))
    assert logged(office) == before
    assert documents_of(office, "skus")["A7"]["name"] == "Renamed"
    assert out("verify", "--data", str(office.folder.path)) == ""


def test_beside_a_daemon_and_without_one_are_the_same_import(office: Shop, tmp_path: Path) -> None:
    file = many(tmp_path / "f.csv", 300)
    with serving(office.folder.path):
        assert import_sheet(office, "skus", file).counts == (300, 0, 0, 0)
        assert import_sheet(office, "skus", file).counts == (0, 300, 0, 0)
    assert import_sheet(office, "skus", file).counts == (0, 300, 0, 0)
    assert len(documents_of(office, "skus")) == 300


def test_a_changed_row_changes_only_the_fields_that_differ(office: Shop, tmp_path: Path) -> None:
    import_sheet(office, "skus", write(tmp_path / "f.csv", "id,name,unit", "A,Apple,g", "B,Bun,g"))
    changed = write(tmp_path / "g.csv", "id,name,unit,category", "A,Apple,kg,", "B,Bun,g,Bread")
    done = import_sheet(office, "skus", changed)
    assert (done.counts, done.summary["unchanged"]) == ((2, 0, 0, 0), 0)
    assert logged(office) == 4
    same = import_sheet(office, "skus", write(tmp_path / "h.csv", "id,unit", "A,kg", "B,x"))
    assert (same.counts, same.summary["unchanged"]) == ((1, 0, 0, 0), 1)
    held = documents_of(office, "skus")
    assert (held["A"]["name"], held["A"]["unit"]) == ("Apple", "kg")
    assert (held["B"]["category"], held["B"]["unit"]) == ("Bread", "x")


def test_an_empty_cell_says_nothing_unless_it_is_asked_to_clear(
    office: Shop, tmp_path: Path
) -> None:
    import_sheet(office, "skus", write(tmp_path / "f.csv", "id,name,category", "A,Apple,Fruit"))
    empty = write(tmp_path / "g.csv", "id,name,category", "A,Apple,")
    assert import_sheet(office, "skus", empty).summary["unchanged"] == 1
    assert documents_of(office, "skus")["A"]["category"] == "Fruit"
    assert import_sheet(office, "skus", empty, "--clear-empty").counts == (1, 0, 0, 0)
    assert documents_of(office, "skus")["A"]["category"] is None


def test_read_with_other_columns_a_file_is_another_one(office: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "id,name,Abteilung", "A,Apple,Obst")
    import_sheet(office, "skus", file, "--map", "Abteilung=description")
    assert import_sheet(office, "skus", file, "--map", "Abteilung=category").counts[0] == 1
    assert documents_of(office, "skus")["A"]["category"] == "Obst"


BAD_CELLS: list[tuple[str, str, str]] = [
    ("price", "12,50", "--decimal comma"),
    ("price", "1,234.50", "thousands"),
    ("price", "12.505", "more decimals"),
    ("price", "-1", "must be an amount"),
    ("price", "1e3", "must be an amount"),
    ("minimum", "1.5", "must be a whole number"),
    ("minimum", "1 000", "must be a whole number"),
    ("minimum", "-1", "must be from 0"),
    ("lot_tracked", "maybe", "yes or no"),
    ("packs", "bag=0", "must be from 1"),
    ("packs", "bag", "must have multiple"),
    ("packs", "bag=6;bag=7", "the same twice"),
    ("packs", '"{"', "JSON"),
    ("packs.bag", "six", "whole number"),
    ("supplier", "Nobody", "names nothing in suppliers"),
    ("attributes.colour", "red", "has not declared"),
    ("name", "n" * (SKU_NAME_CHARS_MAX + 1), "at most"),
    ("name", "a\x1b[31mb", "control"),
    ("id", "x" * 65, "at most"),
]


@pytest.mark.parametrize(("column", "cell", "problem"), BAD_CELLS, ids=str)
def test_a_bad_cell_is_told_with_its_line_and_column(
    office: Shop, tmp_path: Path, column: str, cell: str, problem: str
) -> None:
    cells = {"id": "A", "name": "Apple", column: cell}
    quoted = cell if cell.startswith('"') else f'"{cell}"'
    rows = [",".join(quoted if name == column else value for name, value in cells.items())]
    header = ",".join(cells)
    good = ",".join("" if name not in {"id", "name"} else f"ok {name}" for name in cells)
    file = write(tmp_path / "f.csv", header, good, *rows, good)
    done = import_sheet(office, "skus", file, "--currency", "EUR", "--dry-run")
    assert done.code == 1, done
    assert lines_of(done) == [(3, column)], done
    assert problem in str(done.found[0]["problem"])
    assert not import_sheet(office, "skus", file, "--currency", "EUR").summary["recorded"]
    assert logged(office) == 0


def test_a_decimal_comma_is_read_only_when_it_is_asked_for(office: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "id;name;price", "A;Apple;12,50", "B;Bun;3", "C;Cake;0,5")
    assert import_sheet(office, "skus", file, "--currency", "EUR").counts[3] == 2
    done = import_sheet(office, "skus", file, "--currency", "EUR", "--decimal", "comma")
    assert done.counts == (3, 0, 0, 0), done
    prices = [one["price"]["amount"] for one in documents_of(office, "skus").values()]
    assert prices == [1_250, 300, 50]
    point = write(tmp_path / "g.csv", "id;name;price", "A;Apple;12.50")
    assert import_sheet(office, "skus", point, "--currency", "EUR", "--decimal", "comma").code == 1


def test_a_formula_stays_the_text_that_it_is(office: Shop, tmp_path: Path) -> None:
    file = write(
        tmp_path / "f.csv", "id,name,description", 'A,=1+1,"=HYPERLINK(""x"")"', "B,'=2,+3"
    )
    assert import_sheet(office, "skus", file).counts == (2, 0, 0, 0)
    held = documents_of(office, "skus")
    assert (held["A"]["name"], held["A"]["description"]) == ("=1+1", '=HYPERLINK("x")')
    assert held["B"]["name"] == "=2", "an export's mark is taken off"


def test_a_dry_run_says_what_the_node_would_refuse(shop: Shop, tmp_path: Path) -> None:
    created = write(tmp_path / "f.csv", "id,name", "A,Apple")
    assert import_sheet(shop, "skus", created).counts == (1, 0, 0, 0)
    file = write(tmp_path / "g.csv", "id,name", "A,Apples", "B,", "C,Cake", "A,Apple")
    done = import_sheet(shop, "skus", file, "--dry-run")
    refused = [(found["line"], found["code"]) for found in done.found]
    assert refused == [(2, "forbidden"), (3, "validation_failed")]
    assert (done.code, done.summary["dry_run"], logged(shop)) == (1, True, 1)
    assert "1 would be recorded, 1 say what is there" in done.words
    real = import_sheet(shop, "skus", file)
    assert [(found["line"], found["code"]) for found in real.found] == refused
    assert (real.counts, real.summary["unchanged"]) == ((1, 0, 2, 0), 1)


def test_a_shop_imports_its_own_levels_without_naming_itself(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "SKU,Minimum,Reorder quantity", "A,4,10", "B,0,")
    assert import_sheet(shop, "levels", file).counts == (2, 0, 0, 0)
    held = documents_of(shop, "levels")
    assert {one["location"] for one in held.values()} == {"S01"}
    assert [one["reorder_quantity"] for one in held.values()] == [10, None]
    other = write(tmp_path / "g.csv", "location,sku,minimum", "S02,A,4")
    assert [found["code"] for found in import_sheet(shop, "levels", other).found] == ["forbidden"]


def test_locations_are_the_offices_and_lots_anybodys(
    office: Shop, shop: Shop, tmp_path: Path
) -> None:
    places = write(tmp_path / "l.csv", "id,name,time_zone", "S01,Market Street,Europe/London")
    assert import_sheet(office, "locations", places).counts == (1, 0, 0, 0)
    assert import_sheet(shop, "locations", places).counts == (0, 0, 1, 0)
    lots = write(tmp_path / "t.csv", "sku,Batch,expires", "A,L/1,31/12/2027", "A,L2,")
    mapped = ("--map", "Batch=code", "--map", "expires=expiry", "--date-format", "%d/%m/%Y")
    assert import_sheet(shop, "lots", lots, *mapped).counts == (2, 0, 0, 0)
    held = documents_of(shop, "lots").values()
    assert {one["code"]: one["expiry"] for one in held} == {"L/1": "2027-12-31", "L2": None}


def test_suppliers_are_known_by_name_and_skus_name_them(office: Shop, tmp_path: Path) -> None:
    rows = ("Acme,a@acme.example", "Lakeside,", "Acme,b@acme.example")
    file = write(tmp_path / "f.csv", "name,contact_info", *rows)
    tried = import_sheet(office, "suppliers", file, "--dry-run")
    assert tried.code == 0, tried
    for counts in ((3, 0, 0, 0), (0, 3, 0, 0), (0, 3, 0, 0)):
        assert import_sheet(office, "suppliers", file).counts == counts
    held = documents_of(office, "suppliers")
    assert sorted((one["name"], one["contact_info"]) for one in held.values()) == [
        ("Acme", "b@acme.example"),
        ("Lakeside", None),
    ]
    other = write(tmp_path / "g.csv", "name,contact_info", "Lakeside,x", "New,y")
    assert import_sheet(office, "suppliers", other).counts == (2, 0, 0, 0)
    assert len(documents_of(office, "suppliers")) == 3
    skus = write(tmp_path / "s.csv", "id,name,supplier", "A,Apple,Acme")
    assert import_sheet(office, "skus", skus).counts == (1, 0, 0, 0)
    (apple,) = documents_of(office, "skus").values()
    assert held[apple["supplier"]]["name"] == "Acme"


def test_a_name_that_two_suppliers_have_needs_an_id(office: Shop, tmp_path: Path) -> None:
    with serving(office.folder.path) as node:
        for key in ("one", "two"):
            body = {"name": "Acme"}
            node.ask("POST", "/v1/suppliers", office.operator_token, body, Idempotency_Key=key)
    done = import_sheet(office, "suppliers", write(tmp_path / "f.csv", "name", "Acme"))
    assert [(found["line"], found["code"]) for found in done.found] == [(2, "conflict")]
    id_ = next(iter(documents_of(office, "suppliers")))
    named = write(tmp_path / "g.csv", "id,name", f"{id_},Acme & Sons")
    assert import_sheet(office, "suppliers", named).counts == (1, 0, 0, 0)
    assert documents_of(office, "suppliers")[id_]["name"] == "Acme & Sons"


RUBBISH: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "UTF-16": ("id,name\nA,B\n".encode("utf-16"), "UTF-16"),
    "no identity": (b"name,unit\nApple,g\n", "no column is id"),
    "two ids": (b"id,ID,name\nA,B,C\n", "are both id"),
    "damaged gzip": (b"\x1f\x8b\x08\x00 this is no gzip file", "damaged gzip"),
    "cut gzip": (gzip.compress(b"id,name\nA,Apple\n" * 999)[:60], "damaged gzip"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_what_is_no_sheet_is_told_in_a_sentence(office: Shop, tmp_path: Path, name: str) -> None:
    content, problem = RUBBISH[name]
    file = tmp_path / "f.csv"
    file.write_bytes(content)
    command = [sys.executable, "-W", "error", "-m", "node", "import", "skus", str(file)]
    done = subprocess.run(
        [*command, "--data", str(office.folder.path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode in {1, 2}, done
    assert problem in done.stderr, done
    assert "Traceback" not in done.stderr
    assert logged(office) == 0


def test_rubbish_in_rows_is_told_row_by_row(office: Shop, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    rows = [b"id,name,extra,extra", b"A,caf\xe9,,", b"B,Bun", b"C,C,,,", b"D," + b"d" * 200_000]
    file.write_bytes(b"\n".join([*rows, b"E,E,,", b""]))
    done = import_sheet(office, "skus", file, "--dry-run")
    assert lines_of(done) == [(2, "name"), (3, ""), (4, ""), (5, "")], done
    assert import_sheet(office, "skus", file, "--skip-bad").counts == (1, 0, 0, 4)
    latin = import_sheet(office, "skus", file, "--skip-bad", "--encoding", "iso-8859-1")
    assert documents_of(office, "skus")["A"]["name"] == "caf\xe9", latin


def test_a_gzipped_file_is_read_as_what_it_holds(office: Shop, tmp_path: Path) -> None:
    plain = many(tmp_path / "f.csv", 5_000)
    packed = tmp_path / "f.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert import_sheet(office, "skus", packed).counts == (5_000, 0, 0, 0)
    assert import_sheet(office, "skus", packed).counts == (0, 5_000, 0, 0)


@pytest.mark.parametrize("daemon", [True, False])
def test_an_import_that_was_killed_goes_on_where_it_was(
    office: Shop, tmp_path: Path, daemon: bool
) -> None:
    rows = 4_000
    file = many(tmp_path / "f.csv", rows)
    command = [sys.executable, "-m", "node", "import", "skus", str(file)]
    with contextlib.ExitStack() as stack:
        if daemon:
            stack.enter_context(serving(office.folder.path))
        with subprocess.Popen(
            [*command, "--data", str(office.folder.path)],
            cwd=CHECKOUT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as child:
            wait_until(lambda: logged(office) > 0)
            child.kill()
        assert child.returncode == -signal.SIGKILL
        done = import_sheet(office, "skus", file)
    recorded, there_already, *faulty = done.counts
    assert (done.code, recorded + there_already, faulty) == (0, rows, [0, 0])
    assert logged(office) == rows
    assert out("verify", "--data", str(office.folder.path)) == ""


def test_two_nodes_that_import_one_file_make_the_same_documents(tmp_path: Path) -> None:
    file = many(tmp_path / "f.csv", 20)
    shown: list[dict[str, Any]] = []
    for name in ("S01", "S02"):
        shop = enrolled_folder(tmp_path / name, name=name, writes=(name,))
        assert import_sheet(shop, "skus", file).counts == (20, 0, 0, 0)
        made = {"created_at", "created_at_node", "updated_at"}
        held = documents_of(shop, "skus").items()
        shown.append({id_: {k: v for k, v in one.items() if k not in made} for id_, one in held})
    assert shown[0] == shown[1]


def test_the_help_names_every_column() -> None:
    told = " ".join(out("import", "skus", "--help").split())
    for column in ("price_currency", "packs.KEY", "attributes.KEY", "lot_tracked"):
        assert column in told
