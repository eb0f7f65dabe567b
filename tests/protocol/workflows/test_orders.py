"""Orders: what is promised equals what is owed, whoever fulfils, cancels and amends at the same time."""

from dataclasses import replace
from itertools import combinations_with_replacement as combinations

import pytest

from protocol.effects import Account
from protocol.ids import Lot, Sku
from protocol.workflows import order_table, orders
from protocol.workflows.acts import Act
from protocol.workflows.bookkeeping import parcel_event
from protocol.workflows.order_table import Kind, Stage, Status, Verb
from protocol.workflows.progress import Item, LineKey
from protocol.workflows.steps import Fault, FieldWrite, Step, StepRefused
from tests.protocol.examples import NOW
from tests.protocol.workflows.order_cases import (
    CASES,
    TEA,
    TRIES,
    attempt,
    paths,
    possible,
    reached,
)
from tests.protocol.workflows.shops import (
    OFFICE,
    OWNER,
    PLACES,
    Device,
    Hub,
    Ops,
    at,
    fold,
    settle_all,
)


def apart(kind: Kind, stage: Stage, names: tuple[str, ...]) -> list[Device]:
    """Devices that all know the order, each of which has done one thing since."""
    devices = []
    for number, name in enumerate(names):
        party = frozenset({TRIES[name][1]})
        device = Device(f"device-{number}", party, dict(reached(kind, stage)))
        attempt(device, kind, name, f"event{number}")
        devices.append(device)
    return devices


def shelf(kind: Kind, stage: Stage, names: tuple[str, ...]) -> dict[tuple[str, str], int]:
    """What the goods came to, reckoned from the tries alone: a parcel once, all else each time."""
    sign = {Kind.PURCHASE: 1, Kind.CUSTOMER: -1, Kind.INTERNAL: 0}[kind]
    total: dict[tuple[str, str], int] = {}
    seen = set()
    for name in (*paths(kind)[stage], *names):
        _, _, items, parcel = TRIES[name]
        if parcel and name in seen:
            continue
        seen.add(name)
        for item, amount in items.items():
            total[item.sku, item.lot] = total.get((item.sku, item.lot), 0) + sign * amount
    return {key: amount for key, amount in total.items() if amount}


def check(kind: Kind, ops: Ops) -> str:
    """Every invariant of an order whose nodes have come to rest; gives its stage."""
    progress = orders.read(fold(ops))
    stage = orders.stage_of(progress)
    owed = orders.owed(progress)
    assert all(amount > 0 for amount in owed.values())
    if stage not in (Stage.PLACED, Stage.PARTLY_RECEIVED):
        assert not owed
    promised = at(ops, OWNER, Account.RESERVED)
    if kind is Kind.CUSTOMER:
        assert promised == {(item.sku, item.lot): amount for item, amount in owed.items()}
    else:
        assert not promised
    return stage


@pytest.mark.parametrize(("kind", "stage"), CASES)
def test_whatever_two_do_at_once_leaves_promised_what_is_owed(kind: Kind, stage: Stage) -> None:
    for names in combinations(possible(kind, stage), 2):
        outcomes = set()
        for order in ((0, 1), (1, 0)):
            devices = apart(kind, stage, names)
            hub = Hub()
            settle_all(
                hub, [devices[n] for n in order], lambda d: orders.reconcile(d, kind, PLACES)
            )
            outcomes.add(check(kind, hub.ops))
            assert at(hub.ops, OWNER, Account.ON_HAND) == shelf(kind, stage, names), names
            assert hub.repeats_that_differ == 0, names
        assert len(outcomes) == 1, names


@pytest.mark.parametrize(("kind", "stage"), CASES)
def test_three_who_merge_in_pieces_leave_promised_what_is_owed(kind: Kind, stage: Stage) -> None:
    for names in combinations(possible(kind, stage), 3):
        outcomes = set()
        for late in range(3):
            devices = apart(kind, stage, names)
            early = [device for n, device in enumerate(devices) if n != late]
            hub = Hub()
            settle_all(hub, early, lambda d: orders.reconcile(d, kind, PLACES))
            settle_all(hub, devices, lambda d: orders.reconcile(d, kind, PLACES))
            outcomes.add(check(kind, hub.ops))
            assert at(hub.ops, OWNER, Account.ON_HAND) == shelf(kind, stage, names), names
        assert len(outcomes) == 1, names


