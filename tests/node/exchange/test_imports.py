"""Imports to their end: what is recorded, what is refused, and that a repeat changes nothing."""

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node.exchange.reporting import Report
from node.exchange.rows import Fault
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.exchange.files import import_, lines_of, logged, on_hand, write, write_sales
from tests.node.processes import CHECKOUT, call, out, serving


def movements(shop: Shop) -> list[dict[str, Any]]:
    """Everything recorded, oldest first, as a till sees it."""
    with serving(shop.folder.path) as daemon:
        items = daemon.ask("GET", "/v1/movements?limit=1000", shop.operator_token)[1]["items"]
    return list(reversed(items))


def test_the_same_file_twice_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    file = write_sales(tmp_path / "f.csv", 2_500)
    assert import_(shop, file).counts == (2_500, 0, 0, 0)
    held = on_hand(shop)
    assert sum(held.values()) == -2_500
    again = import_(shop, file.rename(tmp_path / "another-name.csv"))
    assert (again.code, again.counts) == (0, (0, 2_500, 0, 0))
    assert on_hand(shop) == held
    assert logged(shop) == 2_500
    assert out("verify", "--data", str(shop.folder.path)) == ""


def test_beside_a_daemon_and_without_one_are_the_same_import(shop: Shop, tmp_path: Path) -> None:
    file = write_sales(tmp_path / "f.csv", 300)
    with serving(shop.folder.path):
        assert import_(shop, file).counts == (300, 0, 0, 0)
        assert import_(shop, file).counts == (0, 300, 0, 0)
    assert import_(shop, file).counts == (0, 300, 0, 0)
    assert sum(on_hand(shop).values()) == -300


def test_a_row_says_everything_that_the_api_takes(shop: Shop, tmp_path: Path) -> None:
    file = write(
        tmp_path / "f.csv",
        "kind,location,sku,lot,delta,counted,supplier,unit_cost,currency,expiry,reference,"
        "occurred_at,reason,note,witness,details",
        'receive,S01,A,L1,+12,,Acme,250,EUR,2027-01-31,d 1,2026-01-01T10:00:00+02:00,,,,"{""a"":[1]}"',
        'count,S01,A,L1,,10,,,,,,,,"two\nlines",,',
        "waste,S01,A,L1,-1,,,,,,,,broken,,pharmacist,",
    )
    assert import_(shop, file, kind=None).counts == (3, 0, 0, 0)
    received, counted, wasted = movements(shop)
    assert received["occurred_at"] == "2026-01-01T08:00:00.000Z"
    assert (received["reference"], received["details"]) == ("d 1", {"a": [1]})
    (line,) = received["lines"]
    assert line["unit_cost"] == {"amount": 250, "currency": "EUR"}
    assert (line["supplier"], line["expiry"], line["delta"]) == ("Acme", "2027-01-31", 12)
    assert (counted["lines"][0]["delta"], counted["note"]) == (-2, "two\nlines")
    assert (wasted["kind"], wasted["reason"]) == ("waste", "broken")
    assert wasted["witness"] == "pharmacist"


def test_scans_and_packs_are_taken_where_a_column_is_mapped_to_them(
    shop: Shop, tmp_path: Path
) -> None:
    tea = {"id": "TEA", "name": "Tea", "packs": {"box": {"multiple": 20}}}
    with serving(shop.folder.path) as daemon:
        body = {**tea, "barcodes": {"96385074": {"pack": "box"}, "TEA-1": {}}}
        made = daemon.ask("POST", "/v1/skus", shop.operator_token, body, Idempotency_Key="tea")
        assert made[0] == 201
    scans = write(
        tmp_path / "scans.csv",
        "barcode,quantity,reference",
        "96385074,3,a",
        "TEA-1,5,b",
        "96385074,,c",
        "40170725,1,d",
    )
    done = import_(shop, scans, "--map", "barcode=barcode")
    assert (done.summary["recorded"], done.summary["refused"]) == (3, 1)
    packs = write(tmp_path / "packs.csv", "sku,size,count", "TEA,box,-2", "TEA,crate,-1")
    done = import_(shop, packs, "--map", "size=pack", "--map", "count=packs")
    assert (done.summary["recorded"], done.summary["refused"]) == (1, 1)
    assert on_hand(shop) == {"TEA": -60 - 5 - 20 - 40}
    plain = write(tmp_path / "plain.csv", "sku,delta,barcode,pack", "TEA,-1,none of ours,a sack")
    assert import_(shop, plain).counts == (1, 0, 0, 0)


