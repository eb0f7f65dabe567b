"""The catalogue replay finds what it is there to find: a planted fault of an import ends it."""

from typing import Any

import pytest

from tests.data.catalogue import UNNAMED, CatalogueError, check_summaries, expected_of, shown_as_row

ROW = {
    "cip7": "2160469",
    "cip13": "3400921604696",
    "name": "YELLOX 0,9 mg/ml",
    "package_label": "1 flacon",
    "dosage_form": "collyre",
    "strength": "",
    "price_eur": "3.5",
}
SHOWN: dict[str, Any] = {
    "name": "YELLOX 0,9 mg/ml",
    "description": "1 flacon",
    "dosage_form": "collyre",
    "strength": None,
    "price": {"amount": 350, "currency": "EUR"},
    "barcodes": {"3400921604696": {"pack": None}},
}


def test_a_package_is_what_its_row_says() -> None:
    assert shown_as_row(SHOWN) == expected_of(ROW)
    assert expected_of({**ROW, "name": "", "price_eur": ""})["name"] == UNNAMED
    assert expected_of({**ROW, "price_eur": "1466.29"})["price"] == {
        "amount": 146_629,
        "currency": "EUR",
    }


@pytest.mark.parametrize("field", SHOWN)
def test_a_package_that_says_something_else_is_noticed(field: str) -> None:
    assert shown_as_row({**SHOWN, field: {} if field == "barcodes" else "wrong"}) != expected_of(
        ROW
    )


def summary(**changed: object) -> dict[str, Any]:
    """What an import of three rows says."""
    counts = dict.fromkeys(("bad", "refused", "unchanged", "already_there"), 0)
    return {"rows": 3, "recorded": 3, "ended": "recorded", **counts, **changed}


def test_rows_that_were_not_taken_and_repeats_that_were_are_noticed() -> None:
    repeat = summary(recorded=0, already_there=3)
    check_summaries(summary(), repeat)
    check_summaries(summary(recorded=2, unchanged=1), repeat)
    for first, again in (
        (summary(bad=1), repeat),
        (summary(refused=1), repeat),
        (summary(ended="stopped"), repeat),
        (summary(recorded=2), repeat),
        (summary(), summary(recorded=1, already_there=2)),
    ):
        with pytest.raises(CatalogueError):
            check_summaries(first, again)
