"""Looking for a planted bug: seed after seed until something is wrong, or the budget is spent.

Invariant: the same seeds without the bug are well; otherwise whatever was found says nothing about it.
"""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from tests.sim.mutations.planting import Mutation
from tests.sim.run import run_seed
from tests.sim.swarm import Options

NODES_MAX = 3
REQUESTS_MAX = 40


class Catch(NamedTuple):
    """What gave a bug away."""

    seed: int
    runs: int
    violations: list[str]


def options(mutation: Mutation, seed: int) -> Options:
    """The seed's own options, small ones, with what the bug needs to matter."""
    drawn = Options.draw_without_clerks(random.Random(f"{seed} options"))
    small = replace(
        drawn,
        nodes=min(drawn.nodes, NODES_MAX),
        tills=min(drawn.tills, NODES_MAX),
        requests=min(drawn.requests, REQUESTS_MAX),
    )
    return replace(small, **mutation.suits)


def look(mutation: Mutation, seed: int) -> list[str]:
    """What is wrong in one run, with whatever is planted at present."""
    if mutation.history is not None:
        return mutation.history()
    return run_seed(seed, options(mutation, seed)).violations


def hunt(mutation: Mutation, seeds: Iterable[int]) -> Catch | None:
    """Plant it and run until something is wrong; None when nothing was."""
    with mutation.plant():
        for runs, seed in enumerate(seeds, start=1):
            if found := look(mutation, seed):
                return Catch(seed, runs, found)
            if mutation.history is not None:
                break  # another seed is the same history
    return None
