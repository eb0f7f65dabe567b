"""What people have to look at in orders and stocktakes; transfers have theirs beside their other tests."""

import pytest

from protocol.workflows import differences, orders
from protocol.workflows.count_sheet import read as read_sheet
from protocol.workflows.differences import Difference, Matter
from protocol.workflows.order_table import Kind, Stage
from tests.protocol.workflows import order_cases, stocktake_cases
from tests.protocol.workflows.shops import PLACES, Device, Hub, fold, settle_all

CONFLICT = Difference(Matter.CONFLICTING_STATUS)


def found(kind: Kind, stage: Stage, *names: str) -> set[tuple[str, str, int]]:
    """What is to be looked at after these were done apart: matter, SKU and quantity."""
    devices = []
    for number, name in enumerate(names):
        party = frozenset({order_cases.TRIES[name][1]})
        device = Device(f"device-{number}", party, dict(order_cases.reached(kind, stage)))
        order_cases.attempt(device, kind, name, f"event{number}")
        devices.append(device)
    hub = Hub()
    settle_all(hub, devices, lambda document: orders.reconcile(document, kind, PLACES))
    progress = orders.read(fold(hub.ops))
    return {(one.matter, one.sku, one.quantity) for one in differences.of_order(progress, kind)}


@pytest.mark.parametrize("kind", Kind)
def test_an_order_that_goes_as_it_should_asks_for_nobody(kind: Kind) -> None:
    for name in order_cases.possible(kind, Stage.PLACED):
        assert not found(kind, Stage.PLACED, name), name


def test_fulfilled_here_while_cancelled_there_people_see_what_went_out() -> None:
    assert found(Kind.CUSTOMER, Stage.PLACED, "fulfil six", "cancel at the office") == {
        (Matter.CONFLICTING_STATUS, "", 0),
        (Matter.OVER, "TEA", 6),
    }


def test_fulfilled_twice_people_see_how_much_too_many() -> None:
    assert found(Kind.CUSTOMER, Stage.PLACED, "fulfil", "fulfil") == {
        (Matter.OVER, "TEA", 10),
        (Matter.OVER, "PILLS", 4),
    }


def test_a_supplier_who_delivers_after_all_is_told_by_the_quantity_alone() -> None:
    assert found(Kind.PURCHASE, Stage.PLACED, "fulfil six", "cancel") == {(Matter.OVER, "TEA", 6)}


def test_approved_here_while_rejected_there_people_decide() -> None:
    assert found(Kind.INTERNAL, Stage.APPROVAL, "approve", "reject") == {
        (Matter.CONFLICTING_STATUS, "", 0)
    }


def test_a_stocktake_finalised_here_while_cancelled_there_is_to_be_looked_at() -> None:
    base = stocktake_cases.done(*stocktake_cases.REVIEW).ops
    devices = []
    for name in ("finalise at the office", "cancel"):
        device = Device(name, frozenset({stocktake_cases.TRIES[name][1]}), dict(base))
        stocktake_cases.attempt(device, name, name)
        devices.append(device)
    assert not differences.of_stocktake(read_sheet(devices[0].document))
    hub = Hub()
    settle_all(hub, devices, stocktake_cases.reconcile)
    assert differences.of_stocktake(read_sheet(fold(hub.ops))) == (CONFLICT,)
