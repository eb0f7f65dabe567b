"""Stocktakes: counted while the shop trades, corrected once, whoever counts and finalises at the same time."""

from itertools import combinations_with_replacement as combinations

import pytest

from protocol.effects import Account
from protocol.ids import Lot, Sku
from protocol.workflows import stocktakes
from protocol.workflows.count_sheet import Stage, read, shown_to_counter
from protocol.workflows.progress import LineKey
from protocol.workflows.steps import Fault, Party, StepRefused
from protocol.workflows.stocktakes import Act, Limits, Verb
from tests.protocol.examples import NOW
from tests.protocol.workflows.shops import (
    OWNER,
    PLACES,
    Device,
    Hub,
    at,
    fold,
    settle_all,
)
from tests.protocol.workflows.stocktake_cases import (
    BASES,
    COUNTED,
    ENDED,
    NONE,
    PILLS,
    REVIEW,
    TEA,
    TRIES,
    attempt,
    done,
    possible,
    reconcile,
)


@pytest.mark.parametrize("base", [base for base in BASES if base not in ENDED])
def test_whatever_three_do_at_once_corrects_each_line_once(base: str) -> None:
    for names in combinations(possible(base), 3):
        for late in range(3):
            devices = []
            for number, name in enumerate(names):
                device = Device(
                    f"device-{number}", frozenset({TRIES[name][1]}), dict(done(*BASES[base]).ops)
                )
                attempt(device, name, f"event{number}")
                devices.append(device)
            hub = Hub()
            settle_all(hub, [d for n, d in enumerate(devices) if n != late], reconcile)
            settle_all(hub, devices, reconcile)
            sheet = read(fold(hub.ops))
            final = sheet.progress.stage == Stage.FINALISED
            corrected = at(hub.ops, OWNER, Account.ON_HAND)
            standing = {
                (key.sku, key.planned): line.standing.delta for key, line in sheet.lines.items()
            }
            assert corrected == (standing if final else {}), names
            assert hub.repeats_that_differ == 0, names


def test_a_stocktake_is_finalised_though_sales_went_on() -> None:
    """100 shown; 5 sold before the scan, 95 found; 3 sold before the end: truth is 92, and the count corrects nothing.

    Complaint 16 of the domain's list: a count that demands that nothing moved meanwhile is never finished.
    """
    moved = -5
    device = done("start")
    act = Act(Verb.COUNT, "ada", NOW, TEA, counted=95, shown=100 + moved)
    device.record(stocktakes.act(device.document, PLACES, {OWNER}, act, NONE))
    moved += -3
    after = done("submit", "finalise", ops=device.ops)
    corrected = at(after.ops, OWNER, Account.ON_HAND).get(("TEA", ""), 0)
    assert 100 + moved + corrected == 92


def test_uncounted_lines_are_left_as_they_are() -> None:
    device = done(*REVIEW, "finalise")
    assert at(device.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -5}


def test_finalised_here_while_cancelled_there_the_count_stands() -> None:
    devices = []
    for name in ("finalise", "cancel"):
        device = Device(name, frozenset({OWNER}), dict(done(*REVIEW).ops))
        attempt(device, name, name)
        devices.append(device)
    hub = Hub()
    settle_all(hub, devices, reconcile)
    assert read(fold(hub.ops)).progress.stage == Stage.FINALISED
    assert at(hub.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -5}


def test_a_recount_stands_in_place_of_the_count_before_it() -> None:
    device = done(*BASES["recounted"], "finalise")
    assert at(device.ops, OWNER, Account.ON_HAND) == {("TEA", ""): -3}
    counts = read(device.document).lines[TEA].counts
    assert [(count.round, count.counted) for count in counts] == [(1, 95), (2, 92)]


def refusal(device: Device, act: Act, limits: Limits = NONE, party: Party = OWNER) -> Fault:
    """Why the act is refused."""
    with pytest.raises(StepRefused) as refused:
        stocktakes.act(device.document, PLACES, {party}, act, limits)
    return refused.value.fault


