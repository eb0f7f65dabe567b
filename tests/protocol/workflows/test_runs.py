"""Long runs: devices act, merge some of them, reconcile or not, in any order; then all come to rest.

Goal: no sequence of acts and partial merges leaves a promise, a parcel or a correction behind. Method: Hypothesis draws the
run; what is refused is left out, because a table may refuse; what is recorded must add up in the end.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.documents import Document
from protocol.effects import Account
from protocol.workflows import order_table, orders, transfer_table, transfers
from protocol.workflows.count_sheet import Stage as StocktakeStage
from protocol.workflows.count_sheet import read as read_sheet
from protocol.workflows.order_table import Kind
from protocol.workflows.steps import Party, Step, StepRefused
from tests.protocol.workflows import order_cases, stocktake_cases, transfer_cases
from tests.protocol.workflows.shops import (
    OFFICE,
    OWNER,
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

Attempt = Callable[[Device, str, str], None]
Reconcile = Callable[[Document], Sequence[Step]]
NODES = (
    frozenset({SENDER, OWNER}),
    frozenset({SENDER, OWNER}),  # the standby of the same shop
    frozenset({RECEIVER}),
    frozenset({OFFICE}),
)


def runs(tries: Mapping[str, tuple[object, ...]]) -> st.SearchStrategy[list[tuple[int, str]]]:
    """Who does what: a try by its name, "merge" with the hub, or "reconcile"."""
    what = st.sampled_from([*tries, "merge", "merge", "reconcile"])
    return st.lists(st.tuples(st.integers(0, len(NODES) - 1), what), max_size=25)


def play(
    base: Ops,
    run: list[tuple[int, str]],
    attempt: Attempt,
    parties: Mapping[str, Party],
    reconcile: Reconcile,
) -> tuple[Hub, list[str]]:
    """Do it all and come to rest; gives the hub and the names of what was done."""
    devices = [Device(f"node-{n}", who, dict(base)) for n, who in enumerate(NODES)]
    hub, number, done = Hub(dict(base)), count(), []
    for who, what in run:
        device = devices[who]
        if what == "merge":
            hub.merge(device)
        elif what == "reconcile":
            device.record(reconcile(device.document))
        elif parties[what] in device.parties:
            try:
                attempt(device, what, f"event{next(number)}")
            except StepRefused:
                continue
            done.append(what)
    settle_all(hub, devices, reconcile)
    assert hub.repeats_that_differ == 0, "two wrote one id with two bodies"
    assert not reconcile(fold(hub.ops))
    return hub, done


def moved(tries: Mapping[str, tuple[object, ...]], done: list[str], verb: str) -> int:
    """Units that a verb moved, reckoned from what was done: a parcel once, all else each time."""
    units = 0
    for n, name in enumerate(done):
        what, _, items, *_, parcel = tries[name]
        if what == verb and not (parcel and name in done[:n]):
            assert isinstance(items, Mapping)
            units += sum(items.values())
    return units


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(transfer_table.Stage), runs(transfer_cases.TRIES))
def test_a_transfer_of_any_course_leaves_nothing_on_the_way_and_nothing_promised(
    stage: transfer_table.Stage, run: list[tuple[int, str]]
) -> None:
    tries = transfer_cases.TRIES
    base = transfer_cases.reached(stage)
    parties = {name: one[1] for name, one in tries.items()}
    hub, done = play(base, run, transfer_cases.attempt, parties, transfer_cases.reconcile)
    done = [*transfer_cases.PATHS[stage], *done]
    progress = transfers.read(fold(hub.ops))
    assert not sum_of(hub.ops, Account.ON_HAND, Account.IN_TRANSIT, Account.LOSS)
    owed = sum(transfers.due(progress)["reserved"].values())
    assert sum(at(hub.ops, SENDER, Account.RESERVED).values()) == owed
    here = moved(tries, done, "receive_back") - moved(tries, done, "ship")
    assert sum(at(hub.ops, SENDER, Account.ON_HAND).values()) == here
    there = moved(tries, done, "receive")
    assert sum(at(hub.ops, RECEIVER, Account.ON_HAND).values()) == there
    if transfers.stage_of(progress) == transfer_table.Stage.CLOSED:
        assert not sum_of(hub.ops, Account.IN_TRANSIT)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(order_cases.CASES), runs(order_cases.TRIES))
def test_an_order_of_any_course_promises_what_it_owes(
    case: tuple[Kind, order_table.Stage], run: list[tuple[int, str]]
) -> None:
    (kind, stage), tries = case, order_cases.TRIES
    base = order_cases.reached(kind, stage)
    parties = {name: one[1] for name, one in tries.items()}
    hub, done = play(
        base,
        run,
        lambda device, name, event: order_cases.attempt(device, kind, name, event),
        parties,
        lambda document: orders.reconcile(document, kind, PLACES),
    )
    done = [*order_cases.paths(kind)[stage], *done]
    progress = orders.read(fold(hub.ops))
    promised = sum(at(hub.ops, OWNER, Account.RESERVED).values())
    owed = sum(orders.owed(progress).values())
    assert promised == (owed if kind is Kind.CUSTOMER else 0)
    goods = moved(tries, done, "fulfil") + moved(tries, done, "dispense")
    sign = {Kind.PURCHASE: 1, Kind.CUSTOMER: -1, Kind.INTERNAL: 0}[kind]
    assert sum(at(hub.ops, OWNER, Account.ON_HAND).values()) == sign * goods
    if goods:
        assert orders.status_of(progress) is not order_table.Status.CANCELED


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(stocktake_cases.BASES)), runs(stocktake_cases.TRIES))
def test_a_stocktake_of_any_course_corrects_each_line_by_the_count_that_stands(
    begun: str, run: list[tuple[int, str]]
) -> None:
    parties = {name: one[1] for name, one in stocktake_cases.TRIES.items()}
    base = stocktake_cases.done(*stocktake_cases.BASES[begun]).ops
    hub, _ = play(base, run, stocktake_cases.attempt, parties, stocktake_cases.reconcile)
    sheet = read_sheet(fold(hub.ops))
    final = sheet.progress.stage == StocktakeStage.FINALISED
    standing = {(key.sku, key.planned): line.standing.delta for key, line in sheet.lines.items()}
    assert at(hub.ops, OWNER, Account.ON_HAND) == (standing if final else {})