def test_a_foreign_file_is_mapped(shop: Shop, tmp_path: Path) -> None:
    file = write(
        tmp_path / "f.csv",
        "Shop;Art;Menge;Bon;Zeit;kind",
        "7;A1;2;b 1;31/03/2026 12:30;x",
        "7;A1;-1;b 2;31/03/2026 12:31;x",
        "8;A1;5;b 3;31/03/2026 12:32;x",
        "7;\u00c4;0;b 4;31/12/2026 12:33;x",
        encoding="cp1252",
    )
    done = import_(
        *(shop, file, "--map", "Art=sku", "--map", "Menge=quantity", "--map", "Bon=reference"),
        *("--map", "Zeit=occurred_at", "--map", "kind=", "--where", "Shop=7", "--returns"),
        *("--time-zone", "Europe/Vienna", "--time-format", "%d/%m/%Y %H:%M"),
        *("--encoding", "cp1252"),
    )
    assert done.counts == (3, 0, 0, 0), done
    assert done.summary["left_out"] == 1
    assert on_hand(shop) == {"A1": -1, "\u00c4": 0}
    first, second, third = movements(shop)
    assert (first["kind"], first["occurred_at"]) == ("sale", "2026-03-31T10:30:00.000Z")
    assert (second["kind"], second["lines"][0]["delta"]) == ("customer_return", 1)
    assert third["occurred_at"] == "2026-12-31T11:33:00.000Z"


def test_foreign_kinds_become_ours(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "kind,sku,delta", "receipt,A,9", "recount,A,-2", "opening,B,1")
    kinds = ("--kind-map", "receipt=receive", "--kind-map", "recount=adjust")
    done = import_(shop, file, *kinds, "--reason", "LEDGER", kind=None)
    assert done.counts == (3, 0, 0, 0), done
    assert on_hand(shop) == {"A": 7, "B": 1}


BAD_ROWS = [
    ("A1,x,1", "delta"),
    ("A1,1.5,1", "delta"),
    ("A1,,1", "delta"),
    ("A1,1,1", "delta"),
    ("A1,-99999999999,1", "delta"),
    (",-1,1", "sku"),
    ("A\0,-1,1", "sku"),
    ("A\x1b[31m,-1,1", "sku"),
    (f"{'A' * 65},-1,1", "sku"),
    (f"A1,-1,{'r' * 201}", "reference"),
    ('A1,-1,"two\nlines"', "reference"),
    ("A1,-1", ""),
    ("A1,-1,1,1", ""),
    ('"A"1,-1,1', ""),
]


def test_a_dry_run_lists_every_bad_row_and_records_nothing(shop: Shop, tmp_path: Path) -> None:
    lines, expected = ["sku,delta,reference"], []
    for row, column in BAD_ROWS:
        lines.append("A1,-1,good")
        expected.append((len("\n".join(lines).split("\n")) + 1, column))
        lines.append(row)
    file = write(tmp_path / "f.csv", *lines)
    done = import_(shop, file, "--dry-run")
    assert done.code == 1
    assert list(lines_of(done)) == expected
    assert done.summary["bad"] == len(BAD_ROWS)
    assert "\x1b" not in json.dumps(done.found) + done.words
    refused = import_(shop, file)
    assert (refused.code, refused.summary["ended"]) == (1, "refused")
    assert list(lines_of(refused)) == expected
    assert logged(shop) == 0
    assert "--skip-bad" in refused.words


def test_the_good_rows_of_a_bad_file_are_recorded_when_asked_for(
    shop: Shop, tmp_path: Path
) -> None:
    lines = ["sku,delta,reference", *(f"{row}\nA1,-1,good" for row, _ in BAD_ROWS)]
    file = write(tmp_path / "f.csv", *lines)
    done = import_(shop, file, "--skip-bad")
    assert (done.code, done.counts) == (1, (len(BAD_ROWS), 0, 0, len(BAD_ROWS)))
    assert on_hand(shop) == {"A1": -len(BAD_ROWS)}
    assert "another file" in done.words