def test_a_recount_that_was_asked_for_is_waited_for() -> None:
    device = done(*BASES["recount asked"])
    act = Act(Verb.FINALISE, "eve", NOW, reason="RECOUNTED")
    assert refusal(device, act) is Fault.NOT_COUNTED


def test_what_is_reviewed_does_not_change_unless_a_recount_is_asked_for() -> None:
    act = Act(Verb.COUNT, "ada", NOW, TEA, 90, 100)
    assert refusal(done(*REVIEW), act) is Fault.NOT_ASKED


def test_a_difference_needs_a_reason() -> None:
    device = done(*REVIEW)
    assert refusal(device, Act(Verb.FINALISE, "eve", NOW)) is Fault.REASON_MISSING
    attempt(device, "explain", "e")
    stocktakes.act(device.document, PLACES, {OWNER}, Act(Verb.FINALISE, "eve", NOW), NONE)


LIMITS = [
    Limits(units=4),
    Limits(value=499, unit_costs={"TEA": 100}),
    Limits(units=9, value=499, unit_costs={"TEA": 100}),
]


@pytest.mark.parametrize("limits", LIMITS)
def test_above_the_limit_a_second_person_must_stand_for_it(limits: Limits) -> None:
    device = done(*REVIEW)
    counter = read(device.document).lines[TEA].standing.by
    act = Act(Verb.FINALISE, counter, NOW, reason="RECOUNTED")
    assert refusal(device, act, limits) is Fault.SECOND_PERSON
    own = Act(Verb.VERIFY, counter, NOW, TEA)
    assert refusal(device, own, limits) is Fault.SECOND_PERSON
    attempt(device, "verify", "boss")
    assert stocktakes.act(device.document, PLACES, {OWNER}, act, limits)


@pytest.mark.parametrize(
    "limits", [NONE, Limits(units=5), Limits(value=500, unit_costs={"TEA": 100}), Limits(value=1)]
)
def test_at_the_limit_and_below_one_person_is_enough(limits: Limits) -> None:
    device = done(*REVIEW)
    counter = read(device.document).lines[TEA].standing.by
    act = Act(Verb.FINALISE, counter, NOW, reason="RECOUNTED")
    assert stocktakes.act(device.document, PLACES, {OWNER}, act, limits)


def test_who_stood_for_a_count_does_not_stand_for_its_recount() -> None:
    device = done(*REVIEW, "verify")
    assert read(device.document).lines[TEA].verified_by is not None
    after = done("recount", "count 92 of 95", ops=device.ops)
    assert read(after.document).lines[TEA].verified_by is None


def test_a_blind_count_shows_nothing_to_count_towards_until_it_is_done() -> None:
    device = done(*COUNTED)
    assert shown_to_counter(read(device.document), blind=True) == {TEA: (95, None, None)}
    assert shown_to_counter(read(device.document), blind=False) == {TEA: (95, 100, -5)}
    after = done("submit", ops=device.ops)
    assert shown_to_counter(read(after.document), blind=True) == {TEA: (95, 100, -5)}


@pytest.mark.parametrize(
    "act",
    [
        Act(Verb.COUNT, "ada", NOW, None, 1, 1),
        Act(Verb.COUNT, "ada", NOW, TEA, -1, 1),
        Act(Verb.COUNT, "ada", NOW, TEA, 10**9 + 1, 1),
        Act(Verb.COUNT, "ada", NOW, TEA, 1, -(10**9)),
        Act(Verb.COUNT, "ada", NOW, LineKey(Sku("A\n"), Lot("")), 1, 1),
        Act(Verb.EXPLAIN, "ada", NOW, TEA, reason="two\nlines"),
        Act(Verb.EXPLAIN, "ada", NOW, PILLS, reason="never counted"),
    ],
)
def test_a_count_that_no_shelf_can_have_is_refused(act: Act) -> None:
    refusal(done(*COUNTED), act)
