"""The types that a field's value may have: a closed set, each with what fits it and what JSON Schema says of it.

Invariant: `fault` and `schema` of a kind agree, so that what a schema refuses is refused and nothing else, but for what
JSON Schema cannot say (5.0 is no whole number here). No message repeats the value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol.ids import code_fault
from protocol.limits import (
    ATTRIBUTE_CHARS_MAX,
    CODE_CHARS_MAX,
    DELTA_MAX,
    NAME_CHARS_MAX,
    TIME_MS_MAX,
    TOTAL_MAX,
)

Schema = dict[str, Any]

# In ECMA 262's and in Python's notation: what a code or a line of text may hold.
PRINTS: Final = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
PRINTS_OR_ENDS_LINE: Final = r"(?:\r\n|[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029])"
_YEAR_PATTERN: Final = "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
DATE_PATTERN: Final = rf"{_YEAR_PATTERN}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CURRENCY: Final = re.compile("[A-Z]{3}")
_UUID_PATTERN: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID: Final = re.compile(_UUID_PATTERN)
_LAYOUT: Final = str.maketrans("\n\t", "  ")
_DAYS_BEFORE_MONTH: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


@dataclass(frozen=True, slots=True)
class Text:
    """Text on one line, or with `lines` on several; never empty: no text is null."""

    chars_max: int = NAME_CHARS_MAX
    lines: bool = False
    pattern: str | None = None
    """What the whole of it must match, in the notation that ECMA 262 and Python share."""

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        if type(value) is not str:
            return "must be text"
        if len(value) > self.chars_max:
            return f"must have at most {self.chars_max} characters"
        # Windows programs end lines in CR LF.
        flat = value.replace("\r\n", "\n").translate(_LAYOUT) if self.lines else value
        if fault := code_fault(flat, chars_max=self.chars_max):
            return fault
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return "does not have the form that is asked for"
        return None

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        prints = PRINTS_OR_ENDS_LINE if self.lines else PRINTS
        size = {"minLength": 1, "maxLength": self.chars_max}
        return {"type": "string", **size, "pattern": f"^(?:{self.pattern or prints + '+'})$"}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return f"text of at most {self.chars_max:,} characters{', several lines' * self.lines}"


@dataclass(frozen=True, slots=True)
class Code:
    """A SKU, location, lot or other code, which may name a document of `refers`."""

    refers: str | None = None
    chars_max: int = CODE_CHARS_MAX

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        return (
            "must be text"
            if type(value) is not str
            else code_fault(value, chars_max=self.chars_max)
        )

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        size = {"minLength": 1, "maxLength": self.chars_max}
        return {"type": "string", **size, "pattern": f"^{PRINTS}+$"}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return f"code of at most {self.chars_max} characters"


@dataclass(frozen=True, slots=True)
class Id:
    """The drawn id of a document of `refers`."""

    refers: str

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        if type(value) is not str or _UUID.fullmatch(value) is None:
            return "must be an id, in lower case"
        return None

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        return {"type": "string", "pattern": f"^{_UUID_PATTERN}$"}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return "id"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; quantities are in the SKU's base unit."""

    least: int = 0
    most: int = TOTAL_MAX

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        if type(value) is not int:
            return "must be a whole number"
        if not self.least <= value <= self.most:
            return f"must be from {self.least} to {self.most}"
        return None

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return f"whole number, {self.least:,} to {self.most:,}"


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        return None if type(value) is bool else "must be true or false"

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        return {"type": "boolean"}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return "true or false"


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the Gregorian calendar, as YYYY-MM-DD."""

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        fits = type(value) is str and days_since_1970(value) is not None
        return None if fits else "must be a date that exists, as YYYY-MM-DD"

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        return {"type": "string", "format": "date", "pattern": f"^{DATE_PATTERN}$"}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return "date"


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment: UTC milliseconds inside, RFC 3339 outside. No body sets one."""

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        return Whole(0, TIME_MS_MAX).fault(value)

    def schema(self) -> Schema:
        """What JSON Schema says of it, as it is shown."""
        return {"type": "string", "format": "date-time"}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return "RFC 3339 time"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words_: tuple[str, ...]

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        if type(value) is str and value in self.words_:
            return None
        return f"must be one of {', '.join(self.words_)}"

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        return {"type": "string", "enum": list(self.words_)}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return f"one of {', '.join(f'`{word}`' for word in self.words_)}"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the currency's minor unit, with its ISO 4217 code."""

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        if not isinstance(value, Mapping) or set(value) != {"amount", "currency"}:
            return "must be an amount in minor units and a currency"
        currency = value["currency"]
        if type(currency) is not str or _CURRENCY.fullmatch(currency) is None:
            return "must have a currency of three capital letters"
        return Whole().fault(value["amount"])

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        currency = {"type": "string", "pattern": "^[A-Z]{3}$"}
        properties = {"amount": Whole().schema(), "currency": currency}
        return _object(properties, ["amount", "currency"])

    def words(self) -> str:
        """What the data dictionary says of it."""
        return "money: `amount` in minor units, `currency`"


