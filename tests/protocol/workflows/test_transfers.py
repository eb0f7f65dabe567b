"""Transfers: goods are never nowhere, whoever does what at the same time."""

from dataclasses import replace
from itertools import combinations_with_replacement as combinations
from itertools import permutations

import pytest

from protocol.effects import Account
from protocol.workflows import differences, transfers
from protocol.workflows.acts import Act
from protocol.workflows.bookkeeping import parcel_event
from protocol.workflows.differences import Matter
from protocol.workflows.steps import FieldWrite, Step, StepRefused
from protocol.workflows.transfer_table import BOOKS, LEGS, Stage, Verb
from tests.protocol.examples import NOW
from tests.protocol.workflows.shops import (
    OFFICE,
    PLACES,
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
from tests.protocol.workflows.transfer_cases import (
    PATHS,
    PILLS,
    TEA,
    TRIES,
    attempt,
    reached,
    reconcile,
)

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


def merged(stage: Stage, *names: str) -> Hub:
    """The hub after these were done apart and every node came to rest."""
    hub = Hub(dict(reached(stage)))
    settle_all(hub, apart(reached(stage), names), reconcile)
    return hub


def test_two_clerks_who_scan_one_parcel_count_it_once() -> None:
    hub = merged(Stage.SHIPPED, "receive a parcel", "receive a parcel")
    assert at(hub.ops, RECEIVER, Account.ON_HAND) == {("TEA", ""): 7, ("PILLS", "L7"): 4}
    assert hub.repeats_that_differ == 0, "nobody is bothered: they said the same"


def test_two_clerks_who_disagree_about_a_parcel_count_one_and_people_are_shown_both() -> None:
    base = reached(Stage.SHIPPED)
    devices = [Device(f"clerk-{n}", frozenset({RECEIVER}), dict(base)) for n in range(2)]
    for device, found in zip(devices, (7, 6), strict=True):
        act = Act(Verb.RECEIVE, "ada", NOW, "", "P1", items={TEA: found})
        device.record(transfers.act(device.document, PLACES, {RECEIVER}, act))
    hub = Hub()
    settle_all(hub, devices, reconcile)
    assert at(hub.ops, RECEIVER, Account.ON_HAND) == {("TEA", ""): 7}
    assert hub.repeats_that_differ > 0
    check(hub.ops)


def test_shipped_here_while_cancelled_there_the_goods_are_on_their_way() -> None:
    hub = merged(Stage.ALLOCATED, "ship all", "cancel")
    document = fold(hub.ops)
    assert document.fields["stage"].value == Stage.SHIPPED
    assert transfers.stage_of(transfers.read(document)) == Stage.SHIPPED
    assert not at(hub.ops, SENDER, Account.RESERVED)
    assert [one.matter for one in differences.of_transfer(transfers.read(document))] == [
        Matter.CONFLICTING_STATUS
    ]


def test_two_who_close_knowing_different_things_write_off_what_is_missing_and_no_more() -> None:
    base = reached(Stage.SHIPPED)
    receiver = Device("receiver", frozenset({RECEIVER}), dict(base))
    attempt(receiver, "receive two", "r")
    office = Device("office", frozenset({OFFICE}), dict(base))
    for device, name in ((receiver, "close there"), (office, "close at the office")):
        attempt(device, name, device.name)
    hub = Hub()
    settle_all(hub, [receiver, office], reconcile)
    assert at(hub.ops, RECEIVER, Account.LOSS) == {("TEA", ""): 8, ("PILLS", "L7"): 4}
    assert hub.repeats_that_differ == 0, "different rests are different operations"
    check(hub.ops)


def test_what_is_set_aside_follows_the_plan_at_once_however_often_it_goes_up_and_down() -> None:
    device = Device("sender", frozenset({SENDER}), dict(reached(Stage.ALLOCATED)))
    found = []
    for quantity in (12, 6, 12, 6):
        act = Act(Verb.AMEND, "ada", NOW, lines={TEA.line: quantity})
        device.record(transfers.act(device.document, PLACES, {SENDER}, act))
        found.append(at(device.ops, SENDER, Account.RESERVED)["TEA", ""])
    assert found == [12, 6, 12, 6]


def test_received_before_its_sender_was_heard_of_it_heals_by_itself() -> None:
    """The receiver is online and the sender is not: in transit goes below zero and comes back."""
    receiver = Device("receiver", frozenset({RECEIVER}), dict(reached(Stage.DRAFT)))
    attempt(receiver, "receive all", "r")
    early = Hub()
    settle_all(early, [receiver], reconcile)
    assert at(early.ops, RECEIVER, Account.IN_TRANSIT) == {("TEA", ""): -10, ("PILLS", "L7"): -4}
    sender = Device("sender", frozenset({SENDER}), dict(reached(Stage.DRAFT)))
    attempt(sender, "ship all", "s")
    settle_all(early, [sender], reconcile)
    assert not sum_of(early.ops, Account.IN_TRANSIT)
    assert transfers.stage_of(transfers.read(fold(early.ops))) == Stage.RECEIVED


def test_what_turns_up_after_closing_is_received_and_no_longer_lost() -> None:
    hub = merged(Stage.CLOSED)
    assert at(hub.ops, RECEIVER, Account.LOSS) == {("TEA", ""): 6, ("PILLS", "L7"): 4}
    device = Device("receiver", frozenset({RECEIVER}), dict(hub.ops))
    act = Act(Verb.RECEIVE, "ada", NOW, "late", items={TEA: 5, PILLS: 4})
    device.record(transfers.act(device.document, PLACES, {RECEIVER}, act))
    settle_all(hub, [device], reconcile)
    assert at(hub.ops, RECEIVER, Account.LOSS) == {("TEA", ""): 1}, "one was broken"
    check(hub.ops)


def test_a_closed_transfer_says_what_is_short_over_and_broken() -> None:
    """Complaint 18 of the domain's list: rejects and shorts broke the books of goods in transit."""
    progress = transfers.read(fold(merged(Stage.CLOSED).ops))
    found = {(one.matter, one.sku, one.quantity) for one in differences.of_transfer(progress)}
    assert found == {
        (Matter.SHORT, "TEA", 5),
        (Matter.SHORT, "PILLS", 4),
        (Matter.DAMAGED, "TEA", 1),
    }
    over = transfers.read(fold(merged(Stage.SHIPPED, "receive too much").ops))
    assert {(one.matter, one.sku) for one in differences.of_transfer(over)} == {
        (Matter.OVER, "TEA"),
        (Matter.OVER, "STRAY"),
    }


def test_a_call_back_is_shown_to_the_receiver_until_it_turns_the_goods_back() -> None:
    hub = merged(Stage.SHIPPED, "call back")
    assert Matter.CALLED_BACK in {
        one.matter for one in differences.of_transfer(transfers.read(fold(hub.ops)))
    }
    device = Device("receiver", frozenset({RECEIVER}), dict(hub.ops))
    items = dict(transfers.incoming(transfers.read(device.document)))
    act = Act(Verb.TURN_BACK, "ada", NOW, "back", items=items)
    device.record(transfers.act(device.document, PLACES, {RECEIVER}, act))
    settle_all(hub, [device], reconcile)
    assert not differences.of_transfer(transfers.read(fold(hub.ops)))
    assert at(hub.ops, SENDER, Account.IN_TRANSIT) == {("TEA", ""): 10, ("PILLS", "L7"): 4}
    assert not at(hub.ops, RECEIVER, Account.IN_TRANSIT)


def test_a_part_that_another_version_wrote_is_left_out_and_the_rest_is_read() -> None:
    device = Device("newer", frozenset({OFFICE}), dict(reached(Stage.SHIPPED)))
    before = transfers.read(device.document)
    writes = tuple(
        FieldWrite(field, value)
        for field, value in {
            "moved/receive/x": {"items": [["TEA", "", "", True], ["TEA", "", ""], "TEA", None]},
            "moved/receive/y": 7,
            "moved/receive": {"items": [["TEA", "", "", 5]]},
            "moved/receive/z": {"items": [["", "", "", 5], ["TEA", "\n", "", 5]]},
            "booked/reserved/x": {"items": 5},
            "booked//x": [["TEA", "", "", 5]],
            "lines/beef": {"sku": "TEA", "lot": None, "quantity": 10},
            "decided/": 1,
        }.items()
    )
    device.record([Step("edit", PLACES[SENDER], (), writes)])
    after = transfers.read(device.document)
    assert (after.moved["ship"], after.lines) == (before.moved["ship"], before.lines)
    assert not after.goods("receive")
    assert transfers.stage_of(after) == Stage.SHIPPED


@pytest.mark.parametrize("meanwhile", ["receive two", "close at the office", "receive all"])
def test_a_receipt_typed_wrongly_is_taken_back_once_and_the_books_follow(meanwhile: str) -> None:
    """Two take it back, not knowing of each other, and a third does something else meanwhile."""
    base = reached(Stage.RECEIVED, ("ship all", "receive too much"))
    devices = [Device(f"clerk-{n}", frozenset({RECEIVER}), dict(base)) for n in range(2)]
    for device in devices:
        attempt(device, "reverse way1", device.name)
    third = Device("third", frozenset({TRIES[meanwhile][1]}), dict(base))
    attempt(third, meanwhile, "third")
    hub = Hub()
    settle_all(hub, [*devices, third], reconcile)
    check(hub.ops)
    assert hub.repeats_that_differ == 0
    received = {"receive two": {("TEA", ""): 2}, "close at the office": {}}
    whole = {("TEA", ""): 10, ("PILLS", "L7"): 4}
    assert at(hub.ops, RECEIVER, Account.ON_HAND) == received.get(meanwhile, whole)


def test_a_parcel_taken_back_apart_at_both_ends_is_taken_back_at_both() -> None:
    """By three who do not hear of each other: who writes one end, the other, and both."""
    base = reached(Stage.RECEIVED, ("ship a parcel", "receive a parcel"))
    act = Act(Verb.REVERSE, "ada", NOW, parcel_event("P1", TEA))
    devices = []
    for parties in ({SENDER}, {RECEIVER}, {SENDER, RECEIVER}):
        device = Device("-".join(sorted(parties)), frozenset(parties), dict(base))
        device.record(transfers.act(device.document, PLACES, parties, act))
        devices.append(device)
    for order in permutations(devices):
        hub = Hub()
        settle_all(hub, [replace(device) for device in order], reconcile)
        check(hub.ops)
        assert hub.repeats_that_differ == 0, "each end is an operation of its own"
        assert not at(hub.ops, SENDER, Account.ON_HAND)
        assert at(hub.ops, RECEIVER, Account.ON_HAND) == {("PILLS", "L7"): 4}, "another item of it"


def test_an_item_of_a_parcel_reversed_on_one_leg_and_then_on_another_is_booked_each_time() -> None:
    """Both are one event by name, and on a closed transfer both are as many on the same book."""
    device = Device("office", frozenset({OFFICE}), dict(reached(Stage.SHIPPED)))
    event = parcel_event("P1", TEA)
    back = Act(Verb.TURN_BACK, "ada", NOW, "", "P1", items={TEA: 7})
    late = replace(back, verb=Verb.RECEIVE)
    reversal = Act(Verb.REVERSE, "ada", NOW, event)
    lost = []
    for act in (back, Act(Verb.CLOSE, "ada", NOW), reversal, late, reversal):
        device.record(transfers.act(device.document, PLACES, set(PLACES) - {OFFICE}, act))
        lost.append(at(device.ops, RECEIVER, Account.LOSS).get(("TEA", ""), 0))
        assert not reconcile(device.document), "nothing is left to the reconciler"
    assert lost == [0, 3, 10, 3, 10]
