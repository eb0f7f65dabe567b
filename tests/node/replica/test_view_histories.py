"""Counters and documents together, whatever becomes of the hub's history, of the log and of the right to read.

After every step the database adds up, and where no scope is read only what is on top is shown. Whenever everything is
read, what is shown are the hub's rows joined with the own operations that it does not have.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.replica import scopes
from tests.node.replica.shop_life import ShopLife


def live(seed: int, steps: int) -> None:
    """One life, looked at after every step; at the end nothing is left on top."""
    shop = ShopLife(seed)
    for step in range(steps):
        shop.live_on()
        found = shop.faults()
        if shop.chance.random() < 0.1:
            shop.settle()
            found += shop.faults() + shop.differences()
        assert not found, f"seed {seed}, step {step}: {found}"
    shop.push_all()
    shop.settle()
    shop.acknowledge()
    found = shop.faults() + shop.differences() + shop.left_on_top()
    assert not found, f"seed {seed}, at the end: {found}"
    shop.db.close()


@pytest.fixture(autouse=True, scope="module")
def pieces_of_two() -> Iterator[None]:
    """Drop rows in many pieces, though there are few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scopes, "PIECE_ROWS", 2)
        patch.setattr(scopes, "PIECE_DOCUMENTS", 2)
        yield


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_any_history_shows_the_hubs_rows_with_what_it_does_not_have(seed: int) -> None:
    live(seed, steps=60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_any_of_very_many_histories_shows_the_hubs_rows_with_what_it_does_not_have() -> None:
    for seed in range(300):
        live(seed, steps=120)