def test_other_options_do_not_count_a_row_again(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "sku,delta,counted", "A1,-1,5", "A2,-2,6")
    assert import_(shop, file, "--map", "counted=").counts == (2, 0, 0, 0)
    for options in (("--reason", "again", "--map", "counted="), ("--map", "delta=")):
        kind = "count" if options == ("--map", "delta=") else "sale"
        done = import_(shop, file, *options, kind=kind)
        assert (done.code, done.counts) == (1, (0, 0, 2, 0))
        assert done.summary["refusals"] == {"idempotency_key_reused": 2}
        assert "other options" in done.found[0]["problem"]
    assert on_hand(shop) == {"A1": -1, "A2": -2}


def test_a_row_whose_answer_was_forgotten_does_not_count_again_and_says_why(
    shop: Shop, tmp_path: Path
) -> None:
    file = write_sales(tmp_path / "s.csv", 2)
    assert import_(shop, file).code == 0
    with contextlib.closing(sqlite3.connect(shop.database)) as db, db:
        db.execute("DELETE FROM answer")
    done = import_(shop, file)
    assert (done.code, done.counts) == (1, (0, 0, 2, 0))
    assert logged(shop) == 2
    assert "400 days" in done.found[0]["problem"]


@pytest.mark.parametrize("when", ["0001-01-01 00:00", "0001-01-01T00:00:00"])
def test_a_time_at_the_edge_of_the_calendar_is_a_bad_row(
    shop: Shop, tmp_path: Path, when: str
) -> None:
    file = write(tmp_path / "f.csv", "sku,delta,occurred_at", f"A1,-1,{when}")
    done = import_(shop, file, "--time-zone", "Europe/Vienna", "--dry-run")
    assert done.code == 1
    assert lines_of(done) == [(2, "occurred_at")]


def test_a_location_with_marks_that_turn_text_round_is_not_repeated(
    shop: Shop, tmp_path: Path
) -> None:
    file = write(tmp_path / "f.csv", "sku,delta,location", "A1,-1,S01\u202e")
    done = import_(shop, file, "--dry-run")
    assert lines_of(done) == [(2, "location")]
    assert done.found[0]["problem"].isprintable()


def test_equal_rows_are_different_sales(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "sku,delta", *["A1,-1"] * 5)
    assert import_(shop, file).counts == (5, 0, 0, 0)
    assert on_hand(shop) == {"A1": -5}


def test_a_location_that_is_not_this_nodes_is_found_before_anything_is_recorded(
    shop: Shop, tmp_path: Path
) -> None:
    file = write(tmp_path / "f.csv", "sku,delta,location", "A1,-1,S01", "A1,-1,S02")
    done = import_(shop, file)
    assert (done.code, list(lines_of(done)), logged(shop)) == (1, [(3, "location")], 0)


@pytest.mark.parametrize("daemon", [True, False])
def test_a_row_that_the_node_refuses_does_not_stop_the_others(tmp_path: Path, daemon: bool) -> None:
    shop = enrolled_folder(tmp_path / "S01")
    # Nine million times the largest opening is more than can be counted exactly.
    rows = ["A1,1000000000", *["A1,1"] * 3]
    first = write(tmp_path / "a.csv", "sku,delta", *rows)
    assert import_(shop, first, kind="opening").counts == (4, 0, 0, 0)
    counted = write(tmp_path / "b.csv", "sku,counted", "A1,9007199254740991", "A1,5", "A2,5")
    if daemon:
        with serving(shop.folder.path):
            done = import_(shop, counted, kind="count")
    else:
        done = import_(shop, counted, kind="count")
    assert (done.code, done.counts) == (1, (2, 0, 1, 0))
    assert done.found[0]["line"] == 2
    assert on_hand(shop) == {"A1": 5, "A2": 5}


