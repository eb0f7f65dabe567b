"""`python -m tests.crash`: record daemons at work, and try crash states until there are enough.

Exit code 0 when every state keeps every promise, 1 when one does not: the recording is kept then, and the last lines are the commands that look
at a state again.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom

from tests.crash import campaign, recording, tracing
from tests.crash.explore import Scratch, State, Summary, image_of, lines


def main() -> int:
    """Read the command line, do it, answer the exit code."""
    wish = _arguments()
    if (refusal := tracing.refusal()) and not wish.recording:
        print(refusal, file=sys.stderr)
        return 2
    if wish.state:
        return _look_again(wish)
    seed = wish.seed if wish.seed is not None else SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    files, place = [Path(each) for each in wish.recording], None
    began_s = time.monotonic()
    if not files:
        place = Path(tempfile.mkdtemp(prefix="everstock-crash-"))
        print(f"recording {', '.join(wish.scenes)} in {place}", flush=True)
        files = asyncio.run(campaign.record(place, tuple(wish.scenes)))
    plan = campaign.states_of_each(files, wish.states)
    found: dict[Path, Summary] = {}
    for file, summary in campaign.try_all(plan, seed, wish.jobs, _say):
        found[file] = summary
        for line in lines([summary]):
            print(line, flush=True)
    took_s = time.monotonic() - began_s
    _report(wish, seed, found, took_s)
    wrong = {file: each for file, each in found.items() if each.violations}
    for file, summary in wrong.items():
        for problem, state in summary.first.items():
            command = f"python -m tests.crash --recording {file} --seed {seed} --state {state}"
            print(f"{summary.title}: {problem}\n  {command}")
    if place is not None and not wrong:
        shutil.rmtree(place)
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--states", type=int, default=20_000, help="how many crashes, about")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--seed", type=int, help="decides every crash; a new one otherwise")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--scenes", nargs="+", choices=campaign.SCENES, default=list(campaign.SCENES)
    )
    parser.add_argument(
        "--recording", nargs="+", default=[], metavar="FILE", help="instead of recording anew"
    )
    parser.add_argument("--state", metavar="EVENTS.DRAW", help="look at this one again")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="and lay it out there")
    return parser.parse_args()


def _look_again(wish: argparse.Namespace) -> int:
    events, draw = map(int, wish.state.split("."))
    (file,) = map(Path, wish.recording)
    state = State(events, draw)
    if wish.keep is not None:
        kept = recording.load(file)
        with Scratch() as folder:
            image = image_of(kept, campaign.checker_for(kept, folder), state, wish.seed)
        wish.keep.mkdir(mode=0o700)
        for name, content in image.items():
            (wish.keep / name).write_bytes(content)
            (wish.keep / name).chmod(0o600)
    problems = campaign.problems_of(file, state, wish.seed)
    print("\n".join(problems) or "nothing is wrong")
    return 1 if problems else 0


def _report(wish: argparse.Namespace, seed: int, found: dict[Path, Summary], took_s: float) -> None:
    states = sum(each.states for each in found.values())
    processor_s = sum(each.processor_s for each in found.values())
    violations = sum(each.violations for each in found.values())
    total = Summary("all")
    for each in found.values():
        total.losses.add(each.losses)
    print(
        f"{states} states, {states / max(processor_s, 1e-9):.0f}/s of processor, {took_s:.0f} s in all with {wish.jobs} processes; lost "
        f"{total.losses.sectors} sectors, {total.losses.sizes} sizes, {total.losses.names} names; "
        f"torn {total.losses.torn}; {violations} violations"
    )
    if wish.json is not None:
        figures = {
            "seed": seed,
            "states": states,
            "took_s": took_s,
            "processor_s": processor_s,
            "jobs": wish.jobs,
            "violations": violations,
            "losses": asdict(total.losses),
            "recordings": [asdict(each) for each in found.values()],
        }
        wish.json.write_text(json.dumps(figures, indent=2) + "\n")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
