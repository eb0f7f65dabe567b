"""Which way each kind of movement may go; the table is written out here a second time, by hand."""

import pytest

from protocol.movements import RULES, MoveKind, sign_fault
from protocol.operation import encode
from tests.protocol.examples import counter, fact

IN = {"opening", "receive", "customer_return"}
OUT = {"sale", "dispense", "supplier_return", "waste"}
NEEDS_REASON = {"adjust", "waste"}
NEEDS_DOCUMENT = {
    "transfer_ship",
    "transfer_receive",
    "transfer_close",
    "reserve",
    "release",
    "reconcile",
}


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(MoveKind)


@pytest.mark.parametrize("kind", MoveKind)
def test_a_kind_takes_the_sign_that_its_name_says(kind: MoveKind) -> None:
    assert (sign_fault(kind, 1) is None) is (kind not in OUT)
    assert (sign_fault(kind, -1) is None) is (kind not in IN)
    assert sign_fault(kind, 0) is None
    for delta in (-1, 1):
        if fault := sign_fault(kind, delta):
            assert kind in fault


@pytest.mark.parametrize("kind", MoveKind)
def test_a_kind_asks_for_what_its_name_says(kind: MoveKind) -> None:
    assert RULES[kind].needs_reason is (kind in NEEDS_REASON)
    assert RULES[kind].device_alone is (kind not in NEEDS_DOCUMENT)


@pytest.mark.parametrize("kind", MoveKind)
def test_a_kind_is_an_operations_kind(kind: MoveKind) -> None:
    assert encode(fact(counter(), kind=kind.operation_kind))
    assert kind.operation_kind == f"move.{kind}"
