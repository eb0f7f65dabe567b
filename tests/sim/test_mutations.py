"""The simulator finds every planted bug within its budget of seeds, and nothing where none is planted."""

from collections.abc import Sequence

import pytest

from tests.sim.mutations import MUTATIONS
from tests.sim.mutations.hunting import hunt, look

BUDGET_SEEDS = range(40)
WRITTEN = [name for name, mutation in MUTATIONS.items() if mutation.history is not None]
SIMULATED = [name for name, mutation in MUTATIONS.items() if mutation.history is None]
QUICK: dict[str, Sequence[int]] = {
    "op_id counts again": range(3),
    "acknowledged operations are deleted": range(3),
    "largest instead of sum": range(3),
    "one row is skipped": range(3),
    "retried under a new key": range(3),
    "promise outlives cancelling": range(3),
}
"""A handful, of each kind one: `make test-long` plants them all."""


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_history_finds_the_bug_that_no_till_reaches(name: str) -> None:
    assert look(MUTATIONS[name], 0) == []
    assert hunt(MUTATIONS[name], [0]) is not None


@pytest.mark.parametrize("name", QUICK)
def test_the_simulator_finds_a_planted_bug(name: str) -> None:
    caught = hunt(MUTATIONS[name], QUICK[name])
    assert caught is not None, f"{name}: {len(QUICK[name])} seeds showed nothing"
    # The same run is well without it, so it was the bug that was found.
    assert look(MUTATIONS[name], caught.seed) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SIMULATED)
def test_the_simulator_finds_every_planted_bug_within_its_budget(name: str) -> None:
    caught = hunt(MUTATIONS[name], BUDGET_SEEDS)
    assert caught is not None, f"{name}: {len(BUDGET_SEEDS)} seeds showed nothing: it is blind"
    print(f"{name}: seed {caught.seed}, run {caught.runs}: {caught.violations[0]}")
    assert look(MUTATIONS[name], caught.seed) == []
