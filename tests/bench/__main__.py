"""`python -m tests.bench [CASE ...]`: run the cases, print a table, keep the figures.

Rule: it measures and never judges. A missed budget is printed as missed and the exit code is 0; another code means
that a case did not run. The table is on stdout, progress on stderr.
"""

import argparse
import importlib
import json
import pkgutil
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Final

import uvloop
from rich.console import Console

import tests.bench
from tests.bench import machine, scale
from tests.bench.figures import Outcome
from tests.bench.summary import Line, as_json, as_markdown, as_table, summarise

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
_COLUMNS: Final = 110
"""Of a table that goes to a file or a pipe, where there is no width to fit."""


def cases() -> list[ModuleType]:
    """Every case of this folder, in the order of their names: A1, A16, B."""
    modules = [
        importlib.import_module(f"tests.bench.{each.name}")
        for each in pkgutil.iter_modules(tests.bench.__path__)
        if each.name.startswith("case_")
    ]
    return sorted(modules, key=lambda case: _natural(case.CASE))


def main() -> None:
    """Parse, run, print, keep."""
    wish = _parser().parse_args()
    if wish.quick:
        scale.be_quick()
    if wish.full:
        scale.be_full()
    known = {case.CASE: case for case in cases()}
    if unknown := [name for name in wish.cases if name.upper() not in known]:
        _parser().error(f"there is no case {unknown[0]}; there are {', '.join(known)}")
    chosen = [known[name.upper()] for name in wish.cases] or list(known.values())
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory(dir=wish.folder) as folder:
        found_machine = machine.describe(Path(folder))
    lines, failed = uvloop.run(_run(chosen, wish.runs, wish.folder))
    out = Console(width=None if sys.stdout.isatty() else _COLUMNS, highlight=False)
    out.print(as_table(_title(wish.runs), lines))
    for name, value in found_machine.items():
        out.print(f"  {name:<10} {value}")
    report = {
        "at": began.isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "machine": found_machine,
        "runs": wish.runs,
        "quick": scale.is_quick(),
        "figures": as_json(lines),
    }
    if wish.json is not None:
        wish.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if wish.record:
        _record(began, found_machine, wish.runs, lines)
    if failed:
        sys.exit(f"these cases did not run: {', '.join(failed)}")


async def _run(
    chosen: Sequence[ModuleType], runs: int, parent: Path | None
) -> tuple[list[Line], list[str]]:
    """The lines of the cases that ran, and the names of those that did not."""
    words = Console(stderr=True, highlight=False)
    lines: list[Line] = []
    failed = []
    for case in chosen:
        outcomes: list[Outcome] = []
        try:
            for number in range(1, runs + 1):
                began_s = time.monotonic()
                with words.status(f"{case.CASE}  run {number} of {runs}  {case.TITLE}"):
                    outcomes.append(await _one_run(case, parent))
                took_s = time.monotonic() - began_s
                words.print(f"{case.CASE:<4} run {number} of {runs}: {took_s:.0f} s", style="dim")
        except Exception:
            # The other cases have taken minutes, or will: what they say is not lost with this one.
            words.print_exception()
            failed.append(case.CASE)
        if outcomes:
            lines += summarise(case.CASE, outcomes)
    return lines, failed


async def _one_run(case: ModuleType, parent: Path | None) -> Outcome:
    with tempfile.TemporaryDirectory(dir=parent, prefix="everstock-bench-") as folder:
        outcome: Outcome = await case.run(Path(folder))
    return outcome


def _record(began: datetime, found: dict[str, str], runs: int, lines: Sequence[Line]) -> None:
    section = [
        "",
        f"## {began:%Y-%m-%d %H:%M} UTC, commit {machine.commit()}",
        "",
        f"{', '.join(f'{name} {value}' for name, value in found.items())}.",
        f"{_title(runs)}.",
        "",
        *as_markdown(lines),
    ]
    with RESULTS.open("a") as file:
        file.write("\n".join(section) + "\n")


def _title(runs: int) -> str:
    what = "runs" if runs > 1 else "run"
    return (
        f"{runs} {what}, quick: the figures say nothing" if scale.is_quick() else f"{runs} {what}"
    )


def _natural(name: str) -> tuple[str, int]:
    letters, digits = re.fullmatch(r"([A-Z]+)(\d*)", name).groups()  # type: ignore[union-attr]
    return letters, int(digits or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="A1 B ...; all when none is named")
    parser.add_argument("--runs", type=int, default=3, help="of each case (3)")
    parser.add_argument("--quick", action="store_true", help="little work, to see that it works")
    parser.add_argument("--full", action="store_true", help="case I on 10 M operations, not 1 M")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--record", action="store_true", help="append to tests/bench/RESULTS.md")
    parser.add_argument(
        "--folder", type=Path, help="an existing folder on the disk to measure (the system's own)"
    )
    return parser


if __name__ == "__main__":
    main()
