"""`python -m tests.data.replay [SET ...]`: the real data through real processes, to the unit and to the row.

Movements go through whole chains under faults (`engine`), catalogues through the import command (`catalogue`), and
what people do with documents over HTTP (`months`, `ordering`,
`typed_codes`).

Exit 0 when every set asked for came out equal to its reference, or when the data is not there; exit 1 when
something differed, or when the data is not there and EVERSTOCK_REQUIRE_DATA is 1.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.data.asking import Figures, Say
from tests.data.catalogue import Imported, import_drugs, import_suppliers, processor_s
from tests.data.engine import Load, Outcome, replay
from tests.data.grocery import read_grocery
from tests.data.months import replay_months
from tests.data.movements import DataSet, data_folder
from tests.data.ordering import replay_orders
from tests.data.pharmacy import read_pharmacy
from tests.data.shop_till import Tally
from tests.data.typed_codes import replay_barcodes, replay_lots

READERS: Final[dict[str, Callable[[Path], DataSet]]] = {
    "grocery": read_grocery,
    "pharmacy": read_pharmacy,
}
CATALOGUES: Final[dict[str, Callable[[Path, Path, Say], Awaitable[Imported]]]] = {
    "drug_catalogue": import_drugs,
    "deliveries": import_suppliers,
}
WORK: Final[dict[str, tuple[str, Callable[[Path, Path, Say], Awaitable[Figures]]]]] = {
    "months": ("pharmacy", replay_months),
    "orders": ("deliveries", replay_orders),
    "lots": ("lots", replay_lots),
    "barcodes": ("barcodes", replay_barcodes),
}
"""What is worked through, by which data set."""
SETS: Final = (*READERS, *WORK, *CATALOGUES)

T = TypeVar("T")
BATCH_CHANCES: Final = {"grocery": 0.01, "pharmacy": 0.1}
"""About a fifth of the baskets and three quarters of the ledger lines are then sent in batches."""


class Terminal:
    """Shows one replay on the terminal: phases and faults as lines, the movements as a bar."""

    def __init__(self, console: Console, data: DataSet) -> None:
        self._console = console
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self.bar.add_task(data.name, total=data.movement_count)
        self._last_event = ""

    def phase(self, name: str) -> None:
        """A part of the run begins."""
        self._console.print(f"[bold]{name}[/bold]")

    def progress(self, tally: Tally) -> None:
        """Move the bar."""
        self.bar.update(self._task, completed=tally.movements)

    def event(self, words: str) -> None:
        """Say what happened; the same words twice running are said once."""
        if words != self._last_event:
            self._console.print(f"  {words}", markup=False, highlight=False)
        self._last_event = words


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay what the command line asks for and return the exit code."""
    options = _options(arguments)
    console = Console(soft_wrap=True)
    folder = options.data or data_folder()
    if folder is None:
        required = os.environ.get("EVERSTOCK_REQUIRE_DATA") == "1"
        console.print(
            "[bold red]NOTHING WAS REPLAYED[/bold red]: no data at ../shared/data beside the "
            "checkout, and EVERSTOCK_DATA names no folder."
        )
        console.print(f"0 passed, {int(required)} failed", highlight=False)
        return int(required)
    console.print(f"seed {options.seed}")
    wanted = options.sets or SETS
    outcomes = {
        name: _replay_one(name, folder / name, options, console)
        for name in wanted
        if name in READERS
    }
    imported = {
        name: _import_one(name, folder / name, options, console)
        for name in wanted
        if name in CATALOGUES
    }
    worked = {
        name: _work_through(name, folder / WORK[name][0], options, console)
        for name in wanted
        if name in WORK
    }
    if outcomes:
        console.print(_table(outcomes))
    for name, figures in worked.items():
        if figures is not None:
            console.print(_table_of_work(name, figures))
    if imported:
        console.print(_table_of_imports(imported))
    results = [*outcomes.values(), *imported.values(), *worked.values()]
    failed = sum(outcome is None for outcome in results)
    console.print(f"{len(results) - failed} passed, {failed} failed", highlight=False)
    return 1 if failed else 0


def _replay_one(
    name: str, folder: Path, options: argparse.Namespace, console: Console
) -> Outcome | None:
    """One data set from its files to its outcome; None, and the reason on the terminal, when it failed."""
    try:
        data = READERS[name](folder)
        load = Load(options.seed, options.hub_kills, options.node_kills, BATCH_CHANCES[name])
        terminal = Terminal(console, data)
        with _folder(name, options) as chain_folder, terminal.bar:
            work = replay(data, chain_folder, load, terminal)
            return asyncio.run(_bounded(work, options.minutes))
    except Exception as wrong:
        _tell(name, wrong, console)
        return None


