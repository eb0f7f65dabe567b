"""No mended bug comes back."""

import pytest

from tests.sim import bugbase
from tests.sim.run import run_seed


@pytest.mark.parametrize("name", bugbase.names())
def test_a_mended_bug_does_not_come_back(name: str) -> None:
    case = bugbase.read_case(name)
    assert run_seed(case.seed, case.options).violations == [], case.what
