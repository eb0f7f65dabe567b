"""The demonstration's chain: a grocer, a grocer with a pharmacy counter, and a pharmacy.

Codes only, as a till sends them; quantities in base units (pieces, grams, tablets). The sales are drawn from
a seed, so every demonstration shows the same figures.
"""

from random import Random
from typing import Final

SHOPS: Final = {"S01": "Market Street", "S02": "Harbour", "S03": "Hillside Pharmacy"}

OPENING_STOCK: Final[dict[str, dict[str, int]]] = {
    "S01": {
        "BREAD-WHITE-500": 60,
        "MILK-WHOLE-1L": 120,
        "EGGS-10": 45,
        "BANANA-LOOSE-G": 80_000,
        "COFFEE-BEANS-1KG": 24,
        "OLIVE-OIL-750": 30,
    },
    "S02": {
        "BREAD-WHITE-500": 40,
        "MILK-WHOLE-1L": 90,
        "SALMON-FILLET-G": 12_500,
        "PARACETAMOL-500-TAB": 2_000,
        "PLASTERS-20": 50,
    },
    "S03": {
        "PARACETAMOL-500-TAB": 6_000,
        "AMOXICILLIN-250-CAP": 1_400,
        "IBUPROFEN-400-TAB": 3_200,
        "ORAL-REHYDRATION-SACHET": 180,
        "PLASTERS-20": 75,
    },
}
PRESCRIBED: Final = frozenset({"AMOXICILLIN-250-CAP"})

Line = tuple[str, int]


def next_sale(rng: Random, shop: str) -> tuple[str, list[Line]]:
    """Draw a customer of `shop`: the movement's kind and one to three lines of (SKU, delta)."""
    shelf = OPENING_STOCK[shop]
    lines = [
        (sku, -_amount(rng, shelf[sku]))
        for sku in rng.sample(sorted(shelf), rng.randint(1, min(3, len(shelf))))
    ]
    dispensed = all(sku in PRESCRIBED for sku, _ in lines)
    return "dispense" if dispensed else "sale", lines


def _amount(rng: Random, opening: int) -> int:
    # Loose goods and tablets go by the hundred, pieces one by one: small against what the shelf holds.
    return max(1, opening // 400) * rng.randint(1, 2)