@pytest.mark.parametrize(
    ("content", "options", "code", "words"),
    [
        (b"", (), 1, "empty"),
        (b"\n\n", (), 1, "empty"),
        (b"sku,delta\n", (), 0, "Recorded 0"),
        (b"a,delta\n1,2\n", (), 2, "no column is sku"),
        (b"sku,b\n1,2\n", (), 2, "delta, quantity or counted"),
        (b"sku,delta,SKU\n1,2,3\n", (), 2, "are both sku"),
        (b"sku,delta,quantity\n1,2,3\n", (), 2, "either delta or quantity"),
        (b"sku,delta\n1,2\n", ("--map", "a=b"), 2, "no field"),
        (b"sku,delta\n1,2\n", ("--map", "Art=sku"), 2, "no column Art"),
        (b"sku,delta\n1,2\n", ("--map", "sku"), 2, "--map"),
        (b"sku,delta,x,x\n1,2,3,3\n", ("--where", "x=3"), 2, "several"),
        (b"sku,delta\n1,2\n", ("--kind-map", "a=gift"), 2, "kind of movement"),
        (b"sku,delta\n1,2\n", ("--time-zone", "Mars/Olympus"), 2, "no zone"),
        (b"sku,delta\n1,2\n", ("--time-zone", "/etc/passwd"), 2, "no zone"),
        (b"sku,delta\n1,2\n", ("--delimiter", "ab"), 2, "--delimiter"),
        ("sku,delta\n".encode("utf-16"), (), 1, "UTF-16"),
        (b"\x1b]0;x\x07,delta\n1,2\n", (), 2, "\\x1b]0;x\\x07"),
        (b'"sku,delta\n1,2\n', (), 1, "does not end"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(
    shop: Shop, tmp_path: Path, content: bytes, options: tuple[str, ...], code: int, words: str
) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(content)
    data = str(shop.folder.path)
    done = call("import", "movements", str(file), "--data", data, "--kind", "sale", *options)
    assert done.returncode == code, done
    assert words in done.stderr
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr
    assert logged(shop) == 0


def test_people_read_a_hundred_findings_and_programs_all(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "sku,delta", *["A1,x"] * 150)
    data = str(shop.folder.path)
    done = call("import", "movements", str(file), "--data", data, "--kind", "sale", "--dry-run")
    assert len(done.stdout.splitlines()) == 101
    assert f"{file.name}:2: delta: must be a whole number" in done.stdout
    assert len(import_(shop, file, "--dry-run").found) == 150


def test_on_a_terminal_there_is_a_bar_and_what_is_piped_stays_pure(
    shop: Shop, tmp_path: Path
) -> None:
    file = write(tmp_path / "f.csv", "sku,delta", "A1,-1", "A1,x")
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "node", "import", "movements", str(file), "--kind", "sale"]
    done = subprocess.run(
        [*command, "--data", str(shop.folder.path), "--skip-bad", "--json"],
        cwd=CHECKOUT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=end,
        check=False,
        timeout=60,
    )
    os.close(end)
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)
    bad, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert (bad["line"], summary["recorded"], done.returncode) == (3, 1, 1)
    assert "checking" in shown
    assert "recording" in shown
    assert shown.rindex("Recorded 1") > shown.rindex("recording")


class Terminal(io.StringIO):
    """Text that says it is a terminal's."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_on_a_terminal_no_part_of_a_finding_becomes_a_picture() -> None:
    terminal = Terminal()
    with Report("f.csv", as_json=False, out=terminal, err=terminal) as report:
        report.fault(Fault(100, "delta", "must be a whole number"))
        report.say("Put :100: right.")
    assert "f.csv:100: delta: must be a whole number" in terminal.getvalue()
    assert "Put :100: right." in terminal.getvalue()


def test_a_missing_file_is_74_and_a_folder_1(shop: Shop, tmp_path: Path) -> None:
    data = str(shop.folder.path)
    missing = call("import", "movements", str(tmp_path / "none"), "--data", data, "--kind", "sale")
    assert (missing.returncode, missing.stdout) == (74, "")
    folder = call("import", "movements", str(tmp_path), "--data", data, "--kind", "sale")
    assert (folder.returncode, folder.stdout) == (1, "")
    assert "ordinary file" in folder.stderr


@pytest.mark.parametrize("name", ["import movements", "export stock", "export movements"])
def test_every_command_of_files_explains_itself_with_an_example(name: str) -> None:
    words = call(*name.split(), "--help").stdout
    assert f"Example: everstock-node {name} " in words
