"""The benchmarks still run, and their table says what was measured. No time is asserted here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from deploy.process import CHECKOUT
from tests.bench.__main__ import cases
from tests.bench.figures import Figure, Outcome
from tests.bench.summary import as_json, as_markdown, as_table, summarise

PATIENCE_S = 110


def _outcome(rate: float, floor: float) -> Outcome:
    return Outcome(
        (
            Figure("sales", rate, "sales/s", 100, at_least=True),
            Figure("p50", 2.0, "ms", 1.0),
            Figure("size", 3.0, "MB"),
        ),
        (Figure("sales", floor, "sales/s"),),
    )


RUNS = [_outcome(120, 240), _outcome(90, 100), _outcome(110, 440)]


def test_a_line_is_the_median_of_the_runs_beside_the_floor_of_each_run() -> None:
    """Goal: the ratio is paired run by run. The medians alone, 110 and 240, would give 0.46."""
    sales = summarise("A1", RUNS)[0]
    assert (sales.median, sales.values) == (110, (120, 90, 110))
    assert (sales.floor_median, sales.floor_ratio) == (240, 0.5)


def test_a_budget_is_held_or_missed_in_its_own_direction() -> None:
    assert [line.held for line in summarise("A1", RUNS)] == [True, False, None]


def test_the_table_and_the_file_show_every_figure_with_its_spread() -> None:
    lines = summarise("A1", RUNS)
    console = Console(width=110)
    with console.capture() as captured:
        console.print(as_table("3 runs", lines))
    for text in (captured.get(), "\n".join(as_markdown(lines))):
        for words in ("110 sales/s", "90 - 120", "0.50x", "≥ 100", "held", "missed", "3 MB"):
            assert words in text


def test_every_case_says_what_it_is() -> None:
    """Goal: a case that is not found is a case that nobody runs."""
    found = cases()
    names = [case.CASE for case in found]
    files = sorted(Path(__file__).parent.glob("case_*.py"))
    assert sorted(f"case_{name.lower()}.py" for name in names) == [file.name for file in files]
    assert names[:3] == ["A1", "A16", "B"]
    assert all(case.TITLE for case in found)


@pytest.mark.slow
def test_a_quick_run_measures_a_node_and_its_floor(tmp_path: Path) -> None:
    """Method: the command itself, with a fifth of a second of real tills at real daemons."""
    report = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.bench", "A1", "--quick", "--runs", "1"]
    done = subprocess.run(
        [*command, "--json", str(report), "--folder", str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = {line["figure"]: line for line in json.loads(report.read_text())["figures"]}
    assert figures["sales"]["median"] > 0
    assert figures["sales"]["floor_median"] > 0
    assert "hub there: p99" in figures
    assert "sales/s" in done.stdout
    assert list(tmp_path.iterdir()) == [report], "a run leaves nothing behind"


def test_json_is_what_the_table_shows() -> None:
    first = as_json(summarise("A1", RUNS))[0]
    assert json.loads(json.dumps(first))["values"] == [120, 90, 110]
    assert first["held"] is True