def merged(kind: Kind, stage: Stage, *names: str) -> Hub:
    """The hub after these were done apart and every node came to rest."""
    hub = Hub()
    settle_all(hub, apart(kind, stage, names), lambda d: orders.reconcile(d, kind, PLACES))
    return hub


def status(hub: Hub) -> Status:
    """What the outside sees."""
    return orders.status_of(orders.read(fold(hub.ops)))


def test_a_promise_that_two_release_at_once_is_released_once() -> None:
    """No reconcile is needed: both wrote one operation."""
    devices = apart(Kind.CUSTOMER, Stage.PLACED, ("cancel", "cancel at the office"))
    hub = Hub()
    assert settle_all(hub, devices, lambda d: orders.reconcile(d, Kind.CUSTOMER, PLACES)) == 0
    assert not at(hub.ops, OWNER, Account.RESERVED)


def test_fulfilled_here_while_cancelled_there_the_goods_count_and_the_promise_ends_once() -> None:
    hub = merged(Kind.CUSTOMER, Stage.PLACED, "fulfil", "cancel at the office")
    assert at(hub.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -10, ("PILLS", "L7"): -4}
    assert not at(hub.ops, OWNER, Account.RESERVED)
    assert status(hub) is Status.FULFILLED
    assert Stage.CANCELED in orders.read(fold(hub.ops)).decided, "people can be shown both"


def test_partly_fulfilled_here_while_cancelled_there_nothing_more_is_owed() -> None:
    hub = merged(Kind.CUSTOMER, Stage.PLACED, "fulfil six", "cancel at the office")
    assert at(hub.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -6}
    assert not at(hub.ops, OWNER, Account.RESERVED)
    assert status(hub) is Status.FULFILLED


def test_fulfilled_twice_the_goods_count_twice_and_no_promise_goes_below_zero() -> None:
    hub = merged(Kind.CUSTOMER, Stage.PLACED, "fulfil", "fulfil")
    assert at(hub.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -20, ("PILLS", "L7"): -8}
    assert not at(hub.ops, OWNER, Account.RESERVED)


def test_dispensing_a_part_leaves_an_owing() -> None:
    hub = merged(Kind.CUSTOMER, Stage.PLACED, "dispense three")
    assert status(hub) is Status.PENDING
    owed = {(item.sku, n) for item, n in orders.owed(orders.read(fold(hub.ops))).items()}
    assert owed == {("TEA", 10), ("PILLS", 1)}


def test_one_no_is_enough_when_two_decide_at_once() -> None:
    hub = merged(Kind.INTERNAL, Stage.APPROVAL, "approve", "reject")
    assert status(hub) is Status.CANCELED


def test_a_line_dropped_while_it_is_promised_leaks_nothing() -> None:
    """Another node takes the line away in a way that no table has: the field is null."""
    hub = Hub(dict(reached(Kind.CUSTOMER, Stage.PLACED)))
    rogue = Device("rogue", frozenset({OFFICE}), dict(hub.ops))
    name = next(name for name in rogue.document.fields if name.startswith("lines/"))
    rogue.record([Step("edit", PLACES[OWNER], (), (FieldWrite(name, None),))])
    settle_all(hub, [rogue], lambda d: orders.reconcile(d, Kind.CUSTOMER, PLACES))
    check(Kind.CUSTOMER, hub.ops)


def test_a_fulfilled_order_says_when() -> None:
    open_, done = reached(Kind.CUSTOMER, Stage.PLACED), reached(Kind.CUSTOMER, Stage.RECEIVED)
    assert orders.fulfilled_at(fold(open_)) is None
    assert orders.fulfilled_at(fold(done)) == NOW


def test_goods_that_the_customer_did_not_order_are_no_part_of_the_order() -> None:
    device = Device("shop", frozenset({OWNER}), dict(reached(Kind.CUSTOMER, Stage.PLACED)))
    act = Act(Verb.FULFIL, "ada", NOW, "e1", items={Item(Sku("OTHER")): 1})
    with pytest.raises(StepRefused) as refused:
        orders.act(device.document, Kind.CUSTOMER, PLACES, {OWNER}, act)
    assert refused.value.fault is Fault.UNKNOWN_LINE


