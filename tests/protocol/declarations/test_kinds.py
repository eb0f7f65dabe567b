"""What fits a kind, and that JSON Schema says the same."""

from datetime import date, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.declarations import COLLECTIONS
from protocol.declarations.kinds import (
    Choice,
    Code,
    Day,
    Flag,
    Id,
    Instant,
    Kind,
    Money,
    Part,
    Record,
    Scalar,
    Text,
    Whole,
    days_since_1970,
)
from protocol.limits import ATTRIBUTE_CHARS_MAX, BARCODE_CHARS_MAX, TOTAL_MAX

UUID = "8a6e0804-2bd0-5672-b79d-d97027f9071a"
FITS: list[tuple[Kind, Any]] = [
    (Text(), "a"),
    (Text(3), "\u00e4\U0001f600c"),
    (Text(20, lines=True), "a\r\nb\n\tc"),
    (Text(64, pattern="[A-Za-z_]+(/[A-Za-z_]+)*"), "Europe/London"),
    (Code(), "0 0/1~\u00e9"),
    (Code(chars_max=BARCODE_CHARS_MAX), "9" * BARCODE_CHARS_MAX),
    (Id("suppliers"), UUID),
    (Whole(), 0),
    (Whole(), TOTAL_MAX),
    (Whole(-5, 5), -5),
    (Flag(), False),
    (Day(), "2024-02-29"),
    (Day(), "0001-01-01"),
    (Day(), "9000-12-31"),
    (Choice(("ok", "on_hold")), "on_hold"),
    (Money(), {"amount": 0, "currency": "EUR"}),
    (Scalar(), "x" * ATTRIBUTE_CHARS_MAX),
    (Scalar(), -7),
    (Scalar(), True),
    (Record((Part("a", Whole(), "", required=True), Part("b", Flag(), ""))), {"a": 1}),
    (Record((Part("a", Whole(), "", required=True), Part("b", Flag(), ""))), {"a": 1, "b": None}),
]
DOES_NOT: list[tuple[Kind, Any]] = [
    *((kind, None) for kind, _ in FITS),
    *((kind, [1]) for kind, _ in FITS),
    (Text(), ""),
    (Text(), 5),
    (Text(3), "abcd"),
    (Text(), "a\nb"),
    (Text(20, lines=True), "a\x00b"),
    (Text(20, lines=True), "a\u2028b"),
    (Text(64, pattern="[A-Za-z_]+"), "Europe London"),
    (Code(), "x" * 65),
    (Code(chars_max=BARCODE_CHARS_MAX), "9" * (BARCODE_CHARS_MAX + 1)),
    (Id("suppliers"), UUID.upper()),
    (Id("suppliers"), UUID.replace("-", "")),
    (Whole(), -1),
    (Whole(), TOTAL_MAX + 1),
    (Whole(), True),
    (Whole(), "1"),
    (Whole(), 1.5),
    (Flag(), 0),
    (Day(), "2024-13-01"),
    (Day(), "24-01-01"),
    (Day(), "0000-01-01"),
    (Choice(("ok",)), "OK"),
    (Money(), {"amount": 1}),
    (Money(), {"amount": 1, "currency": "eur"}),
    (Money(), {"amount": 1, "currency": "EUR", "more": 1}),
    (Money(), {"amount": -1, "currency": "EUR"}),
    (Money(), {"amount": True, "currency": "EUR"}),
    (Scalar(), "x" * (ATTRIBUTE_CHARS_MAX + 1)),
    (Scalar(), 1.5),
    (Record((Part("a", Whole(), "", required=True),)), {}),
    (Record((Part("a", Whole(), "", required=True),)), {"a": None}),
    (Record((Part("a", Whole(), "", required=True),)), {"a": "1"}),
    (Record((Part("a", Whole(), ""),)), {"b": 1}),
]


def allows(kind: Kind, value: Any) -> bool:
    """Whether JSON Schema says that a value fits."""
    return bool(jsonschema.Draft202012Validator(kind.schema()).is_valid(value))


@pytest.mark.parametrize(("kind", "value"), FITS)
def test_what_fits_a_kind_fits_its_schema(kind: Kind, value: Any) -> None:
    assert kind.fault(value) is None
    assert allows(kind, value)


@pytest.mark.parametrize(("kind", "value"), DOES_NOT)
def test_what_does_not_fit_a_kind_is_refused_by_its_schema_too(kind: Kind, value: Any) -> None:
    fault = kind.fault(value)
    assert fault is not None
    assert not allows(kind, value)
    if isinstance(value, str) and len(value) > 3:
        assert value not in fault, "a message repeats what was sent"


def test_a_moment_is_milliseconds_inside_and_text_outside() -> None:
    assert Instant().fault(0) is None
    assert Instant().fault(-1) is not None
    assert Instant().schema()["format"] == "date-time"


@given(st.dates())
def test_days_are_those_of_the_calendar(day: date) -> None:
    assert days_since_1970(day.isoformat()) == (day - date(1970, 1, 1)) // timedelta(days=1)


@pytest.mark.parametrize(
    "text", ["2023-02-29", "2100-02-29", "2024-04-31", "0000-01-01", "2024-00-10", "2024-1-1", ""]
)
def test_a_day_that_the_calendar_does_not_have_is_none(text: str) -> None:
    assert days_since_1970(text) is None
    assert Day().fault(text) is not None


def test_every_kind_that_is_declared_is_told_in_words() -> None:
    for collection in COLLECTIONS.values():
        kinds = [
            *(one.kind for one in collection.fields),
            *(one.value for one in collection.entries),
        ]
        assert all(kind.words() for kind in kinds)
