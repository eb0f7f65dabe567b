"""What every chaos test may ask for: a seed, told so that the same run can be had again."""

import os
from random import SystemRandom

import pytest


@pytest.fixture
def seed() -> int:
    """EVERSTOCK_SEED, or one at random; pytest shows it when the test fails."""
    chosen = int(os.environ.get("EVERSTOCK_SEED") or SystemRandom().randrange(2**32))
    print(f"EVERSTOCK_SEED={chosen}")
    return chosen