def test_the_outside_knows_three_words() -> None:
    assert set(order_table.STATUS) == set(Stage)
    words = {status.value for status in order_table.STATUS.values()}
    assert words == {"pending", "fulfilled", "canceled"}


def promised_at_once(*acts: Act) -> list[int]:
    """What is promised of TEA after each act of one shop, before anybody reconciles."""
    device = Device("shop", frozenset({OWNER}), dict(reached(Kind.CUSTOMER, Stage.PLACED)))
    found = []
    for act in acts:
        device.record(orders.act(device.document, Kind.CUSTOMER, PLACES, {OWNER}, act))
        found.append(at(device.ops, OWNER, Account.RESERVED).get(("TEA", ""), 0))
    return found


def test_a_promise_follows_the_plan_at_once_however_often_it_goes_up_and_down() -> None:
    acts = [
        Act(Verb.AMEND, "ada", NOW, lines={LineKey(Sku("TEA"), Lot("")): n})
        for n in (12, 6, 12, 6, 0, 12)
    ]
    assert promised_at_once(*acts) == [12, 6, 12, 6, 0, 12]


def test_two_parcels_of_the_same_goods_release_two_promises_at_once() -> None:
    acts = [
        Act(Verb.FULFIL, "ada", NOW, "", parcel, items={Item(Sku("TEA")): 3})
        for parcel in ("P1", "P2", "P1")
    ]
    assert promised_at_once(*acts) == [7, 4, 4], "and the same parcel again releases nothing"


def test_goods_taken_back_are_promised_again_once_whoever_takes_them_back() -> None:
    base = reached(Kind.CUSTOMER, Stage.PARTLY_RECEIVED)
    devices = [Device(f"shop-{n}", frozenset({OWNER}), dict(base)) for n in range(2)]
    for device in devices:
        attempt(device, Kind.CUSTOMER, "reverse way1", device.name)
        assert at(device.ops, OWNER, Account.RESERVED)["TEA", ""] == 10
    hub = Hub()
    assert settle_all(hub, devices, lambda d: orders.reconcile(d, Kind.CUSTOMER, PLACES)) == 0
    assert at(hub.ops, OWNER, Account.RESERVED)["TEA", ""] == 10
    assert not at(hub.ops, OWNER, Account.ON_HAND)
    assert hub.repeats_that_differ == 0


def test_an_event_is_taken_back_once_and_its_taking_back_is_for_good() -> None:
    device = Device("shop", frozenset({OWNER}), dict(reached(Kind.CUSTOMER, Stage.PLACED)))
    for name, event in (("fulfil six", "six"), ("fulfil one", "one"), ("reverse six", "e")):
        attempt(device, Kind.CUSTOMER, name, event)
    for event in ("six", "six~", "never"):
        with pytest.raises(StepRefused) as refused:
            attempt(device, Kind.CUSTOMER, f"reverse {event}", "e")
        assert refused.value.fault is Fault.NOTHING_TO_DO
    assert at(device.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -1}


def test_two_events_of_the_same_goods_taken_back_are_promised_again_at_once() -> None:
    acts = [
        *(Act(Verb.FULFIL, "ada", NOW, event, items={Item(Sku("TEA")): 3}) for event in "ab"),
        *(Act(Verb.REVERSE, "ada", NOW, event) for event in "ab"),
    ]
    assert promised_at_once(*acts) == [7, 4, 7, 10]


def test_an_item_of_a_parcel_supplied_and_dispensed_is_promised_again_after_each_reversal() -> None:
    """On both legs it is one event by name, and as many."""
    device = Device("shop", frozenset({OWNER}), dict(reached(Kind.CUSTOMER, Stage.PLACED)))
    before = at(device.ops, OWNER, Account.RESERVED)
    supplied = Act(Verb.FULFIL, "ada", NOW, "", "P1", items={TEA: 2})
    dispensed = replace(supplied, verb=Verb.DISPENSE)
    reversal = Act(Verb.REVERSE, "ada", NOW, parcel_event("P1", TEA))
    for act in (supplied, reversal, dispensed, reversal):
        steps = orders.act(device.document, Kind.CUSTOMER, PLACES, {OWNER}, act)
        device.record(steps)
        assert not orders.reconcile(device.document, Kind.CUSTOMER, PLACES)
    assert at(device.ops, OWNER, Account.RESERVED) == before
