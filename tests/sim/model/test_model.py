"""With every mechanism no history goes wrong; without any one of them some history does, and the oracles notice."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace

import pytest

from tests.sim.model.facts import Count, Op
from tests.sim.model.hub import Hub
from tests.sim.model.mechanisms import ALL, Mechanisms
from tests.sim.model.node import Node
from tests.sim.model.world import FAULTS, Outcome, run

SCRIPTED = frozenset({"salt_of_every_seq"})
"""Needed in one of thousands of histories only (SYNC, section 2.6, found one in 500 of its own); a written one shows it."""
FEW, MANY = 100, 3_000
SHELF = "stock:S1"


def histories(seeds: Sequence[int], mechanisms: Mechanisms = ALL) -> tuple[list[str], Counter[str]]:
    """The bad ones among seeded histories, and the faults of all of them."""
    faults: Counter[str] = Counter()
    bad = []
    for seed in seeds:
        outcome = run(seed, mechanisms, FAULTS)
        faults += outcome.faults
        if outcome.is_bad:
            bad.append(f"seed {seed}: {outcome}")
    return bad, faults


def first_bad(mechanisms: Mechanisms, seeds: Sequence[int]) -> Outcome:
    """The first history that goes wrong without one of the mechanisms."""
    for seed in seeds:
        outcome = run(seed, mechanisms, FAULTS)
        if outcome.is_bad:
            return outcome
    raise AssertionError(f"{len(seeds)} histories went well without it: the model is blind")


def without(name: str) -> Mechanisms:
    """All mechanisms but one."""
    return replace(ALL, **{name: False})


def test_no_history_goes_wrong_with_every_mechanism() -> None:
    bad, faults = histories(range(FEW))
    assert not bad
    assert faults.keys() >= FAULTS, "a fault that never happens proves nothing"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_history_of_very_many_goes_wrong_with_every_mechanism() -> None:
    bad, faults = histories(range(10_000, 10_000 + MANY))
    print(dict(faults))
    assert not bad


@pytest.mark.parametrize(
    "name", [each.name for each in fields(Mechanisms) if each.name not in SCRIPTED]
)
def test_without_one_mechanism_some_history_goes_wrong(name: str) -> None:
    first_bad(without(name), range(FEW))


def test_faults_of_the_network_alone_hide_that_mechanisms_are_missing() -> None:
    """Why ordinary tests cannot find this class: as long as no disk is copied or rolled back, all goes well without."""
    naive = Mechanisms(
        chain_check=False, op_id_unique=False, salt_check=False, new_replica_repeats_all=False
    )
    assert not any(run(seed, naive, frozenset()).is_bad for seed in range(30))


# --- the salt in the middle of a commit, as one scripted history -----------------------------------------------------


def failed_over_in_the_middle_of_a_commit(mechanisms: Mechanisms) -> tuple[int, int]:
    """A reader stops inside a commit that is then lost, and others write past its cursor: what the hub has of `first`,
    and what the reader shows of it.
    """
    chance = random.Random(1)
    hub = Hub(chance, mechanisms)
    reader, lost, other = (
        Node(number, frozenset({SHELF}), chance, mechanisms) for number in (1, 2, 3)
    )
    first, second = (SHELF, "first"), (SHELF, "second")
    for node in (reader, lost, other):
        assert node.meet(hub)
    standby = hub.copy()
    lost.record(Op(1, (Count(second, 7), Count((SHELF, "third"), 7))))
    assert lost.meet(hub)
    lost.push(hub, answered=False)
    assert reader.meet(hub)
    reader.take_page(hub.page(SHELF, 0, limit=1))
    hub = standby
    other.record(Op(2, (Count(first, 5),)))
    assert other.meet(hub)
    other.push(hub, answered=True)
    assert reader.meet(hub)
    reader.take_page(hub.page(SHELF, reader.cursors[SHELF][0], limit=9))
    return hub.rows[first].total, reader.view(first).total


def test_a_cursor_in_the_middle_of_a_lost_commit_is_found_out() -> None:
    has, shows = failed_over_in_the_middle_of_a_commit(ALL)
    assert has == shows == 5


@pytest.mark.parametrize("name", ["salt_check", "salt_of_every_seq"])
def test_without_its_salt_such_a_cursor_misses_rows_for_ever(name: str) -> None:
    assert failed_over_in_the_middle_of_a_commit(without(name)) == (5, 0)
