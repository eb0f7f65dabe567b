"""The kinds of value that requests hold, each checked once, where it comes in, and as JSON Schema says it.

Invariant: a value that passed is within the caps of `protocol.limits` and prints on one line, except a note, which
may have several. No message ever repeats the value: it goes into logs and onto other people's screens.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import TypeAliasType

from protocol.access.table import PersonRole
from protocol.codec import check_plain, pack
from protocol.declarations.kinds import DATE_PATTERN, PRINTS, PRINTS_OR_ENDS_LINE
from protocol.errors import ProtocolError
from protocol.ids import code_fault
from protocol.limits import (
    CODE_CHARS_MAX,
    CURSOR_CHARS_MAX,
    DELTA_MAX,
    DEPTH_MAX,
    DETAILS_BYTES_MAX,
    IDEMPOTENCY_KEY_CHARS_MAX,
    INT_MAX,
    LETTER_CHARS_MAX,
    LINE_PACKS_MAX,
    LIST_LIMIT_MAX,
    NAME_CHARS_MAX,
    NOTE_CHARS_MAX,
    REASON_CHARS_MAX,
    REFERENCE_CHARS_MAX,
    SCAN_CHARS_MAX,
    TIME_MS_MAX,
    TOTAL_MAX,
)
from protocol.movements import RULES, MoveKind

DAYS_MAX: Final = 36_500
KINDS_BY_HAND: Final = tuple(
    kind for kind, rule in RULES.items() if rule.device_alone and kind is not MoveKind.REVERSAL
)

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


def _role(value: object) -> PersonRole:
    if type(value) is str and value in set(PersonRole):
        return PersonRole(value)
    raise PydanticCustomError("role", "is not a role")


_KINDS: Final = {kind.value: kind for kind in MoveKind}


def _kind(value: object) -> MoveKind:
    if type(value) is str and (kind := _KINDS.get(value)) is not None:
        return kind
    raise PydanticCustomError("kind", "is not a kind of movement")


def _details(value: dict[str, Any]) -> dict[str, Any]:
    try:
        check_plain(value, "details")
    except ProtocolError as error:
        raise PydanticCustomError("details", error.detail) from error
    if _holds_bytes(value):
        raise PydanticCustomError("details", "details has bytes, which JSON does not have")
    if "sealed" in value and not (isinstance(value["sealed"], dict) and value["sealed"]):
        raise PydanticCustomError("sealed", "sealed must be an object with members")
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


_TIME_PATTERN: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
_OFFSET_PATTERN: Final = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"


def _line(chars_max: int, *, chars_min: int = 0) -> WithJsonSchema:
    """Describe text on one line."""
    pattern = f"^{PRINTS}{'+' if chars_min else '*'}$"
    size = {"minLength": chars_min} if chars_min else {}
    return WithJsonSchema({"type": "string", **size, "maxLength": chars_max, "pattern": pattern})


def _one_of(kinds: Iterable[MoveKind]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [kind.value for kind in kinds]})


class DescribedAs:
    """Has JSON Schema say of a value what it says of `kind`, and `more`."""

    def __init__(self, kind: Any, **more: object) -> None:
        self._adapter: TypeAdapter[object] = TypeAdapter(kind)
        self._more = more

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(self._adapter.core_schema), **self._more}


FreeJson = TypeAliasType(
    "FreeJson",
    "bool | Annotated[int, Field(ge=-INT_MAX - 1, le=INT_MAX)] | str | list[FreeJson]"
    " | dict[str, FreeJson] | None",
)
CODE_SCHEMA: Final = _line(CODE_CHARS_MAX, chars_min=1)
Code = Annotated[str, AfterValidator(_code), CODE_SCHEMA]
"""A SKU, location or lot."""
Name = Annotated[
    str,
    Field(min_length=1, max_length=NAME_CHARS_MAX),
    AfterValidator(_one_line),
    _line(NAME_CHARS_MAX, chars_min=1),
]
Reference = Annotated[
    str,
    Field(max_length=REFERENCE_CHARS_MAX),
    AfterValidator(_one_line),
    _line(REFERENCE_CHARS_MAX),
]
Reason = Annotated[
    str, Field(max_length=REASON_CHARS_MAX), AfterValidator(_one_line), _line(REASON_CHARS_MAX)
]
Note = Annotated[
    str,
    Field(max_length=NOTE_CHARS_MAX),
    AfterValidator(_several_lines),
    WithJsonSchema(
        {"type": "string", "maxLength": NOTE_CHARS_MAX, "pattern": f"^{PRINTS_OR_ENDS_LINE}*$"}
    ),
]
Delta = Annotated[int, Field(ge=-DELTA_MAX, le=DELTA_MAX)]
Quantity = Annotated[int, Field(ge=0, le=TOTAL_MAX)]
PackCount = Annotated[int, Field(ge=-LINE_PACKS_MAX, le=LINE_PACKS_MAX)]
Scan = Annotated[str, Field(min_length=1, max_length=SCAN_CHARS_MAX)]
"""What a scanner sends, control characters and all: see `protocol.barcodes`."""
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
"""ISO 4217."""
Date = Annotated[
    str,
    AfterValidator(_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{DATE_PATTERN}$"}),
]
Instant = Annotated[
    int,
    BeforeValidator(_instant),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": f"^(?=19[7-9]|[2-9]){DATE_PATTERN}[Tt]{_TIME_PATTERN}{_OFFSET_PATTERN}$",
            "description": "RFC 3339 with an offset, in the years 1970 to 9999 of UTC.",
        }
    ),
]
"""RFC 3339 outside, UTC milliseconds inside."""
Kind = Annotated[MoveKind, BeforeValidator(_kind), _one_of(MoveKind)]
RecordedKind = Annotated[MoveKind, BeforeValidator(_kind), _one_of(KINDS_BY_HAND)]
"""A kind that is recorded as a movement of its own. The others are refused with the reason, in `translation`."""
Role = Annotated[PersonRole, BeforeValidator(_role), _one_of(PersonRole)]
"""What somebody is at a node."""
UserId = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
]
"""As `GET /v1/users` shows it."""
LetterText = Annotated[
    str,
    AfterValidator(_several_lines),
    Field(min_length=1, max_length=LETTER_CHARS_MAX),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": LETTER_CHARS_MAX,
            "pattern": f"^{PRINTS_OR_ENDS_LINE}*$",
        }
    ),
]
Details = Annotated[
    dict[str, Any],
    AfterValidator(_details),
    DescribedAs(
        dict[str, FreeJson],
        properties={"sealed": {"type": "object", "minProperties": 1}},
        description=f"Free JSON without floats, at most {DEPTH_MAX} levels and "
        f"{DETAILS_BYTES_MAX:,} bytes as MessagePack. What is under `sealed` is encrypted before it is recorded, and "
        "opened only by `GET /v1/movements/{id}/sealed`.",
    ),
]
"""Free JSON without floats, as small and as flat as the wire takes it."""
KeyText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": IDEMPOTENCY_KEY_CHARS_MAX,
            "pattern": "^[!-~]+$",
            "examples": ["receipt-536365"],
        }
    ),
]
"""An idempotency key, checked by `translation.idempotency_key`."""

# In an address everything is text.
Limit = Annotated[
    int,
    BeforeValidator(_whole),
    Field(ge=1, le=LIST_LIMIT_MAX),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LIST_LIMIT_MAX}),
]
Days = Annotated[
    int,
    BeforeValidator(_whole),
    Field(ge=0, le=DAYS_MAX),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": DAYS_MAX}),
]
Cursor = Annotated[
    str,
    Field(min_length=1, max_length=CURSOR_CHARS_MAX),
    AfterValidator(_one_line),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": CURSOR_CHARS_MAX,
            "pattern": "^[A-Za-z0-9_-]+$",
            "description": "The `next` of the page before; opaque.",
        }
    ),
]
