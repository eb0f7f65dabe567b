"""Suggested orders: what is missing, in whole packs, and not what is already on its way."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.limits import DELTA_MAX
from protocol.workflows.replenishment import Position, Suggestion, suggest

TEA = Position("TEA", "Lakeside", 4, 0, 0, 20, 0, 0, 12)


def packs(position: Position, lead_days: int = 0) -> int:
    """How many packs are suggested."""
    found = suggest([position], lead_days=lead_days, used_days=30)
    return sum(line.packs for lines in found.values() for line in lines)


def test_what_is_missing_is_ordered_in_whole_packs() -> None:
    assert suggest([TEA], lead_days=0, used_days=30) == {"Lakeside": (Suggestion("TEA", 2, 24),)}


def test_at_the_minimum_nothing_is_ordered() -> None:
    assert packs(TEA._replace(available=20)) == 0
    assert packs(TEA._replace(available=19)) == 1


def test_what_is_on_its_way_or_drafted_is_not_ordered_again() -> None:
    assert packs(TEA._replace(incoming=16)) == packs(TEA._replace(drafted=16)) == 0
    assert packs(TEA._replace(incoming=12)) == 1


def test_at_least_the_reorder_quantity_is_ordered() -> None:
    assert packs(TEA._replace(reorder_quantity=100)) == 9
    assert packs(TEA._replace(reorder_quantity=5)) == 2


def test_what_is_used_until_the_goods_come_is_ordered_too() -> None:
    assert packs(TEA._replace(available=20, used=1), lead_days=1) == 1, "rounded up"
    assert packs(TEA._replace(used=60), lead_days=10) == 3, "16 missing and 20 used until then"


def test_what_nobody_keeps_is_not_ordered() -> None:
    assert packs(TEA._replace(minimum=None, available=-3)) == 0
    assert packs(TEA._replace(minimum=0, available=-3)) == 0


def test_each_supplier_gets_one_list_in_order_of_sku() -> None:
    positions = [
        TEA._replace(sku="Z"),
        TEA._replace(sku="B", supplier=""),
        TEA._replace(sku="A", minimum=None),
        TEA._replace(sku="M", minimum=5),
    ]
    found = suggest(positions, lead_days=0, used_days=30)
    skus = {supplier: [line.sku for line in lines] for supplier, lines in found.items()}
    assert skus == {"": ["B"], "Lakeside": ["M", "Z"]}


amounts = st.integers(-1000, DELTA_MAX)


@given(
    st.builds(
        Position,
        st.just("TEA"),
        st.just(""),
        amounts,
        st.integers(0, 1000),
        st.integers(0, 1000),
        st.none() | st.integers(0, DELTA_MAX),
        st.integers(0, DELTA_MAX),
        st.integers(0, 10_000),
        st.integers(1, 1000),
    ),
    st.integers(0, 60),
)
def test_once_drafted_the_same_is_not_suggested_again(position: Position, lead_days: int) -> None:
    for lines in suggest([position], lead_days=lead_days, used_days=30).values():
        assert 0 < lines[0].quantity <= DELTA_MAX
        later = position._replace(drafted=position.drafted + lines[0].quantity)
        again = suggest([later], lead_days=lead_days, used_days=30)
        assert not again or lines[0].quantity > DELTA_MAX - position.pack_size
