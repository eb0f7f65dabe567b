"""No power cut loses what was answered: crash states of real daemons at work, each opened and held to every answer.

Quick here; more in the tests marked slow, any number by `python -m tests.crash`. A failing test prints the command that looks at its state again.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.crash import campaign, offices, repeats, shops, tracing
from tests.crash.explore import lines
from tests.crash.recording import Recording

SEED: Final = 20_260_101
QUICK_STATES: Final = 1_200
COPY_STATES: Final = 160
SLOW_STATES: Final = 24_000
PLANTED_STATES: Final = 300
_SLOW: Final = pytest.mark.slow


@pytest.fixture(autouse=True)
def _needs_strace() -> None:
    if refusal := tracing.refusal():
        pytest.skip(refusal)


@pytest.mark.timeout(240)
def test_no_answered_sale_and_no_acknowledged_operation_is_lost_in_a_power_cut(
    tmp_path: Path,
) -> None:
    _try(tmp_path, ("day", "pushes", "founding"), QUICK_STATES)


@pytest.mark.timeout(240)
def test_a_backup_or_a_restore_cut_short_leaves_a_whole_copy_or_none_and_can_be_given_again(
    tmp_path: Path,
) -> None:
    _try(tmp_path, ("copies",), COPY_STATES)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_twenty_thousand_power_cuts_lose_nothing_in_any_scene(tmp_path: Path) -> None:
    _try(tmp_path, tuple(campaign.SCENES), SLOW_STATES)


@pytest.mark.parametrize(
    "states",
    [1, pytest.param(12, marks=pytest.mark.slow)],
    ids=["one state", "twelve states"],
)
@pytest.mark.timeout(240)
def test_a_node_started_after_the_crash_answers_repeats_with_the_first_bytes(
    tmp_path: Path, states: int
) -> None:
    recorded = asyncio.run(shops.day(tmp_path))
    repeated = [
        asyncio.run(repeats.repeat_all(recorded, state, SEED))
        for state in repeats.moments(recorded, states, SEED)
    ]
    assert sum(repeated) > 0


@pytest.mark.parametrize(
    ("bug", "make", "said"),
    [
        ("sync-less", shops.day, "lost: movement"),
        pytest.param("sync-less", offices.pushes, "lost: a log was acknowledged", marks=_SLOW),
        pytest.param("answer-before-commit", shops.day, "lost: movement", marks=_SLOW),
        ("answer-before-commit", offices.pushes, "lost: a log was acknowledged"),
        ("split-batches", shops.day, "half of a batch"),
        ("split-acts", shops.paperwork, "part of an act"),
        pytest.param("sync-less", shops.paperwork, "of document", marks=_SLOW),
        ("never-sync-files", offices.founding, "does not hold a key"),
    ],
)
@pytest.mark.timeout(240)
def test_a_planted_bug_is_found(
    tmp_path: Path, bug: str, make: Callable[..., Awaitable[Recording]], said: str
) -> None:
    recorded = asyncio.run(make(tmp_path, bug=bug))
    recorded.save(tmp_path / "planted.recording")
    summary = campaign.try_one(tmp_path / "planted.recording", PLANTED_STATES, SEED)
    assert any(said in problem for problem in summary.first), summary.first or "nothing was found"


def _try(place: Path, scenes: Iterable[str], states: int) -> None:
    files = asyncio.run(campaign.record(place, tuple(scenes)))
    plan = campaign.states_of_each(files, states)
    found = [(file, campaign.try_one(file, share, SEED)) for file, share in plan.items()]
    print("\n".join(lines([summary for _, summary in found])))
    assert sum(summary.states for _, summary in found) >= states
    for file, summary in found:
        if summary.violations:
            with tempfile.NamedTemporaryFile(suffix=".recording", delete=False) as kept:
                kept.write(file.read_bytes())
            problem, state = next(iter(summary.first.items()))
            command = f"python -m tests.crash --recording {kept.name} --seed {SEED} --state {state}"
            pytest.fail(f"{summary.title}: {problem}\n{command}")
