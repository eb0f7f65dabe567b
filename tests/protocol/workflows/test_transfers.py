"""Transfers: goods are never nowhere, whoever does what at the same time."""

from itertools import combinations_with_replacement as combinations

import pytest

from protocol.effects import Account
from protocol.workflows import transfers
from protocol.workflows.steps import StepRefused
from protocol.workflows.transfers import BOOKS, LEGS, Stage
from tests.protocol.workflows.shops import (
    OFFICE,
    RECEIVER,
    SENDER,
    Device,
    Hub,
    Ops,
    at,
    fold,
    settle_all,
    sum_of,
)
from tests.protocol.workflows.transfer_cases import PATHS, TRIES, attempt, reached, reconcile

GOODS = (Account.ON_HAND, Account.IN_TRANSIT, Account.LOSS)


def possible(stage: Stage) -> list[str]:
    """The tries that the table allows in a stage."""
    found = []
    for name in TRIES:
        try:
            attempt(Device("probe", frozenset({OFFICE}), dict(reached(stage))), name, "probe")
        except StepRefused:
            continue
        found.append(name)
    return found


POSSIBLE = {stage: possible(stage) for stage in Stage}


def apart(base: Ops, names: tuple[str, ...]) -> list[Device]:
    """Devices that all know `base`, each of which has done one thing since."""
    devices = []
    for number, name in enumerate(names):
        device = Device(f"device-{number}", frozenset({TRIES[name][1]}), dict(base))
        attempt(device, name, f"event{number}")
        devices.append(device)
    return devices


def expected_goods(stage: Stage, names: tuple[str, ...]) -> dict[str, dict[tuple[str, str], int]]:
    """What is on the two shelves, reckoned from the tries alone: a parcel once, all else each time."""
    sign = {"ship": ("from", -1), "receive": ("to", 1), "receive_back": ("from", 1)}
    shelves: dict[str, dict[tuple[str, str], int]] = {"from": {}, "to": {}}
    seen = set()
    for name in (*PATHS[stage], *names):
        verb, _, items, _, parcel = TRIES[name]
        if verb.value not in sign or (parcel and name in seen):
            continue
        seen.add(name)
        where, direction = sign[verb.value]
        for item, amount in items.items():
            key = (item.sku, item.lot)
            shelves[where][key] = shelves[where].get(key, 0) + direction * amount
    return {name: {k: n for k, n in shelf.items() if n} for name, shelf in shelves.items()}


def check(ops: Ops) -> None:
    """Every invariant that a transfer has once its nodes have come to rest."""
    assert not sum_of(ops, *GOODS), "its lines sum to zero over on_hand, in_transit and loss"
    progress = transfers.read(fold(ops))
    promised = at(ops, SENDER, Account.RESERVED)
    owed = transfers.due(progress)["reserved"]
    assert promised == {(item.sku, item.lot): n for item, n in owed.items()}
    assert not at(ops, RECEIVER, Account.RESERVED)
    arriving = {(item.sku, item.lot): n for item, n in transfers.incoming(progress).items()}
    assert at(ops, RECEIVER, Account.IN_TRANSIT) == arriving
    if transfers.stage_of(progress) == Stage.CLOSED:
        assert not sum_of(ops, Account.IN_TRANSIT), "nothing of a closed transfer is on its way"


def test_every_leg_and_every_book_of_goods_takes_what_it_gives() -> None:
    for name, leg in LEGS.items():
        assert sum(posting.sign for posting in leg.postings) == 0, name
        assert leg.postings[0].place is leg.home, f"{name}: an operation is of its first location"
    for name in ("short", "short_back"):
        assert sum(posting.sign for posting in BOOKS[name].postings) == 0, name


@pytest.mark.parametrize("stage", Stage)
def test_whatever_two_do_at_once_ends_in_one_balanced_outcome(stage: Stage) -> None:
    base = reached(stage)
    for names in combinations(POSSIBLE[stage], 2):
        outcomes = []
        for order in ((0, 1), (1, 0)):
            devices = apart(base, names)
            hub = Hub()
            settle_all(hub, [devices[n] for n in order], reconcile)
            check(hub.ops)
            expected = expected_goods(stage, names)
            assert at(hub.ops, SENDER, Account.ON_HAND) == expected["from"], names
            assert at(hub.ops, RECEIVER, Account.ON_HAND) == expected["to"], names
            outcomes.append(transfers.stage_of(transfers.read(fold(hub.ops))))
            assert hub.repeats_that_differ == 0, names
        assert len(set(outcomes)) == 1, names


@pytest.mark.parametrize("stage", Stage)
def test_three_who_merge_in_pieces_end_in_one_balanced_outcome(stage: Stage) -> None:
    """Two merge and reconcile before the third is heard of, whichever two."""
    base = reached(stage)
    for names in combinations(POSSIBLE[stage], 3):
        outcomes = set()
        for late in range(3):
            devices = apart(base, names)
            early = [device for n, device in enumerate(devices) if n != late]
            hub = Hub()
            settle_all(hub, early, reconcile)
            settle_all(hub, devices, reconcile)
            check(hub.ops)
            expected = expected_goods(stage, names)
            assert at(hub.ops, RECEIVER, Account.ON_HAND) == expected["to"], names
            outcomes.add(transfers.stage_of(transfers.read(fold(hub.ops))))
        assert len(outcomes) == 1, names