@dataclass(frozen=True, slots=True)
class Scalar:
    """What an attribute may hold; which of it, the office declares."""

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        match value:
            case bool():
                return None
            case int():
                return Whole(-DELTA_MAX, DELTA_MAX).fault(value)
            case str():
                return Text(ATTRIBUTE_CHARS_MAX).fault(value)
            case _:
                return "must be text, a whole number, true or false"

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        kinds = (Flag(), Whole(-DELTA_MAX, DELTA_MAX), Text(ATTRIBUTE_CHARS_MAX))
        return {"anyOf": [kind.schema() for kind in kinds]}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return "as declared in `attributes`"


@dataclass(frozen=True, slots=True)
class Part:
    """One member of a record."""

    name: str
    kind: "Text | Code | Id | Whole | Flag | Day | Instant | Choice | Money"
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Several values that are set together."""

    parts: tuple[Part, ...]

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does. A member that is not there and one that is null are the same."""
        if not isinstance(value, Mapping):
            return "must be an object"
        known = {part.name: part for part in self.parts}
        if any(name not in known for name in value):
            return f"must have no members but {', '.join(known)}"
        for name, part in known.items():
            held = value.get(name)
            if held is None and part.required:
                return f"must have {name}"
            if held is not None and (fault := part.kind.fault(held)):
                return f"has a {name} that {fault}"
        return None

    def schema(self) -> Schema:
        """What JSON Schema says of it."""
        properties = {
            part.name: {
                **(part.kind.schema() if part.required else nullable(part.kind.schema())),
                "description": part.meaning,
            }
            for part in self.parts
        }
        return _object(properties, [part.name for part in self.parts if part.required])

    def words(self) -> str:
        """What the data dictionary says of it."""
        named = (f"`{part.name}`{'' if part.required else '?'}" for part in self.parts)
        return f"object: {', '.join(named)}"


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of records that a workflow works out; no body sets one."""

    row: Record

    def fault(self, value: object) -> str | None:
        """Why it does not fit; None when it does."""
        if not isinstance(value, list | tuple):
            return "must be a list"
        return next((fault for one in value if (fault := self.row.fault(one))), None)

    def schema(self) -> Schema:
        """What JSON Schema says of it, as it is shown: every member is there."""
        row = self.row.schema()
        return {"type": "array", "items": {**row, "required": [*row["properties"]]}}

    def words(self) -> str:
        """What the data dictionary says of it."""
        return f"list, of {self.row.words()}"


Kind = Text | Code | Id | Whole | Flag | Day | Instant | Choice | Money | Scalar | Record | Rows


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def days_since_1970(text: str) -> int | None:
    """The number of a day written as YYYY-MM-DD, negative before 1970; None for what is no day of the years 1 to 9999."""
    found = _DATE.fullmatch(text)
    if found is None or not text.isascii():
        return None
    year, month, day = map(int, found.groups())
    if year == 0 or not 1 <= month <= 12:
        return None
    leaps = (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    after_february = int(is_leap and month > 2)
    before = 365 * (year - 1) + leaps + _DAYS_BEFORE_MONTH[month - 1] + after_february
    ends = 365 if month == 12 else _DAYS_BEFORE_MONTH[month]
    length = ends - _DAYS_BEFORE_MONTH[month - 1] + int(is_leap and month == 2)
    return before + day - 1 - 719_162 if 1 <= day <= length else None


def _object(properties: Schema, required: list[str]) -> Schema:
    shape: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**shape, "required": required} if required else shape
