"""What leaves only while a second person sees it."""

import pytest

from node.commands import movements
from node.commands.requests import Line, Movement
from node.replica.movements import MovementQuery, newest
from protocol.ids import NO_LOT, Location, OpId, Sku
from protocol.movements import MoveKind
from tests.node.commands.test_picking import HERE, TILL, Pharmacy, pharmacy, refused, shown

__all__ = ["pharmacy"]

LEAVING = [MoveKind.SALE, MoveKind.DISPENSE, MoveKind.WASTE]
OTHER = [MoveKind.RECEIVE, MoveKind.COUNT, MoveKind.CUSTOMER_RETURN]


def with_morphine(pharmacy: Pharmacy, **others: object) -> None:
    """Describe it as one that needs a witness."""
    pharmacy.says("skus", id="morphine", name="Morphine", witness=True, **others)
    pharmacy.records(MoveKind.RECEIVE, ("morphine", "", 10))


def left(pharmacy: Pharmacy) -> int:
    """How much of it is there."""
    return pharmacy.db.execute(
        "SELECT sum(value) FROM counter WHERE sku = 'morphine' AND account = 0"
    ).fetchone()[0]


@pytest.mark.parametrize("kind", LEAVING)
def test_without_a_witness_nothing_leaves_and_nothing_is_written(
    pharmacy: Pharmacy, kind: MoveKind
) -> None:
    with_morphine(pharmacy)
    before = list(pharmacy.db.iterdump())
    with refused("witness_required") as refusal:
        pharmacy.records(kind, ("tea", "", -1), ("morphine", "", -1))
    (error,) = refusal.value.errors
    assert error["loc"] == ["lines", 1, "sku"]
    with refused("witness_required"):
        pharmacy.records(kind, ("morphine", "", -1), witness="Till-1")
    assert list(pharmacy.db.iterdump()) == before


@pytest.mark.parametrize("kind", LEAVING)
def test_a_witness_is_kept_with_what_left(pharmacy: Pharmacy, kind: MoveKind) -> None:
    with_morphine(pharmacy)
    answer = pharmacy.records(kind, ("morphine", "", -3), witness="pharmacist")
    assert shown(answer)["witness"] == "pharmacist"
    (listed, *_), _ = newest(pharmacy.db, MovementQuery(sku="morphine"))
    assert listed.operation.details["witness"] == "pharmacist"
    assert left(pharmacy) == 7


@pytest.mark.parametrize("kind", OTHER)
def test_what_comes_or_is_counted_needs_no_witness_but_may_name_one(
    pharmacy: Pharmacy, kind: MoveKind
) -> None:
    with_morphine(pharmacy)
    assert "witness" not in shown(pharmacy.records(kind, ("morphine", "", 2)))
    assert (
        shown(pharmacy.records(kind, ("morphine", "", 2), witness="pharmacist"))["witness"]
        == "pharmacist"
    )


@pytest.mark.parametrize("kind", LEAVING)
def test_only_a_sku_that_asks_for_a_witness_needs_one(pharmacy: Pharmacy, kind: MoveKind) -> None:
    pharmacy.says("skus", id="codeine", name="Codeine", controlled=True, description="witness")
    pharmacy.records(MoveKind.RECEIVE, ("codeine", "", 10))
    assert "witness" not in shown(pharmacy.records(kind, ("codeine", "", -1), ("nobody", "", -1)))
    pharmacy.changes("skus", "codeine", witness=True)
    with refused("witness_required"):
        pharmacy.records(kind, ("codeine", "", -1))
    pharmacy.changes("skus", "codeine", witness=False)
    pharmacy.records(kind, ("codeine", "", -1))


def test_a_line_of_nothing_needs_no_witness(pharmacy: Pharmacy) -> None:
    with_morphine(pharmacy)
    pharmacy.sells(("morphine", "", 0))
    assert left(pharmacy) == 10


def test_a_sku_of_tracked_lots_needs_its_witness_too(pharmacy: Pharmacy) -> None:
    with_morphine(pharmacy, lot_tracked=True)
    pharmacy.records(MoveKind.RECEIVE, ("morphine", "L1", 5))
    with refused("witness_required"):
        pharmacy.sells(("morphine", "", -6))
    answer = pharmacy.sells(("morphine", "", -6), witness="pharmacist")
    assert sum(line["delta"] for line in shown(answer)["lines"]) == -6


def test_a_repeat_is_one_only_with_the_same_witness(pharmacy: Pharmacy) -> None:
    with_morphine(pharmacy)
    first = pharmacy.sells(("morphine", "", -1), witness="pharmacist", key="k")
    again = pharmacy.sells(("morphine", "", -1), witness="pharmacist", key="k")
    assert (again.replayed, again.body) == (True, first.body)
    for other in (None, "manager"):
        with refused("idempotency_key_reused"):
            pharmacy.sells(("morphine", "", -1), witness=other, key="k")


def test_a_bad_item_of_a_batch_spoils_no_other(pharmacy: Pharmacy) -> None:
    with_morphine(pharmacy)

    def dispensed(witness: str | None) -> Movement:
        lines = (Line(Sku("morphine"), NO_LOT, -1),)
        return Movement(MoveKind.DISPENSE, Location("S01"), lines, witness=witness)

    items = [("a", dispensed("pharmacist")), ("b", dispensed(None)), ("c", dispensed("manager"))]
    found = movements.record_batch(pharmacy.db, HERE, TILL, items)
    assert [getattr(one, "code", "recorded") for one in found] == [
        "recorded",
        "witness_required",
        "recorded",
    ]
    assert left(pharmacy) == 8


def test_what_was_recorded_wrongly_is_taken_back(pharmacy: Pharmacy) -> None:
    with_morphine(pharmacy)
    sold = pharmacy.sells(("morphine", "", -1), witness="pharmacist")
    id_ = OpId(bytes.fromhex(sold.movement_id.replace("-", "")))
    answer = movements.reverse(pharmacy.db, HERE, TILL, id_, "back")
    assert "witness" not in shown(answer)
    assert left(pharmacy) == 10


def test_who_saw_a_correction_is_kept_with_it(pharmacy: Pharmacy) -> None:
    with_morphine(pharmacy)
    sold = pharmacy.sells(("morphine", "", -1), witness="pharmacist")
    id_ = OpId(bytes.fromhex(sold.movement_id.replace("-", "")))
    with refused("witness_required"):
        movements.reverse(pharmacy.db, HERE, TILL, id_, "k", witness="Till-1")
    answer = movements.reverse(pharmacy.db, HERE, TILL, id_, "k", witness="manager")
    assert shown(answer)["witness"] == "manager"
    again = movements.reverse(pharmacy.db, HERE, TILL, id_, "k", witness="manager")
    assert (again.replayed, again.body) == (True, answer.body)
    with refused("idempotency_key_reused"):
        movements.reverse(pharmacy.db, HERE, TILL, id_, "k")
