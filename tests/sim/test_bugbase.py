"""No mended bug comes back."""

from typing import Final

import pytest

from tests.sim import bugbase
from tests.sim.run import run_seed

LONG: Final = frozenset(
    {
        "access_ended_where_a_restored_hub_had_no_rows",
        "forgotten_with_the_rights_it_had_before",
        "let_go_and_still_describing",
        "read_halfway_in_a_state_that_is_gone",
        "shown_as_revoked_after_it_was_let_in",
    }
)
"""Runs of many seconds, which `make test-long` has."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in bugbase.names()],
)
def test_a_mended_bug_does_not_come_back(name: str) -> None:
    case = bugbase.read_case(name)
    assert run_seed(case.seed, case.options).violations == [], case.what
