"""The kinds of value that requests hold, each checked once, where it comes in.

Invariant: a value that passed is within the caps of `protocol.limits` and prints on one line, except a note, which
may have several. No message ever repeats the value: it goes into logs and onto other people's screens.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from protocol.codec import check_plain, pack
from protocol.errors import ProtocolError
from protocol.ids import code_fault
from protocol.limits import (
    CURSOR_CHARS_MAX,
    DELTA_MAX,
    DETAILS_BYTES_MAX,
    LIST_LIMIT_MAX,
    NAME_CHARS_MAX,
    NOTE_CHARS_MAX,
    REASON_CHARS_MAX,
    REFERENCE_CHARS_MAX,
    TIME_MS_MAX,
    TOTAL_MAX,
)
from protocol.movements import MoveKind

# RFC 3339 section 5.6, where an offset is not optional: a till's local time means nothing elsewhere.
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT: Final = str.maketrans("\n\t", "  ")


def _code(text: str) -> str:
    if fault := code_fault(text):
        raise PydanticCustomError("code", fault)
    return text


def _one_line(text: str) -> str:
    if text and (fault := code_fault(text, chars_max=len(text))):
        raise PydanticCustomError("control_characters", fault)
    return text


def _several_lines(text: str) -> str:
    # Windows tills end lines in CR LF.
    _one_line(text.replace("\r\n", "\n").translate(_LAYOUT))
    return text


def instant_ms(text: str) -> int:
    """Read an RFC 3339 instant of the years 1970 to 9999; UTC milliseconds, rounded down."""
    if _INSTANT.fullmatch(text) is None:
        raise PydanticCustomError("instant", "must be an RFC 3339 time with an offset or Z")
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise PydanticCustomError("instant", "is not a time that exists") from error
    since_epoch_ms = (found - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= since_epoch_ms <= TIME_MS_MAX:
        raise PydanticCustomError("instant", "must be in the years 1970 to 9999")
    return since_epoch_ms


def _instant(value: object) -> int:
    if type(value) is not str:
        raise PydanticCustomError("string_type", "must be text")
    return instant_ms(value)


def _date(text: str) -> str:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise PydanticCustomError("date", "must be a date that exists, as YYYY-MM-DD")


def _kind(value: object) -> MoveKind:
    if type(value) is str and value in set(MoveKind):
        return MoveKind(value)
    raise PydanticCustomError("kind", "is not a kind of movement")


def _details(value: dict[str, Any]) -> dict[str, Any]:
    try:
        check_plain(value, "details")
    except ProtocolError as error:
        raise PydanticCustomError("details", error.detail) from error
    if _holds_bytes(value):
        raise PydanticCustomError("details", "details has bytes, which JSON does not have")
    if "sealed" in value:
        raise PydanticCustomError(
            "sealed", "sealed details need people's keys, which are not there yet"
        )
    if len(pack(value)) > DETAILS_BYTES_MAX:
        raise PydanticCustomError("details", f"must pack to at most {DETAILS_BYTES_MAX} bytes")
    return value


def _holds_bytes(value: object) -> bool:
    match value:
        case dict():
            return any(map(_holds_bytes, value.values()))
        case list():
            return any(map(_holds_bytes, value))
        case _:
            return isinstance(value, bytes)


def _whole(value: object) -> int:
    if type(value) is not str or _WHOLE.fullmatch(value) is None:
        raise PydanticCustomError("int_parsing", "must be a whole number")
    return int(value)


Code = Annotated[str, AfterValidator(_code)]
"""A SKU, location or lot."""
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX), AfterValidator(_one_line)]
Reference = Annotated[str, Field(max_length=REFERENCE_CHARS_MAX), AfterValidator(_one_line)]
Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX), AfterValidator(_one_line)]
Note = Annotated[str, Field(max_length=NOTE_CHARS_MAX), AfterValidator(_several_lines)]
Delta = Annotated[int, Field(ge=-DELTA_MAX, le=DELTA_MAX)]
Quantity = Annotated[int, Field(ge=0, le=TOTAL_MAX)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
"""ISO 4217."""
Date = Annotated[str, AfterValidator(_date)]
Instant = Annotated[int, BeforeValidator(_instant)]
"""RFC 3339 outside, UTC milliseconds inside."""
Kind = Annotated[MoveKind, BeforeValidator(_kind)]
Details = Annotated[dict[str, Any], AfterValidator(_details)]
"""Free JSON without floats, as small and as flat as the wire takes it."""

# In an address everything is text.
Limit = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=LIST_LIMIT_MAX)]
Days = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=36_500)]
Cursor = Annotated[str, Field(min_length=1, max_length=CURSOR_CHARS_MAX), AfterValidator(_one_line)]
