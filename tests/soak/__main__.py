"""`python -m tests.soak`: run a soak and say whether everything stayed flat and every unit is there.

Exit code 0: flat, all replicas agree with the tills. 1: something grows, differs, or ended by itself.
130: it was interrupted, and has taken its daemons along.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from typing import Final

from rich.console import Console

from deploy.agreement import DisagreementError
from deploy.client import NoAnswerError, RefusedError
from deploy.local_chain import LocalChain
from deploy.process import ProcessError
from runtime.service import EXIT_FOUND_WRONG, EXIT_OK, run
from tests.shopwork.reckoning import ReckoningError
from tests.soak import report
from tests.soak.run import Plan, Soak
from tests.soak.tills import SoakError

REPORT_COLUMNS: Final = 130
EXIT_INTERRUPTED: Final = 130
FAILURES: Final = (
    SoakError,
    ReckoningError,
    DisagreementError,
    ProcessError,
    NoAnswerError,
    RefusedError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one soak; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sales-per-s", type=float, default=200.0, help="of all nodes together")
    parser.add_argument("--acts-per-s", type=float, default=4.0, help="of all clerks together")
    parser.add_argument("--nodes", type=int, default=4, help="shops; there is an office, too")
    parser.add_argument("--hub-restart-every-min", type=float, default=5.0)
    parser.add_argument("--json", type=Path, help="every sample, one JSON object a line")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, help="keep databases and logs here; must not exist")
    given = parser.parse_args(arguments)
    seed = SystemRandom().randrange(2**31) if given.seed is None else given.seed
    plan = Plan(
        given.minutes,
        given.sales_per_s,
        given.nodes,
        given.hub_restart_every_min,
        seed,
        given.acts_per_s,
    )
    with ExitStack() as stack:
        if given.folder is None:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="everstock-soak-"))
            )
        else:
            folder = given.folder
            folder.mkdir(parents=True)
        try:
            return run(soak(plan, folder, given.json))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("interrupted: nothing can be said of it", file=sys.stderr)
            return EXIT_INTERRUPTED


async def soak(plan: Plan, folder: Path, file: Path | None) -> int:
    """Run one soak in an empty folder, and print its tables; returns the exit code."""
    console = Console(soft_wrap=True, highlight=False, width=REPORT_COLUMNS)
    this = asyncio.current_task()
    assert this is not None
    # Ended by a service manager or a timeout, it takes its daemons along as on Ctrl-C.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    console.print(f"{plan}, in {folder}")
    with ExitStack() as stack:
        out = None if file is None else stack.enter_context(file.open("w"))
        async with LocalChain(folder) as chain:
            one = Soak(chain, plan, out, console.print)
            one.note("plan", asdict(plan))
            wrong = await _wrongs(one, console)
            one.note("end", {"wrong": wrong})
            for each in wrong:
                console.print(f"WRONG: {each}")
    if not wrong:
        console.print("flat, and nothing lost or doubled")
    return EXIT_FOUND_WRONG if wrong else EXIT_OK


async def _wrongs(one: Soak, console: Console) -> list[str]:
    """Run it, and say in sentences what was not as it must be. What was seen until then is told in any case."""
    wrong = []
    try:
        await one.run()
        await one.reckon()
    except FAILURES as failure:
        wrong.append(str(failure))
    wrong += _tell(one, console)
    return wrong + await one.verify()


def _tell(one: Soak, console: Console) -> list[str]:
    """Print the tables; returns what grows."""
    if not one.samples:
        return []
    for shown in (
        report.table(one.samples),
        report.hub_lives(one.samples, one.hub_ends),
        report.trade_table(one.trades, one.samples),
    ):
        console.print(shown)
    streams = sum(reader.streams for reader in one.readers)
    events = sum(reader.events for reader in one.readers)
    console.print(f"live streams opened: {streams}, events read: {events}")
    if one.paperwork is not None:
        console.print(report.work_table(one.paperwork.staff))
    return [f"{each} grows" for each in report.growing(one.samples)]


if __name__ == "__main__":
    sys.exit(main())
