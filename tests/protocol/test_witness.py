"""Who counts as a second person."""

import pytest

from protocol.movements import RULES, Sign
from protocol.witness import WITNESSED, witness_fault


@pytest.mark.parametrize("witness", ["pharmacist", "till-11", "till- 1", "收银-1"])
def test_somebody_else_is_a_witness(witness: str) -> None:
    assert witness_fault("till-1", witness) is None


@pytest.mark.parametrize("witness", [None, "", "   "])
def test_nobody_is_no_witness(witness: str | None) -> None:
    assert witness_fault("till-1", witness) == "a second person has to see this"


@pytest.mark.parametrize("witness", ["till-1", "TILL-1", " Till-1  ", "\uff34ill-1"])
def test_one_person_under_another_spelling_is_no_witness(witness: str) -> None:
    assert witness_fault("till-1", witness) == "the witness is whoever records it"


def test_only_what_leaves_is_witnessed() -> None:
    assert {RULES[kind].sign for kind in WITNESSED} == {Sign.OUT}
