"""A disk that refuses a call makes no daemon say what is not so: some calls here, more in the test marked slow, all by command."""

import asyncio
from typing import Final

import pytest

from tests.crash import injected, tracing
from tests.crash.injected import Fault

EVERY: Final = 10
"""Of the writes the tenth, and each call that syncs or cuts, with two errors, and of all those every `OF`-th."""
OF: Final = 3


@pytest.fixture(autouse=True)
def _needs_strace() -> None:
    if refusal := tracing.refusal():
        pytest.skip(refusal)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("node", "fdatasync", "EIO", 3),
        Fault("node", "pwrite64", "EIO", 1),
        Fault("node", "pwrite64", "ENOSPC", 30),
        Fault("node", "fdatasync", "EIO", 14),
        Fault("hub", "fdatasync", "EIO", 4),
        Fault("hub", "pwrite64", "ENOSPC", 40),
    ],
    ids=str,
)
@pytest.mark.timeout(120)
def test_a_refused_call_makes_nothing_untrue(fault: Fault) -> None:
    outcome = asyncio.run(injected.strike(fault))
    assert outcome.problems == ()
    # Not always a sale's or an act's: what follows the sales writes as well, and tries again.
    assert outcome.struck


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_whichever_call_is_refused_nothing_becomes_untrue() -> None:
    async def work() -> list[tuple[Fault, injected.Outcome]]:
        wanted = await injected.faults(("node", "hub"), EVERY, ("EIO", "ENOSPC"))
        return await injected.strike_all(wanted[::OF], jobs=2)

    outcomes = asyncio.run(work())
    print("\n".join(injected.summary(outcomes)))
    wrong = [f"{fault}: {outcome.problems[0]}" for fault, outcome in outcomes if outcome.problems]
    assert wrong == []
    assert len(outcomes) >= 80 / OF
