"""Exports: what is written is what the node shows, harmless in a spreadsheet, and it can be read in again."""

import csv
import io
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.exchange.cells import neutralised
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.exchange.files import export, import_, on_hand, write
from tests.node.processes import call, serving

FORMULA = '=HYPERLINK("http://x","y")'


def rows(text: str) -> list[dict[str, str]]:
    """The rows under the header."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def stock_and_goods(shop: Shop, tmp_path: Path) -> None:
    """Record a little of everything that a spreadsheet or a parser could trip over."""
    file = tmp_path / "goods.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(
            ["kind", "sku", "lot", "delta", "counted", "reference", "reason", "note", "witness"]
        )
        writer.writerow(["opening", "'" + FORMULA, "+L1", 5, "", "@r", "", "a,\r\n=1", ""])
        writer.writerow(["sale", "'-7", "", -3, "", "  =x", "", "", "=who"])
        writer.writerow(["count", "\u4e2d\u6587", "", "", 4, "", "", "it's", ""])
        writer.writerow(["adjust", "'=twice", "", -2, "", "", "'quoted", "", ""])
    assert import_(shop, file, kind=None).counts == (4, 0, 0, 0)


def test_stock_is_what_is_shown(shop: Shop, tmp_path: Path) -> None:
    stock_and_goods(shop, tmp_path)
    with serving(shop.folder.path) as daemon:
        shown = daemon.ask("GET", "/v1/stock?location=S01", shop.operator_token)[1]["items"]
        beside = export(shop, "stock")
    alone = export(shop, "stock")
    assert beside == alone
    exported = [
        (row["location"], int(row["on_hand"]), int(row["available"])) for row in rows(alone)
    ]
    assert exported == [(row["location"], row["on_hand"], row["available"]) for row in shown]


def test_what_may_not_be_sold_is_in_the_export_so_that_available_adds_up(
    shop: Shop, tmp_path: Path
) -> None:
    file = write(tmp_path / "f.csv", "kind,sku,lot,delta", "opening,A1,L1,5", "opening,A1,L2,7")
    assert import_(shop, file, kind=None).counts[0] == 2
    with serving(shop.folder.path) as daemon:
        held = {"sku": "A1", "code": "L1", "status": "on_hold"}
        made = daemon.ask("POST", "/v1/lots", shop.operator_token, held, Idempotency_Key="held")
        assert made[0] == 201
    (row,) = rows(export(shop, "stock", "--sku", "A1"))
    assert (row["on_hand"], row["held"], row["available"]) == ("12", "5", "7")
    names = ("reserved", "granted", "held", "available")
    assert int(row["on_hand"]) == sum(int(row[name]) for name in names)


def test_no_cell_is_a_formula_and_a_negative_quantity_stays_a_number(
    shop: Shop, tmp_path: Path
) -> None:
    stock_and_goods(shop, tmp_path)
    for what in ("stock", "movements"):
        text = export(shop, what)
        assert text.startswith('"')
        assert '"=' not in text
        numbers = {"on_hand", "available", "delta", "counted"}
        for row in rows(text):
            for name, cell in row.items():
                if name in numbers:
                    assert cell == "" or int(cell) is not None
                else:
                    assert not cell.lstrip().startswith(("=", "+", "-", "@")), (name, cell)
    assert ",-3," in export(shop, "movements")


def test_exported_movements_recorded_elsewhere_give_the_same_stock_and_the_same_export(
    shop: Shop, tmp_path: Path
) -> None:
    stock_and_goods(shop, tmp_path)
    file = tmp_path / "out.csv"
    assert export(shop, "movements", "--output", str(file)) == ""
    other = enrolled_folder(tmp_path / "other")
    assert import_(other, file, kind=None).counts == (4, 0, 0, 0)
    assert on_hand(other) == on_hand(shop)
    same = (
        "kind",
        "sku",
        "lot",
        "delta",
        "counted",
        "reference",
        "occurred_at",
        "reason",
        "note",
        "witness",
    )
    there, here = rows(export(other, "movements")), rows(file.read_bytes().decode())
    assert [[row[name] for name in same] for row in there] == [
        [row[name] for name in same] for row in here
    ]


CODES = st.text(alphabet="'=+-@ aA\u00e9,;\"\uff1d", min_size=1, max_size=6).filter(str.strip)


@settings(max_examples=5)
@given(st.lists(CODES, min_size=1, max_size=20))
def test_any_code_comes_through_unchanged(
    tmp_path_factory: pytest.TempPathFactory, codes: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("codes")
    shop, other = enrolled_folder(folder / "a"), enrolled_folder(folder / "b")
    file = folder / "f.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["sku", "delta"], *([neutralised(code), -1] for code in codes)])
    assert import_(shop, file).counts[0] == len(codes)
    assert set(on_hand(shop)) == set(codes)
    exported = folder / "out.csv"
    call("export", "movements", "--data", str(shop.folder.path), "--output", str(exported))
    assert import_(other, exported, kind=None).counts[0] == len(codes)
    assert on_hand(other) == on_hand(shop)


def test_movements_are_exported_oldest_first_and_filtered(shop: Shop, tmp_path: Path) -> None:
    times = [f"2026-01-{day:02d}T00:00:00Z" for day in range(1, 29)] * 90
    lines = [f"A{n % 3},-1,{n},{time}" for n, time in enumerate(times)]
    file = write(tmp_path / "f.csv", "sku,delta,reference,occurred_at", *lines)
    assert import_(shop, file).counts[0] == len(lines)
    everything = [int(row["reference"]) for row in rows(export(shop, "movements"))]
    assert everything == list(range(len(lines)))
    of_sku = [int(row["reference"]) for row in rows(export(shop, "movements", "--sku", "A1"))]
    assert of_sku == list(range(1, len(lines), 3))
    window = ("--since", "2026-01-10T00:00:00Z", "--until", "2026-01-12T00:00:00+00:00")
    days = {row["occurred_at"][:10] for row in rows(export(shop, "movements", *window))}
    assert days == {"2026-01-10", "2026-01-11"}
    assert rows(export(shop, "movements", "--location", "S02")) == []


def test_a_file_is_whole_private_and_never_replaces_another(shop: Shop, tmp_path: Path) -> None:
    stock_and_goods(shop, tmp_path)
    file, data = tmp_path / "out.csv", str(shop.folder.path)
    assert call("export", "stock", "--data", data, "--output", str(file)).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert before.decode() == export(shop, "stock")
    again = call("export", "stock", "--data", data, "--output", str(file))
    assert (again.returncode, file.read_bytes()) == (74, before)
    assert "exists" in again.stderr
    nowhere = call("export", "stock", "--data", data, "--output", str(tmp_path / "no" / "out.csv"))
    assert nowhere.returncode == 74
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


def test_a_wrong_time_is_a_mistake_on_the_command_line(shop: Shop) -> None:
    done = call("export", "movements", "--data", str(shop.folder.path), "--since", "yesterday")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--since must be an RFC 3339 time" in done.stderr
