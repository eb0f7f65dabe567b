"""The ledger's reader and the arithmetic of its alerts: planted contradictions are found, and margins are kept."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from tests.data.ledger import Watch, read_ledger
from tests.data.movements import DataError

PAIR = ("C1", "pills")
STOCK = (
    *("year", "month", "site_code", "product_code"),
    *("stock_initial", "stock_end", "average_monthly_consumption"),
)
MOVED = ("movement_no", "period", "site_code", "product_code", "kind", "delta")


def write_ledger(folder: Path, rows: list[str], movements: list[str], **counts: int) -> None:
    """A ledger of a site's pills from its lines."""
    for name, header, lines in (
        ("monthly_stock.csv.gz", STOCK, rows),
        ("movements.csv.gz", MOVED, movements),
    ):
        with gzip.open(folder / name, "wt", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *(line.split() for line in lines)])
    names = {
        "below": "rows_stock_end_below_average_monthly_consumption",
        "to_zero": "rows_stock_went_to_zero",
    }
    reference = {name: counts.get(short, 0) for short, name in names.items()}
    (folder / "reference.json").write_text(json.dumps(reference), encoding="utf-8")


ROWS = ["2016 1 C1 pills 5 2 4", "2016 10 C1 pills 3 0 0"]
MOVEMENTS = [
    "1 2016-01 C1 pills opening 5",
    "2 2016-01 C1 pills dispense -3",
    "3 2016-10 C1 pills recount 1",
    "4 2016-10 C1 pills dispense -3",
]


def test_a_month_has_what_it_began_with_what_moved_and_what_was_counted(tmp_path: Path) -> None:
    write_ledger(tmp_path, ROWS, MOVEMENTS, below=1, to_zero=1)
    january, october = read_ledger(tmp_path).months
    assert (january.name, october.name) == ("2016-01", "2016-10")
    assert [m.kind for m in january.first] == ["opening"]
    assert [m.reason for m in october.first] == ["RECOUNTED"]
    assert [len(month.moved) for month in (january, october)] == [1, 1]
    assert (january.reported[PAIR].is_below, january.reported[PAIR].went_to_zero) == (True, False)
    assert (october.reported[PAIR].is_below, october.reported[PAIR].went_to_zero) == (False, True)


@pytest.mark.parametrize(
    ("rows", "movements", "counts"),
    [
        (["2016 1 C1 pills 5 3 4", ROWS[1]], MOVEMENTS, {"below": 1, "to_zero": 1}),
        (["2016 1 C1 pills 4 2 4", ROWS[1]], MOVEMENTS, {"below": 1, "to_zero": 1}),
        (ROWS, MOVEMENTS, {"below": 2, "to_zero": 1}),
        (ROWS, MOVEMENTS, {"below": 1, "to_zero": 2}),
    ],
    ids=["counted at the end", "opened with", "low rows", "rows gone to zero"],
)
def test_a_ledger_that_contradicts_itself_is_not_replayed(
    tmp_path: Path, rows: list[str], movements: list[str], counts: dict[str, int]
) -> None:
    write_ledger(tmp_path, rows, movements, **counts)
    with pytest.raises(DataError):
        read_ledger(tmp_path)


def kinds_after(watch: Watch, *amounts: int) -> list[set[str]]:
    """What stands raised of the pair after each of these amounts."""
    seen = []
    for amount in amounts:
        watch.look([PAIR], {PAIR: amount})
        seen.append({kind for kind, *_ in watch.raised})
    return seen


def test_low_begins_below_the_minimum_and_ends_a_tenth_above_it() -> None:
    watch = Watch()
    watch.minimum[PAIR] = 50
    assert kinds_after(watch, 50, 49, 54, 55, 50) == [set(), {"low"}, {"low"}, set(), set()]
    assert watch.numbers == {("low", *PAIR): 2}


def test_what_nobody_wants_to_keep_is_neither_low_nor_out_and_a_rule_tells_of_its_last_unit() -> (
    None
):
    watch = Watch()
    watch.minimum[PAIR] = 0
    assert kinds_after(watch, 3, 0) == [set(), set()]
    watch.has_rule.add(PAIR)
    assert kinds_after(watch, 0, 1, 2, 0) == [{"threshold"}, {"threshold"}, set(), {"threshold"}]
    watch.minimum[PAIR] = 1
    assert kinds_after(watch, 0, -1, 2) == [
        {"threshold", "low", "out"},
        {"threshold", "low", "out", "negative"},
        set(),
    ]
