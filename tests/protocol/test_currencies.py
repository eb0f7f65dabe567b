"""Decimals of currencies, as ISO 4217 has them."""

import pytest

from protocol.currencies import decimals_of


@pytest.mark.parametrize(
    ("currency", "decimals"), [("EUR", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)]
)
def test_minor_units_are_those_of_the_standard(currency: str, decimals: int) -> None:
    assert decimals_of(currency) == decimals


def test_a_currency_that_nobody_has_heard_of_has_two() -> None:
    assert decimals_of("ZZZ") == 2