def _work_through(
    name: str, folder: Path, options: argparse.Namespace, console: Console
) -> Figures | None:
    """The work of one data set; None, and the reason on the terminal, when something differed."""
    console.print(f"[bold]{name}[/bold]")
    try:
        with _folder(name, options) as chain_folder:
            say = Console(soft_wrap=True, markup=False, highlight=False).print
            used_s = processor_s()
            work = WORK[name][1](folder, chain_folder, say)
            figures = asyncio.run(_bounded(work, options.minutes))
            return figures | {"seconds of processor": f"{processor_s() - used_s:.1f}"}
    except Exception as wrong:
        _tell(name, wrong, console)
        return None


def _import_one(
    name: str, folder: Path, options: argparse.Namespace, console: Console
) -> Imported | None:
    """One catalogue, imported and looked up; None, and the reason on the terminal, when it failed."""
    console.print(f"[bold]{name}[/bold]")
    try:
        with _folder(name, options) as chain_folder:
            say = Console(soft_wrap=True, markup=False, highlight=False).print
            return asyncio.run(
                _bounded(CATALOGUES[name](folder, chain_folder, say), options.minutes)
            )
    except Exception as wrong:
        _tell(name, wrong, console)
        return None


@contextlib.contextmanager
def _folder(name: str, options: argparse.Namespace) -> Iterator[Path]:
    with contextlib.ExitStack() as cleanup:
        prefix = f"everstock-{name}-"
        around = options.keep or Path(
            cleanup.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        )
        (around / name).mkdir(parents=True)
        yield around / name


def _tell(name: str, wrong: Exception, console: Console) -> None:
    for cause in _causes(wrong):
        console.print(f"[bold red]{name} failed[/bold red]: ", end="")
        console.print(f"{type(cause).__name__}: {cause}", markup=False, highlight=False)


async def _bounded(work: Awaitable[T], minutes: float) -> T:
    # SIGTERM ends it as Ctrl-C does: with every process it started.
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    async with asyncio.timeout(minutes * 60):
        return await work


def _causes(wrong: BaseException) -> list[BaseException]:
    if isinstance(wrong, BaseExceptionGroup):
        return [cause for part in wrong.exceptions for cause in _causes(part)]
    return [wrong]


def _table(outcomes: dict[str, Outcome | None]) -> Table:
    table = Table("", *outcomes)
    rows: dict[str, Callable[[Outcome], str]] = {
        "movements": lambda o: f"{o.movements:,}",
        "lines": lambda o: f"{o.lines:,}",
        "requests sent twice": lambda o: f"{o.repeats:,}",
        "requests that lost their answer": lambda o: f"{o.unanswered:,}",
        "hub killed -9": lambda o: str(o.hub_kills),
        "nodes killed -9": lambda o: str(o.node_kills),
        "nodes cut off": lambda o: str(o.cuts),
        "seconds selling": lambda o: f"{o.load_s:.1f}",
        "seconds until all agreed": lambda o: f"{o.settle_s:.1f}",
        "seconds in all": lambda o: f"{o.total_s:.1f}",
    }
    for title, shown in rows.items():
        table.add_row(title, *(shown(o) if o is not None else "failed" for o in outcomes.values()))
    return table


def _table_of_imports(outcomes: dict[str, Imported | None]) -> Table:
    table = Table("", *outcomes)
    rows: dict[str, Callable[[Imported], str]] = {
        "rows": lambda o: f"{o.rows:,}",
        "documents": lambda o: f"{o.documents:,}",
        "seconds importing": lambda o: f"{o.import_s:.1f}",
        "seconds of processor importing": lambda o: f"{o.import_cpu_s:.1f}",
        "seconds importing again": lambda o: f"{o.repeat_s:.1f}",
        "looked up": lambda o: f"{len(o.look_up_ms):,}",
        "ms to look up, half of them": lambda o: f"{_at(o.look_up_ms, 0.5):.1f}",
        "ms to look up, 99 of 100": lambda o: f"{_at(o.look_up_ms, 0.99):.1f}",
    }
    for title, shown in rows.items():
        table.add_row(title, *(shown(o) if o is not None else "failed" for o in outcomes.values()))
    return table


def _table_of_work(name: str, figures: Figures) -> Table:
    table = Table("", name)
    for title, shown in figures.items():
        table.add_row(title, shown)
    return table


def _at(sorted_ms: Sequence[float], share: float) -> float:
    return sorted_ms[min(int(len(sorted_ms) * share), len(sorted_ms) - 1)]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.data.replay", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"any of {', '.join(SETS)}")
    parser.add_argument("--data", type=Path, help="folder of the data (default ../shared/data)")
    parser.add_argument("--keep", type=Path, help="keep the stores and logs in this folder")
    parser.add_argument("--seed", type=int, default=20170101, help="of the faults (%(default)s)")
    parser.add_argument("--hub-kills", type=int, default=4, help="during the load (%(default)s)")
    parser.add_argument("--node-kills", type=int, default=4, help="nodes struck (%(default)s)")
    parser.add_argument("--minutes", type=float, default=25, help="for each set (%(default)s)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sets if name not in SETS]:
        parser.error(f"no such data set: {', '.join(unknown)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
