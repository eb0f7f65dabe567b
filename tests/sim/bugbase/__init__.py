"""Bugs that were found and mended: each keeps the seed and the options of the run that showed it.

Invariant: a case is never changed, only added. A run is a function of both, as long as the streams of random numbers are
drawn in the same order; a case whose run no longer meets its bug is still a run that must be well.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.sim.swarm import Options

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One mended bug."""

    seed: int
    options: Options
    what: str
    """What was wrong, in a sentence."""


def names() -> list[str]:
    """Every case, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read_case(name: str) -> Case:
    """One case."""
    data = json.loads((FOLDER / f"{name}.json").read_text())
    return Case(data["seed"], Options.from_json(data["options"]), data["what"])


def write_case(name: str, case: Case) -> None:
    """Keep a case."""
    data = {"what": case.what, "seed": case.seed, "options": case.options.to_json()}
    (FOLDER / f"{name}.json").write_text(json.dumps(data, indent=2) + "\n")
