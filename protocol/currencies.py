"""How many decimals a currency's amounts are written with: what turns 12.50 into minor units.

Rule: ISO 4217's table of minor units as amended up to 2025. A currency that is not among the exceptions has two, as
nearly all do, also one that this version has not heard of.
"""

from typing import Final

_TWO: Final = 2
_OTHERS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS: Final = {code: count for count, codes in _OTHERS.items() for code in codes.split()}


def decimals_of(currency: str) -> int:
    """The decimals of an amount in this currency: how many digits of its minor units stand behind the point."""
    return _DECIMALS.get(currency, _TWO)
