"""`python -m tests.sim`: many seeds on all cores, or one of them once more.

    python -m tests.sim --seeds 1-1000 --jobs 2     what they came to; exit 1 if anything was violated
    python -m tests.sim --seed 4711 --verbose       one seed again, with everything that happens
    python -m tests.sim --case NAME                 one of bugbase/ again

Rule: what a failing seed prints is the one command that replays it.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

from tests.sim.bugbase import read_case
from tests.sim.run import Report, run_seed, run_short

VIOLATIONS_SHOWN: Final = 5
PROGRESS_EVERY: Final = 100
SEEDS_PER_PROCESS: Final = 200
"""A worker is replaced after so many: what the interpreter keeps for itself does not grow."""


@dataclass(slots=True)
class Totals:
    """What many runs came to."""

    seeds: int = 0
    failed: list[int] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    probes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    answered: int = 0
    excused: int = 0
    frames: int = 0
    virtual_s: float = 0.0

    def add(self, report: Report) -> None:
        """Count one run in."""
        self.seeds += 1
        self.faults.update(report.faults)
        self.probes.update(report.probes)
        self.requests += report.requests
        self.answered += report.answered
        self.excused += report.excused
        self.frames += report.frames
        self.virtual_s += report.virtual_s
        if report.violations:
            self.failed.append(report.seed)

    def to_json(self) -> dict[str, object]:
        """For other programs."""
        return {
            "seeds": self.seeds,
            "failed": sorted(self.failed),
            "requests": self.requests,
            "answered": self.answered,
            "excused": self.excused,
            "frames": self.frames,
            "virtual_hours": round(self.virtual_s / 3600, 1),
            "faults": dict(self.faults.most_common()),
            "probes": dict(self.probes.most_common()),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulate a chain.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", metavar="A-B", help="every seed from A to B")
    what.add_argument("--seed", type=int, help="one seed")
    what.add_argument("--case", metavar="NAME", help="a case of bugbase/")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 1 by default")
    parser.add_argument("--short", action="store_true", help="half of each seed's work")
    parser.add_argument("--verbose", action="store_true", help="print what happens; with one seed")
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")
    asked = parser.parse_args(arguments)
    began_s, totals = time.monotonic(), Totals()
    for report in _reports(asked):
        totals.add(report)
        _show(report, is_short=asked.short)
        if asked.seeds and totals.seeds % PROGRESS_EVERY == 0:
            took_s = time.monotonic() - began_s
            told = f"{totals.seeds} seeds, {len(totals.failed)} failed, {took_s:.0f} s"
            print(told, file=sys.stderr, flush=True)
    if asked.json:
        print(json.dumps(totals.to_json(), indent=2))
    else:
        _print(totals)
    return 1 if totals.failed else 0


def _reports(asked: argparse.Namespace) -> Iterator[Report]:
    run = run_short if asked.short else run_seed
    if asked.case is not None:
        case = read_case(asked.case)
        yield run_seed(case.seed, case.options, verbose=asked.verbose)
    elif asked.seed is not None:
        yield run(asked.seed, verbose=asked.verbose)
    else:
        first, _, last = asked.seeds.partition("-")
        seeds = range(int(first), int(last or first) + 1)
        if asked.jobs == 1:
            yield from map(run, seeds)
            return
        # Not forked: a process that inherits another's modules half used is one more thing that can differ.
        with get_context("spawn").Pool(asked.jobs, maxtasksperchild=SEEDS_PER_PROCESS) as pool:
            yield from pool.imap_unordered(run, seeds)


def _show(report: Report, *, is_short: bool) -> None:
    if not report.violations:
        return
    print(f"seed {report.seed}: {len(report.violations)} violations, hash {report.event_hash}")
    for violation in report.violations[:VIOLATIONS_SHOWN]:
        print(f"    {violation}")
    short = " --short" if is_short else ""
    print(f"    python -m tests.sim --seed {report.seed}{short} --verbose", flush=True)


def _print(totals: Totals) -> None:
    print(
        f"{totals.seeds} seeds, {totals.virtual_s / 3600:.1f} virtual hours,"
        f" {totals.requests} requests, {totals.answered} answered, {totals.excused} of them lost with"
        f" their only disk, {totals.frames} frames, {totals.faults.total()} faults,"
        f" {len(totals.failed)} seeds with violations"
    )
    for title, counts in (("faults", totals.faults), ("reached", totals.probes)):
        print(f"{title}:")
        for name, count in counts.most_common():
            print(f"  {count:9} {name}")


if __name__ == "__main__":
    sys.exit(main())
