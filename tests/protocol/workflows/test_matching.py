"""Goods of which only one end of a transfer says the lot: the same goods, whichever way they are read."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NO_LOT, Lot, Sku
from protocol.workflows.progress import Item, minus, per_line
from protocol.workflows.transfers import in_lots_of, matched

ITEMS = st.builds(
    Item,
    st.sampled_from([Sku("pills"), Sku("tea")]),
    st.sampled_from([NO_LOT, Lot("L1"), Lot("L2")]),
    st.sampled_from([NO_LOT, Lot("L1")]),
)
LEFT = st.dictionaries(ITEMS, st.integers(-9, 9).filter(bool))
GOODS = st.dictionaries(ITEMS, st.integers(1, 9))


def some(amounts: Mapping[object, int]) -> dict[object, int]:
    """What is not 0."""
    return {one: amount for one, amount in amounts.items() if amount}


@given(LEFT)
def test_a_lot_that_one_end_named_is_set_against_what_the_other_left_open(
    left: dict[Item, int],
) -> None:
    found = matched(left)
    assert some(per_line(found)) == some(per_line(left)), "no goods are made or lost by it"
    for item, amount in found.items():
        assert 0 < amount * left[item] <= left[item] ** 2, "no more is left of it than there was"
        others = [found.get(one, 0) for one in left if one.line == item.line and one != item]
        if item.lot == NO_LOT:
            assert all(amount * other >= 0 for other in others), "nothing is left to set against it"


@given(LEFT)
def test_two_lots_that_differ_are_never_set_against_each_other(left: dict[Item, int]) -> None:
    named = {item: amount for item, amount in left.items() if item.lot != NO_LOT}
    assert matched(named) == named


@given(GOODS, LEFT)
def test_goods_without_a_lot_are_of_those_that_are_there(
    items: dict[Item, int], rest: dict[Item, int]
) -> None:
    found = in_lots_of(items, rest)
    assert some(per_line(found)) == some(per_line(items))
    there = minus(rest, {item: n for item, n in items.items() if item.lot != NO_LOT})
    for item, amount in found.items():
        more = amount - (items.get(item, 0) if item.lot != NO_LOT else 0)
        assert amount > 0
        if item.lot != NO_LOT:
            assert 0 <= more <= max(0, there.get(item, 0)), "no more than is there"
        elif amount > max(0, there.get(item, 0)):
            lots = [one for one in there if one.line == item.line and one.lot != NO_LOT]
            assert all(
                found.get(one, 0) - items.get(one, 0) == max(0, there[one]) for one in lots
            ), "none stays without a lot while some of its line is there"
