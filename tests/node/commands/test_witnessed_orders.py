"""What goes to a customer for an order leaves only while a second person sees it, as what is sold does."""

import pytest

from node.replica import movements, stock
from node.replica.movements import MovementQuery
from protocol.movements import MoveKind
from tests.node.commands.test_lots_leaving import Paper
from tests.node.commands.test_picking import HERE, TILL, Pharmacy, pharmacy, refused

__all__ = ["pharmacy"]


@pytest.fixture
def order(pharmacy: Pharmacy) -> Paper:
    """A customer's order of ten pills, placed, which need a witness; there are twenty."""
    pharmacy.changes("skus", "pills", witness=True)
    pharmacy.has("L1", 20)
    made = Paper(pharmacy, "orders", kind="customer", location="S01")
    made.does("place")
    return made


@pytest.mark.parametrize("verb", ["fulfil", "dispense"])
def test_an_order_is_not_handed_out_without_a_witness(order: Paper, verb: str) -> None:
    before = list(order.pharmacy.db.iterdump())
    for witness in (None, "TILL-1"):
        with refused("witness_required") as refusal:
            order.does(verb, ("L1", 4), caller=TILL, witness=witness)
        (error,) = refusal.value.errors
        assert (error["loc"], error["type"]) == (["pills", "L1"], "witness")
    assert list(order.pharmacy.db.iterdump()) == before


@pytest.mark.parametrize("verb", ["fulfil", "dispense"])
def test_the_witness_of_an_order_is_kept_with_what_left(order: Paper, verb: str) -> None:
    order.does(verb, ("", 4), caller=TILL, witness="pharmacist")
    assert order.went() == [[("L1", -4)]]
    listed, _ = movements.newest(order.pharmacy.db, MovementQuery(reference=order.id))
    assert "pharmacist" in {one.operation.details.get("witness") for one in listed}


def test_what_is_taken_back_and_what_is_promised_needs_no_witness(order: Paper) -> None:
    order.does("dispense", ("L1", 4), caller=TILL, witness="pharmacist")
    listed, _ = movements.newest(order.pharmacy.db, MovementQuery(reference=order.id))
    (gone,) = (one for one in listed if one.operation.kind == MoveKind.DISPENSE.operation_kind)
    order.does("reverse", event=gone.operation.op_id.hex())
    order.does("cancel")
    row = stock.totals(order.pharmacy.db, "S01", "pills", HERE.now_ms)
    assert (row.on_hand, row.reserved) == (20, 0)


def test_what_comes_and_what_is_sent_to_another_shop_needs_no_witness(pharmacy: Pharmacy) -> None:
    pharmacy.changes("skus", "pills", witness=True)
    bought = Paper(pharmacy, "orders", kind="purchase", location="S01")
    bought.does("place")
    bought.does("fulfil", ("L1", 10))
    sent = Paper(pharmacy, "transfers", source="S01", destination="S02")
    sent.does("ship", ("L1", 3), witness="pharmacist")
    assert pharmacy.in_lot("L1") == 7
